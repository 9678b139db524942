"""All that an evaluation found; the page shows the same and nothing else."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from training.data.pictures import Classes, Refused, evenly
from training.evaluation import scores
from training.evaluation.costs import (
    CheapestThreshold,
    Costs,
    CrossFitted,
    cheapest_threshold,
    cost_at,
    cross_fitted,
)
from training.evaluation.degrade import DEGRADATIONS
from training.evaluation.endpoint import Latency
from training.evaluation.kinds import kinds
from training.evaluation.plain import BESIDE, plain
from training.evaluation.samples import Samples
from training.evaluation.scores import AtThreshold, Bin, Figures, Judged, Numbers, judge
from training.machine import machine
from training.session import Maps
from vehiclevision.labels import LABELS, TRUTHS

if TYPE_CHECKING:
    from training.evaluation.against import Against

FORMAT: Final = 1
CLEAN: Final = "clean"
# So many pictures of each kind of trouble are named: enough to look at, whatever the folder holds.
MAX_NAMED: Final = 24
MAX_RIGHT: Final = 4 * len(LABELS)


@dataclass(frozen=True)
class Answered:
    """Pictures and what the model said: plain, and in each worse state for the samples that have one.

    `maps` say where in a picture the model saw what [labels, rows, columns], by the picture's index; `no_maps` says why
    there are none.
    """

    samples: Samples
    answers: Numbers
    worse: Mapping[str, Numbers]
    maps: Mapping[int, Maps] = field(default_factory=dict)
    no_maps: str = ""

    def judged(self) -> Judged:
        """The answers beside the truth."""
        return judge(self.answers, self.samples.classes)


@dataclass(frozen=True)
class AnsweredBy:
    """Who answered and how fast: a model file, of which its manifest tells more, or an endpoint."""

    model_version: str
    model_versions: Sequence[str]
    model: Mapping[str, Any] | None
    endpoint: str | None
    latency_milliseconds: Latency | None
    milliseconds_per_image: float


@dataclass(frozen=True)
class Data:
    """The pictures, and the files that were refused."""

    source: str
    pictures: int
    classes: Sequence[str]
    refused: int
    refused_reasons: Mapping[str, int]
    refused_files: Sequence[Refused]


@dataclass(frozen=True)
class CostFigures:
    """The cheapest threshold and the one in use; what a threshold costs flatters it on the pictures that chose it."""

    cheapest: CheapestThreshold = field(metadata=BESIDE)
    cross_fitted: CrossFitted | None
    # The threshold in use, and what it costs.
    in_use: Mapping[str, float]
    chosen_on_the_same_pictures: bool = True


@dataclass(frozen=True)
class Report:
    """Figures first, then what they rest on."""

    format: int
    figures: Figures = field(metadata=BESIDE)
    answered_by: AnsweredBy = field(metadata=BESIDE)
    threshold_from: str
    machine: str
    measured_at: str
    data_hash: str
    data: Data
    kinds: Mapping[str, Any]
    # The shares of pictures that were all made worse in one way, or in none.
    robustness: Sequence[Mapping[str, Any]]
    costs: CostFigures | None
    against: "Against | None"
    reliability: Sequence[Bin]
    curve: Sequence[AtThreshold]
    # The pictures that the page shows, and what was answered.
    pictures: Mapping[str, Sequence[Mapping[str, Any]]]
    # Whether the page shows where the model looked.
    where_it_looked: Mapping[str, Any]


def report(
    answered: Answered, answered_by: AnsweredBy, threshold: float, threshold_from: str, costs: Costs | None
) -> Report:
    """All of it, but for the answers of another service."""
    samples, judged = answered.samples, answered.judged()
    return Report(
        format=FORMAT,
        figures=scores.figures(answered.answers, samples.classes, threshold),
        answered_by=answered_by,
        threshold_from=threshold_from,
        machine=machine(),
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        data_hash=samples.data_hash,
        data=Data(
            source=samples.source,
            pictures=len(samples),
            classes=samples.class_names,
            refused=len(samples.refused),
            refused_reasons=dict(sorted(Counter(item.reason for item in samples.refused).items())),
            refused_files=samples.refused,
        ),
        kinds=kinds(judged, samples.looks, samples.sources, threshold),
        robustness=_robustness(answered, threshold),
        costs=_costs(answered, threshold, costs),
        against=None,
        reliability=scores.reliability(answered.answers, samples.classes),
        curve=scores.curve(answered.answers, samples.classes),
        pictures={
            "wrong": _named(answered, wrong(judged, threshold)),
            "least_sure": _named(answered, least_sure(judged, threshold)),
            "right": _named(answered, right(judged, threshold)),
        },
        where_it_looked={"shown": bool(answered.maps), "why_not": answered.no_maps or None},
    )


def looked_at(judged: Judged, threshold: float) -> list[int]:
    """Pictures of which the page shows where the model looked."""
    return sorted({*wrong(judged, threshold), *right(judged, threshold)})


def wrong(judged: Judged, threshold: float) -> list[int]:
    """Pictures that pass with a label that is not theirs, the surest first."""
    chosen = np.flatnonzero(judged.passed(threshold) & ~judged.right)
    return _first(chosen, -judged.confidence[chosen])


def least_sure(judged: Judged, threshold: float) -> list[int]:
    """Vehicles that go to a person, the least sure of their own label first."""
    chosen = np.flatnonzero(judged.vehicle & ~judged.passed(threshold))
    return _first(chosen, judged.confidence[chosen])


def right(judged: Judged, threshold: float) -> list[int]:
    """Some vehicles that pass with their own label: as many of each, evenly from the surest to the least sure."""
    chosen: list[int] = []
    for number in range(len(LABELS)):
        own = np.flatnonzero(judged.passed(threshold) & judged.right & (judged.truth == number))
        own = own[np.argsort(-judged.confidence[own], kind="stable")]
        chosen += evenly(own, MAX_RIGHT // len(LABELS)).tolist()
    return chosen


def _first(chosen: Classes, rank: Numbers) -> list[int]:
    order: list[int] = chosen[np.argsort(rank, kind="stable")][:MAX_NAMED].tolist()
    return order


def _named(answered: Answered, chosen: list[int]) -> list[dict[str, Any]]:
    samples, answers = answered.samples, answered.answers.round(4)
    return [
        {
            "file": samples.names[index],
            "shows": TRUTHS[int(samples.classes[index])],
            **dict(zip(LABELS, answers[index].tolist(), strict=True)),
        }
        for index in chosen
    ]


def _robustness(answered: Answered, threshold: float) -> list[dict[str, Any]]:
    """The same pictures plain and in each worse state."""
    if not answered.worse:
        return []
    chosen = answered.samples.worse
    classes = answered.samples.classes[chosen]
    rows = [(CLEAN, "as they are", answered.answers[chosen])]
    rows += [(name, DEGRADATIONS[name].strength, answers) for name, answers in answered.worse.items()]
    return [
        {"condition": name, "strength": strength, **plain(scores.shares(judge(answers, classes), threshold))}
        for name, strength, answers in rows
    ]


def _costs(answered: Answered, threshold: float, costs: Costs | None) -> CostFigures | None:
    """None where costs are not known, or there is no vehicle to send anywhere."""
    answers, classes, judged = answered.answers, answered.samples.classes, answered.judged()
    if costs is None or not judged.vehicle.any():
        return None
    return CostFigures(
        cheapest_threshold(answers, classes, costs),
        cross_fitted(answers, classes, costs, answered.samples.sources),
        {"threshold": threshold, **plain(cost_at(judged, threshold, costs))},
    )
