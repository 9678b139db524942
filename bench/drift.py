"""False alarms and found changes of one drift check, beside PSI on the same draws.

    python -m bench.drift [--data DIR] [--checks N] [--out FILE.json] [--plot FILE.png]

With --data (CIFAR-100, unpacked or not) pictures are those that the shipped model never learnt from; without, the
demo's drawings, cropped at random. Measurements are taken once; then checks are drawn. Nothing here knows which draws
have drift: each goes through `monitoring.drift.decision.check` as a day's captures would.

A baseline has as many values as the shipped one: 1,000 of each measurement, 200 of each answer.
"""

import argparse
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter
from rich.console import Console

from bench.rivals import psi
from bench.tables import table
from monitoring.drift.baseline import CONFIDENCE, Baseline, compose, mix_of, rounded
from monitoring.drift.calibration import rows_of
from monitoring.drift.compare import compare_counts, compare_numbers, holm
from monitoring.drift.decision import ALARM_RATE, check
from monitoring.estimate import rows_confidence
from monitoring.measure import MEASURES, Numbers
from monitoring.summary import Sample
from training.artefact import DEFAULT_MODEL, Model, load_model
from training.data.pictures import Pixels, decoded, stacked
from training.evaluation.degrade import at_working_size, night
from training.evaluation.scores import wilson
from training.machine import machine
from training.session import BATCH
from vehiclevision.image_gate import encode, model_input
from vehiclevision.labels import LABELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Pool: TypeAlias = dict[str, Numbers]

SIZES: Final = (30, 60, 100, 300, 1000, 3000, 10_000)
POWER_SIZES: Final = (30, 60, 100, 200, 300, 1000)
FIXED_SIZES: Final = (300, 10_000)
EVERYTHING_SIZES: Final = (100, 1000, 10_000)
MEASURED, ANSWERED = 1000, 200
QUIET: Final = "no drift"
EVERYTHING: Final = "no drift, 100 classes"
# The share of pictures that a change takes hold of.
SHIFTS: Final[Mapping[str, float]] = {
    "10 % darker": 1.0,
    "blur, sigma 1 %": 1.0,
    "a third at night": 1 / 3,
    "another camera": 1.0,
    "20 % other vehicles": 0.2,
}
OTHER_VEHICLES: Final = frozenset(
    {"bus", "lawn_mower", "pickup_truck", "rocket", "streetcar", "tank", "tractor", "train"}
)
# At this size changes must be found, and are counted more often.
SHOWN: Final = 300
BASELINES: Final = 10
CANDIDATES: Final = 100
# Pictures that the model is asked about, which takes it some ten milliseconds each.
MAX_EVERYTHING: Final = 2000
CROPS: Final = 25
WORKERS: Final = os.cpu_count() or 1
_CHUNK: Final = 50


@dataclass(frozen=True)
class Task:
    """Checks to draw: from which pool, with what share of it changed, of which size; `fixed` names one baseline."""

    pool: str
    share: float
    n: int
    checks: int
    seed: int
    fixed: int | None = None


# ---- pictures --------------------------------------------------------------------------------------------------


def darker(image: Image.Image) -> Image.Image:
    """A tenth of the light is gone."""
    return image.point(lambda level: level * 0.9 + 0.5)


def blurred(image: Image.Image) -> Image.Image:
    """Out of focus: a photo that seems sharp until it is seen beside a sharp one."""
    return image.filter(ImageFilter.GaussianBlur(0.01 * max(image.size)))


def at_night(image: Image.Image) -> Image.Image:
    """As training.evaluation.degrade has it."""
    return model_input(night(at_working_size(image)))


