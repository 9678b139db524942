"""Accuracy estimated without labels, beside the true one: `python -m bench.estimate --data DIR [--photos DIR]`.

The model never learnt from these pictures, and no estimate was fitted to the pictures it is made for: each half of the
held-out part is estimated with a baseline calibrated on the other half. `blur, sigma 1 %`, `10 % darker` and `another
camera` were not among the trials of any calibration. Photos are estimated with all of the held-out part.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from bench.drift import CHANGES, OTHER_VEHICLES, Pool, batches
from bench.tables import table
from monitoring.drift.baseline import CONFIDENCE, compose
from monitoring.drift.calibrated import PLAIN, Calibration
from monitoring.drift.calibration import calibrate, is_right, rows_of
from monitoring.drift.making import TRIED
from monitoring.estimate import Estimate, estimate, rows_confidence
from monitoring.summary import Sample
from training.artefact import DEFAULT_MODEL, load_model
from training.data.extract import extract
from training.data.pictures import Classes, LabelledImages, Pixels
from training.data.split import split
from training.evaluation import samples
from training.evaluation.degrade import degraded
from vehiclevision.labels import LABELS

NEITHER: Final = len(LABELS)
KINDS: Final = (PLAIN, *TRIED)
HALF_NIGHT: Final = "a third at night"


@dataclass(frozen=True)
class Traffic:
    """Answers and measurements of pictures whose labels are known."""

    rows: Pool
    classes: Classes

    def part(self, chosen: Any) -> "Traffic":
        """Some of them."""
        return Traffic({name: values[chosen] for name, values in self.rows.items()}, self.classes[chosen])

    def with_some(self, other: "Traffic", count: int) -> "Traffic":
        """These, and so many of those."""
        rows = {name: np.concatenate([values, other.rows[name][:count]]) for name, values in self.rows.items()}
        return Traffic(rows, np.concatenate([self.classes, other.classes[:count]]))


def kinds(files: Sequence[bytes]) -> Iterator[tuple[str, Iterator[Pixels]]]:
    """The pictures as they are, and changed in every way, a few at a time."""
    yield PLAIN, batches(files)
    for name in TRIED:
        yield name, batches([degraded(name, file) for file in files])
    for name, change in CHANGES.items():
        if name != HALF_NIGHT:
            yield name, batches(files, change)


def estimated(calibration: Calibration, traffic: Traffic, threshold: float) -> tuple[Estimate | None, Estimate | None]:
    """Of the answers that pass, and of all, as the product estimates them."""
    columns = {**traffic.rows, CONFIDENCE: rows_confidence(traffic.rows)}
    baseline = compose(
        columns,
        columns,
        threshold=threshold,
        model_version="bench",
        made_from="the other half",
        made_at="now",
        calibration=calibration,
    )
    return estimate(baseline, Sample(columns, ("",) * len(traffic.classes)))


def run(data: Path, photos: Path | None) -> dict[str, Any]:
    """All estimates."""
    model = load_model(DEFAULT_MODEL)
    threshold = model.manifest.threshold
    images = extract(data)
    held_out = images.part(split(images).validation)
    names = np.array(held_out.class_names)[held_out.classes]
    vehicles = held_out.part(np.flatnonzero(held_out.classes < NEITHER))
    others = held_out.part(np.flatnonzero(held_out.classes >= NEITHER)[:: max(1, 9800 // 400)])
    strange = held_out.part(np.flatnonzero(np.isin(names, list(OTHER_VEHICLES)))[::2])
    seen = {
        group: {name: Traffic(rows_of(pixels, model.predict), _classes(images)) for name, pixels in kinds(images.files)}
        for group, images in (("vehicles", vehicles), ("others", others))
    }
    seen["strange"] = {PLAIN: Traffic(rows_of(batches(strange.files), model.predict), _classes(strange))}

    def fitted(first: Any, second: Any) -> Calibration:
        of_others = {name: seen["others"][name].part(second) for name in KINDS}
        both = {
            name: seen["vehicles"][name].part(first).with_some(others, len(others.classes))
            for name, others in of_others.items()
        }
        rows = {name: traffic.rows for name, traffic in both.items()}
        calibration = calibrate(rows, both[PLAIN].classes, threshold, 0.5)
        if calibration is None:
            raise SystemExit("too few vehicles to calibrate on")
        return calibration

    even, even_others = np.arange(len(vehicles)) % 2 == 0, np.arange(len(others)) % 2 == 0
    halves = [(fitted(~even, ~even_others), even, even_others), (fitted(even, even_others), ~even, ~even_others)]
    sets = []
    for name, traffic in seen["vehicles"].items():
        for share in (0.0, 0.2):
            halved = [
                (calibration, _mixed(traffic.part(own), seen["others"][name].part(own_others), share))
                for calibration, own, own_others in halves
            ]
            sets.append(_row(_called(name, share), threshold, halved))
    mixed = [
        (calibration, _mixed(seen["vehicles"][PLAIN].part(own), seen["strange"][PLAIN], 0.2))
        for calibration, own, _ in halves
    ]
    sets.append(_row("20 % other vehicles", threshold, mixed))
    night = [
        (calibration, _third(seen["vehicles"][PLAIN].part(own), seen["vehicles"]["night"].part(own)))
        for calibration, own, _ in halves
    ]
    sets.append(_row(HALF_NIGHT, threshold, night))
    if photos is not None:
        everything = fitted(np.ones(len(vehicles), bool), np.ones(len(others), bool))
        real = samples.from_folder(photos, lambda done, total: None, robustness=True)
        for name in KINDS:
            files = real.files if name == PLAIN else list(real.worsened(name))
            traffic = Traffic(
                rows_of(batches(files), model.predict), real.classes if name == PLAIN else real.classes[real.worse]
            )
            sets.append(_row(f"photos, {name}", threshold, [(everything, traffic)]))
    return {"model": model.manifest.version, "threshold": threshold, "sets": sets}


def _classes(images: LabelledImages) -> Classes:
    classes: Classes = np.minimum(images.classes, NEITHER)
    return classes


def _called(name: str, share: float) -> str:
    plain = "as they are" if name == PLAIN else name
    return f"{plain}, 20 % neither" if share else plain


def _mixed(traffic: Traffic, others: Traffic, share: float) -> Traffic:
    return traffic.with_some(others, round(len(traffic.classes) * share / (1 - share)))


def _third(plain: Traffic, changed: Traffic) -> Traffic:
    third = np.arange(len(plain.classes)) % 3 == 0
    return plain.part(~third).with_some(changed.part(third), int(third.sum()))


def _row(name: str, threshold: float, parts: Sequence[tuple[Calibration, Traffic]]) -> dict[str, Any]:
    """The mean over the halves of estimate, truth and mean confidence."""
    row: dict[str, Any] = {"set": name}
    made = [(estimated(calibration, traffic, threshold), traffic) for calibration, traffic in parts]
    for number, of in enumerate(("passed", "all")):
        found = []
        for estimates, traffic in made:
            one = estimates[number]
            if one is None:
                continue
            surer = rows_confidence(traffic.rows)
            counted = surer >= threshold if of == "passed" else np.ones(len(surer), bool)
            truth = float(is_right(traffic.rows, traffic.classes)[counted].mean())
            found.append((one, truth, float(surer[counted].mean())))
        counts = [one.n for one, _, _ in found]
        row[of] = {
            "n": sum(counts),
            "true": float(np.average([truth for _, truth, _ in found], weights=counts)),
            "estimated": float(np.average([one.accuracy for one, _, _ in found], weights=counts)),
            "confidence": float(np.average([plain for _, _, plain in found], weights=counts)),
            "inside": all(one.low <= truth <= one.high for one, truth, _ in found),
            "holds": all(one.holds for one, _, _ in found),
            "why": next((one.why for one, _, _ in found if one.why), ""),
        }
    return row


def show(figures: Mapping[str, Any], console: Console) -> None:
    """The table, and how far off things are where they say they hold."""
    sets = []
    for row in figures["sets"]:
        cells = [row["set"]]
        for of in ("passed", "all"):
            one = row[of]
            cells += [f"{100 * one[name]:.1f}" for name in ("estimated", "true", "confidence")]
            cells.append("yes" if one["holds"] else "no")
        sets.append(cells)
    title = "Right answers in %: estimated without labels, true, and the mean confidence"
    columns = ("pictures", "pass: est.", "true", "conf.", "holds", "all: est.", "true", "conf.", "holds")
    console.print(table(title, columns, sets, words=("pictures",)))
    for of in ("passed", "all"):
        rows = [row[of] for row in figures["sets"]]
        for name in ("estimated", "confidence"):
            off = np.array([abs(row[name] - row["true"]) for row in rows])
            held = np.array([row["holds"] for row in rows])
            console.print(
                f"{of}, {name}: mean error {100 * off.mean():.1f} points, largest {100 * off.max():.1f}; "
                f"where it holds ({held.sum()} of {len(held)}) largest {100 * off[held].max(initial=0):.1f}"
            )


def main() -> None:
    """Estimate, print, and write JSON where asked to."""
    parser = argparse.ArgumentParser(prog="python -m bench.estimate", description="Accuracy without labels.")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", required=True, help="CIFAR-100, as the model was trained on"
    )
    parser.add_argument("--photos", type=Path, metavar="DIR", help="real photos, a folder per class")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all figures as JSON")
    options = parser.parse_args()
    figures = run(options.data, options.photos)
    show(figures, Console(width=120))
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
