"""Fits what monitoring.estimate needs to pictures with known labels, and measures how far off its estimates are.

Every picture is taken as it is and made worse in each way of training.evaluation.degrade. What is off is measured by
cross-fitting: each half of the pictures is estimated with what was fitted to the other half.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import optimize
from scipy.special import expit

from monitoring.drift.calibrated import ALL, FEATURES, MEASURED, PASSED, PLAIN, Calibration, Kind
from monitoring.estimate import features, probabilities, rows_confidence
from monitoring.measure import MEASURES, Numbers, measure_pixels
from training.data.pictures import Classes, Pixels, evenly
from training.data.threads import THREADS, in_threads
from training.evaluation.scores import surest
from vehiclevision.labels import LABELS

Rows: TypeAlias = Mapping[str, Numbers]
Answering: TypeAlias = Callable[[Pixels], npt.NDArray[np.floating]]

MIN_VEHICLES: Final = 100
# The fit is held back by so much; a picture's copies together count as so many pictures.
_PENALTY: Final = 1.0
_COUNTS_FOR: Final = 3.0
# Traffic on which estimates are tried: so many pictures without any vehicle among so many.
_OTHERS: Final = (0.0, 0.2, 0.5)


def calibrate(seen: Mapping[str, Rows], classes: Classes, threshold: float, vehicle_share: float) -> Calibration | None:
    """A calibration from the rows of pictures, `plain` and worse by name; None for fewer vehicles than tell.

    A class beyond the labels is none of the vehicles.
    """
    vehicle = classes < len(LABELS)
    if int(vehicle.sum()) < MIN_VEHICLES:
        return None
    light = np.stack([seen[PLAIN][name][vehicle] for name in MEASURED], axis=1)
    blank = Calibration(
        coefficients=np.zeros(len(FEATURES)),
        covariance=np.zeros((len(FEATURES), len(FEATURES))),
        vehicle_share=vehicle_share,
        mean=light.mean(axis=0),
        spread=np.maximum(light.std(axis=0), 1e-6),
        kinds={},
        systematic={ALL: 0.0, PASSED: 0.0},
    )
    fitted = _fit(blank, seen, classes, vehicle)
    # Neighbours are of one class: every other picture gives halves alike.
    first = np.arange(len(classes)) % 2 == 0
    halves = [
        (first, _fit(blank, seen, classes, vehicle & ~first)),
        (~first, _fit(blank, seen, classes, vehicle & first)),
    ]
    kinds = {name: _tried(blank, rows, classes, halves, threshold) for name, rows in seen.items()}
    off = {of: math.sqrt(float(np.mean([kind.errors[of] ** 2 for kind in kinds.values()]))) for of in (ALL, PASSED)}
    return replace(fitted, kinds=kinds, systematic=off)


def rows_of(batches: Iterable[Pixels], answering: Answering) -> dict[str, Numbers]:
    """Measurements and answers of pictures of the model's size, a few at a time; `answering` is called in threads."""
    parts = list(in_threads(partial(_rows, answering), batches, THREADS))
    names = (*MEASURES, *LABELS)
    return {name: np.concatenate([part[name] for part in parts]) if parts else np.empty(0) for name in names}


def _rows(answering: Answering, pixels: Pixels) -> dict[str, Numbers]:
    answers = np.asarray(answering(pixels), dtype=np.float64)
    return {**measure_pixels(pixels), **{label: answers[:, number] for number, label in enumerate(LABELS)}}


def is_right(rows: Rows, classes: Classes) -> npt.NDArray[np.bool_]:
    """Whether the surest label is the picture's; where several are as sure, none is."""
    right: npt.NDArray[np.bool_] = surest(np.stack([rows[label] for label in LABELS], axis=1)) == classes
    return right


def _fit(blank: Calibration, seen: Mapping[str, Rows], classes: Classes, chosen: npt.NDArray[np.bool_]) -> Calibration:
    """Logistic regression of right answers to vehicles, with its uncertainty by whole pictures."""
    tables = [features(_part(rows, chosen), blank.mean, blank.spread) for rows in seen.values()]
    right = [is_right(rows, classes)[chosen].astype(np.float64) for rows in seen.values()]
    table, truth = np.concatenate(tables), np.concatenate(right)
    weight = _COUNTS_FOR / len(seen)
    penalty = np.full(table.shape[1], _PENALTY)
    penalty[0] = 0.0

    def loss(coefficients: Numbers) -> tuple[float, Numbers]:
        odds = table @ coefficients
        value = weight * float((np.logaddexp(0, odds) - truth * odds).sum())
        slope = weight * (table.T @ (expit(odds) - truth))
        return value + 0.5 * float((penalty * coefficients**2).sum()), slope + penalty * coefficients

    fitted: Numbers = optimize.minimize(loss, np.zeros(table.shape[1]), jac=True, method="BFGS").x
    chances = [expit(each @ fitted) for each in tables]
    curvature = np.diag(penalty) + weight * sum(
        (each * (chance * (1 - chance))[:, np.newaxis]).T @ each for each, chance in zip(tables, chances, strict=True)
    )
    # The copies of a picture are right or wrong together.
    scores = weight * sum(
        each * (chance - own)[:, np.newaxis] for each, chance, own in zip(tables, chances, right, strict=True)
    )
    bread = np.linalg.inv(curvature)
    return replace(blank, coefficients=fitted, covariance=bread @ (scores.T @ scores) @ bread)


def _tried(
    blank: Calibration,
    rows: Rows,
    classes: Classes,
    halves: list[tuple[npt.NDArray[np.bool_], Calibration]],
    threshold: float,
) -> Kind:
    """How far the measurements of vehicles moved, and the largest error over traffic of several kinds."""
    vehicle = classes < len(LABELS)
    light = np.stack([rows[name][vehicle] for name in MEASURED], axis=1).mean(axis=0)
    errors: dict[str, list[float]] = {ALL: [], PASSED: []}
    others = np.flatnonzero(~vehicle)
    for share in _OTHERS:
        count = round(float(vehicle.sum()) * share / (1 - share))
        if count > len(others):
            continue
        used = vehicle.copy()
        used[evenly(others, count)] = True
        guessed, truth, surer = [], [], []
        for half, fitted in halves:
            part = _part(rows, used & half)
            guessed.append(probabilities(fitted, part))
            truth.append(is_right(part, classes[used & half]))
            surer.append(rows_confidence(part))
        off = np.concatenate(guessed) - np.concatenate(truth)
        passed = np.concatenate(surer) >= threshold
        errors[ALL].append(float(off.mean()))
        errors[PASSED].append(float(off[passed].mean()) if passed.any() else 0.0)
    return Kind((light - blank.mean) / blank.spread, {of: max(off_by, key=abs) for of, off_by in errors.items()})


def _part(rows: Rows, chosen: npt.NDArray[np.bool_]) -> dict[str, Numbers]:
    return {name: values[chosen] for name, values in rows.items()}