def by_another_camera(image: Image.Image) -> Image.Image:
    """A steeper tone curve, a warmer white balance, some noise, and JPEG at quality 75."""
    levels = np.asarray(image) / 255
    noise = np.random.default_rng(int(levels.sum() * 1000)).normal(0, 4 / 255, levels.shape)
    levels = np.clip(levels**1.2 * np.array([1.05, 1.0, 0.93]) + noise, 0, 1)
    buffer = io.BytesIO()
    Image.fromarray((levels * 255 + 0.5).astype(np.uint8)).save(buffer, format="JPEG", quality=75)
    with Image.open(buffer, formats=["JPEG"]) as read:
        return read.convert("RGB")


CHANGES: Final[Mapping[str, Callable[[Image.Image], Image.Image]]] = {
    "10 % darker": darker,
    "blur, sigma 1 %": blurred,
    "a third at night": at_night,
    "another camera": by_another_camera,
}


def pools(model: Model, data: Path | None) -> dict[str, Pool]:
    """The rows that checks are drawn from, by what happened to the pictures."""
    vehicles, others, everything = _pictures(data)
    rows = {QUIET: rows_of(batches(vehicles), model.predict)}
    for name, change in CHANGES.items():
        rows[name] = rows_of(batches(vehicles, change), model.predict)
    rows["20 % other vehicles"] = rows_of(batches(others), model.predict)
    if everything:
        rows[EVERYTHING] = rows_of(batches(everything), model.predict)
    for pool in rows.values():
        pool[CONFIDENCE] = rows_confidence(pool)
    # As a baseline's file rounds them: otherwise equal sizes would differ in the last digit, which PSI calls drift.
    return {name: {column: rounded(values) for column, values in pool.items()} for name, pool in rows.items()}


def batches(files: Sequence[bytes], change: Callable[[Image.Image], Image.Image] | None = None) -> Iterator[Pixels]:
    """The pictures a few at a time, changed before the gate would encode them, where they are changed."""
    for start in range(0, len(files), BATCH):
        batch = stacked(files[start : start + BATCH])
        yield batch if change is None else np.stack([sent(change(Image.fromarray(picture))) for picture in batch])


def sent(image: Image.Image) -> Pixels:
    """What the endpoint sees of a picture of the model's size."""
    return decoded(encode(image))


def _pictures(data: Path | None) -> tuple[Sequence[bytes], Sequence[bytes], Sequence[bytes]]:
    """Vehicles, other vehicles, and some of everything held out, as the gate's files."""
    if data is None:
        return (*_drawn(), ())
    from training.data.extract import extract  # noqa: PLC0415 - not for the drawings
    from training.data.split import split  # noqa: PLC0415

    images = extract(data)
    held_out = images.part(split(images).validation)
    names = np.array(held_out.class_names)[held_out.classes]
    vehicles = held_out.part(np.flatnonzero(held_out.classes < len(LABELS)))
    others = held_out.part(np.flatnonzero(np.isin(names, list(OTHER_VEHICLES))))
    everything = held_out.part(np.arange(0, len(held_out), max(1, len(held_out) // MAX_EVERYTHING)))
    return _mirrored(vehicles.files), _mirrored(others.files), everything.files


def _drawn() -> tuple[Sequence[bytes], Sequence[bytes]]:
    """The demo's drawings, each cropped at random many times."""
    from cli import samples  # noqa: PLC0415
    from vehiclevision.record import Outcome  # noqa: PLC0415 - not for real pictures

    chance = np.random.default_rng(0)

    def crops(vehicle: bool) -> Iterator[bytes]:
        for sample in samples.of():
            if sample.outcome is Outcome.REJECTED or (sample.label is not None) != vehicle:
                continue
            image = Image.open(io.BytesIO(sample.content)).convert("RGB")
            for _ in range(CROPS):
                left, top, right, bottom = chance.uniform(0, 0.12, 4) * np.array([image.width, image.height] * 2)
                box = (int(left), int(top), image.width - int(right), image.height - int(bottom))
                yield encode(model_input(image.crop(box)))

    return list(crops(True)), list(crops(False))


def _mirrored(files: Iterable[bytes]) -> Sequence[bytes]:
    plain = list(files)
    return [*plain, *(encode(Image.fromarray(decoded(file)[:, ::-1])) for file in plain)]


# ---- draws -----------------------------------------------------------------------------------------------------

_POOLS: dict[str, Pool] = {}
_THRESHOLD = [0.5]


def _begin(pools_by_name: dict[str, Pool], threshold: float) -> None:
    _POOLS.update(pools_by_name)
    _THRESHOLD[0] = threshold


def baseline_of(pool: Pool, chance: np.random.Generator, answered: int) -> Baseline:
    """A baseline of pictures drawn from a pool."""
    measured = take(pool, MEASURED, chance)
    answers = {name: values[:answered] for name, values in measured.items()}
    columns = {name: measured[name] for name in MEASURES}
    return compose(
        {**columns, CONFIDENCE: answers[CONFIDENCE]},
        answers,
        threshold=_THRESHOLD[0],
        model_version="bench",
        made_from="a draw",
        made_at="now",
    )


def take(pool: Pool, n: int, chance: np.random.Generator) -> Pool:
    """Rows drawn at random; a row may come again, as another picture that happens to measure the same."""
    rows = chance.integers(0, len(pool[CONFIDENCE]), n)
    return {name: values[rows] for name, values in pool.items()}


def sample_of(task: Task, chance: np.random.Generator) -> Sample:
    """One day's captures."""
    changed = int(chance.binomial(task.n, task.share)) if task.pool in SHIFTS else task.n
    parts = [take(_POOLS[task.pool], changed, chance), take(_POOLS[QUIET], task.n - changed, chance)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Sample(columns, ("",) * task.n)


def draw(task: Task) -> tuple[Task, npt.NDArray[np.bool_], list[str]]:
    """Alarms of each check: ours, PSI's at both thresholds, and our tests' without a tolerance; what ours named."""
    chance = np.random.default_rng([task.seed, task.n])
    quiet = _POOLS[EVERYTHING if task.pool == EVERYTHING else QUIET]
    answered = MEASURED if task.pool == EVERYTHING else ANSWERED
    fixed = None if task.fixed is None else baseline_of(quiet, np.random.default_rng(task.fixed), answered)
    alarms, named = np.zeros((task.checks, 4), dtype=bool), []
    for number in range(task.checks):
        baseline = fixed or baseline_of(quiet, chance, answered)
        sample = sample_of(task, chance)
        decision = check(baseline, sample)
        index = psi.largest(baseline, sample)
        plain = fixed is not None and _plain(baseline, sample) <= ALARM_RATE
        alarms[number] = decision.drifted, index > psi.USUAL, index > psi.STRICT, plain
        named += [finding.name for finding in decision.changed]
    return task, alarms, named


def _plain(baseline: Baseline, sample: Sample) -> float:
    """The smallest adjusted p-value of the same tests when every difference counts."""
    p_values = [compare_numbers(before, sample.columns[name], 0.0).p_value for name, before in baseline.columns.items()]
    p_values.append(compare_counts(baseline.mix, mix_of(sample.columns, baseline.threshold), 0.0).p_value)
    return float(holm(np.array(p_values)).min())


def unluckiest() -> int:
    """Of many baselines the one that lies furthest from what it was drawn from."""
    whole = Sample(_POOLS[QUIET], ("",) * len(_POOLS[QUIET][CONFIDENCE]))
    worst = {
        seed: _plain(baseline_of(_POOLS[QUIET], np.random.default_rng(seed), ANSWERED), whole)
        for seed in range(CANDIDATES)
    }
    return min(worst, key=lambda seed: worst[seed])


# ---- the run ---------------------------------------------------------------------------------------------------


def tasks(checks: int, fixed: list[int], names: list[str]) -> Iterator[Task]:
    """Everything that is drawn, in parts."""
    for name in names:
        sizes = {QUIET: SIZES, EVERYTHING: EVERYTHING_SIZES}.get(name, POWER_SIZES)
        for n in sizes:
            # False alarms are rare, and found changes are not: these take fewer draws to count.
            draws = max(1, checks // {QUIET: 1, EVERYTHING: 4}.get(name, 8 if n == SHOWN else 20))
            for start in range(0, draws, _CHUNK):
                seed = 1000 * names.index(name) + start // _CHUNK
                yield Task(name, SHIFTS.get(name, 1.0), n, min(_CHUNK, draws - start), seed)
    for number, seed in enumerate(fixed):
        for n in FIXED_SIZES:
            for start in range(0, max(1, checks // 40), _CHUNK):
                part = min(_CHUNK, max(1, checks // 40) - start)
                yield Task(QUIET, 1.0, n, part, 10**6 + 1000 * number + start // _CHUNK, seed)


def run(data: Path | None, checks: int) -> dict[str, Any]:
    """All figures."""
    model = load_model(DEFAULT_MODEL)
    drawn_from = pools(model, data)
    _begin(drawn_from, model.manifest.threshold)
    fixed = [*range(BASELINES), unluckiest()]
    totals: dict[tuple[str, int, int | None], list[npt.NDArray[np.bool_]]] = {}
    named: dict[str, dict[str, int]] = {}
    planned = sorted(tasks(checks, fixed, list(drawn_from)), key=lambda task: -task.n * task.checks)
    with ProcessPoolExecutor(WORKERS, initializer=_begin, initargs=(drawn_from, model.manifest.threshold)) as workers:
        for task, alarms, names in workers.map(draw, planned):
            totals.setdefault((task.pool, task.n, task.fixed), []).append(alarms)
            if task.n == SHOWN and task.fixed is None:
                counts = named.setdefault(task.pool, {})
                for name in names:
                    counts[name] = counts.get(name, 0) + 1
    rates = {key: np.concatenate(parts) for key, parts in totals.items()}
    return {
        "pictures": "drawings" if data is None else "held out of CIFAR-100",
        "model": model.manifest.version,
        "alarm_rate": ALARM_RATE,
        "baseline": {"measured": MEASURED, "answered": ANSWERED},
        "quiet": [
            _row(pool, n, alarms)
            for (pool, n, seed), alarms in sorted(rates.items(), key=str)
            if pool not in SHIFTS and seed is None
        ],
        "shifts": [_row(pool, n, alarms) for (pool, n, _), alarms in rates.items() if pool in SHIFTS],
        "named_at_300": named,
        "fixed_baselines": [
            {
                "n": n,
                "baselines": [
                    {"ours": float(own[:, 0].mean()), "every_difference": float(own[:, 3].mean())}
                    for own in (rates[QUIET, n, seed] for seed in fixed)
                ],
            }
            for n in FIXED_SIZES
        ],
        "machine": machine(),
    }


def _row(pool: str, n: int, alarms: npt.NDArray[np.bool_]) -> dict[str, Any]:
    low, high = wilson(int(alarms[:, 0].sum()), len(alarms))
    return {
        "what": pool,
        "n": n,
        "checks": len(alarms),
        "alarms": float(alarms[:, 0].mean()),
        "low": round(low, 4),
        "high": round(high, 4),
        "psi_02": float(alarms[:, 1].mean()),
        "psi_01": float(alarms[:, 2].mean()),
    }


def show(figures: Mapping[str, Any], console: Console) -> None:
    """The tables."""
    quiet = [_cells(row) for row in sorted(figures["quiet"], key=lambda row: (row["what"], row["n"]))]
    columns: Sequence[str] = ("pictures", "n", "checks", "ours", "95 %", "PSI > 0.2", "PSI > 0.1")
    console.print(table("False alarms: nothing changed", columns, quiet, words=("pictures",)))
    fixed = []
    for row in figures["fixed_baselines"]:
        *usual, unlucky = row["baselines"]
        ours, plain = [one["ours"] for one in usual], [one["every_difference"] for one in usual]
        shares = (float(np.median(ours)), max(ours), unlucky["ours"], max(plain), unlucky["every_difference"])
        fixed.append([f"{row['n']:,}", *(f"{100 * share:.1f} %" for share in shares)])
    columns = ("n", "ours: typical", "worst of 10", "unluckiest of 100")
    columns = (*columns, "without tolerance: worst of 10", "unluckiest of 100")
    console.print(table("False alarms of one baseline kept for ever", columns, fixed))
    power = []
    for name in SHIFTS:
        rows = {row["n"]: row for row in figures["shifts"] if row["what"] == name}
        counts = figures["named_at_300"].get(name, {})
        most = sorted(counts, key=lambda column: -counts[column])[:3]
        power.append([name, *(f"{100 * rows[n]['alarms']:.1f} %" for n in POWER_SIZES), ", ".join(most)])
    words = ("change", "named at n = 300")
    columns = (words[0], *(f"n = {n:,}" for n in POWER_SIZES), words[1])
    console.print(table("Changes found", columns, power, words))


def _cells(row: Mapping[str, Any]) -> list[str]:
    shares = [f"{100 * row['alarms']:.2f} %", f"{100 * row['low']:.2f} to {100 * row['high']:.2f}"]
    rivals = [f"{100 * row[name]:.1f} %" for name in ("psi_02", "psi_01")]
    return [row["what"], f"{row['n']:,}", f"{row['checks']:,}", *shares, *rivals]


def plot(figures: Mapping[str, Any], path: Path) -> None:
    """False alarms and found changes over n."""
    import matplotlib as mpl  # noqa: PLC0415 - the tables need none of it

    from training.evaluation import chart  # noqa: PLC0415
    from training.evaluation.colours import LIGHT  # noqa: PLC0415

    ours, light = LIGHT.accent, LIGHT
    rivals = (("psi_01", "PSI > 0.1", light.bad), ("psi_02", "PSI > 0.2", light.other), ("alarms", "this check", ours))
    colours = (ours, light.good, light.ink, light.other, light.bad)
    with mpl.rc_context(chart.SETTINGS):
        drawn = chart.figure(4.2, width=10.4)
        left, right = drawn.subplots(1, 2, sharey=True)
        for name, label, colour in rivals:
            _curve(left, _of(figures["quiet"], QUIET), name, label, colour)
        for name, colour in zip(SHIFTS, colours, strict=True):
            _curve(right, _of(figures["shifts"], name), "alarms", name, colour)
        for axes, title, sizes, columns in (
            (left, "Nothing changed: false alarms", SIZES, 3),
            (right, "Something changed: found by this check", POWER_SIZES, 2),
        ):
            axes.set_xscale("log")
            axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
            axes.minorticks_off()
            axes.set_xlabel("photos in the check")
            axes.set_ylim(-3, 103)
            axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0f}%")
            axes.set_title(title, loc="left", pad=66, fontsize=12, fontweight="bold", color=light.ink)
            chart.legend(axes, columns=columns)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chart.png(drawn))


def _of(rows: Iterable[Mapping[str, Any]], what: str) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["what"] == what]


def _curve(axes: "Axes", rows: Iterable[Mapping[str, Any]], share: str, label: str, colour: str) -> None:
    """One line: a share of checks, by how many photos they had."""
    points = sorted((row["n"], 100 * row[share]) for row in rows)
    axes.plot(*zip(*points, strict=True), marker="o", markersize=5, label=label, color=colour, clip_on=False)


def main() -> None:
    """Draw, print, and write JSON and picture where asked to."""
    parser = argparse.ArgumentParser(prog="python -m bench.drift", description="False alarms and found changes.")
    parser.add_argument("--data", type=Path, metavar="DIR", help="CIFAR-100; else the demo's drawings")
    parser.add_argument("--checks", type=int, default=2000, help="simulated checks per size (default: 2000)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all figures as JSON")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the curves as a PNG")
    options = parser.parse_args()
    figures = run(options.data, options.checks)
    show(figures, Console())
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        plot(figures, options.plot)


if __name__ == "__main__":
    main()
