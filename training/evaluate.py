"""How good a model is on pictures that it never saw: figures, JSON, and a page: `vehiclevision evaluate`."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from training.artefact import DEFAULT_MODEL, Model, load_model
from training.errors import EvaluationRefusedError
from training.evaluation import by_model, endpoint, samples
from training.evaluation.against import Against, Side
from training.evaluation.costs import Costs, CrossFitted
from training.evaluation.degrade import DEGRADATIONS
from training.evaluation.plain import CountedShare, plain
from training.evaluation.report import Answered, AnsweredBy, Report, looked_at, report
from training.evaluation.samples import Samples
from training.progress import Bar, unseen
from training.session import milliseconds_per_image
from vehiclevision.labels import LABELS, either

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

DEFAULT_OUT: Final = Path("evaluation.html")


@dataclass(frozen=True)
class Endpoint:
    """A SageMaker endpoint and the client that reaches it."""

    name: str
    runtime: "SageMakerRuntimeClient"


# Where a threshold comes from.
GIVEN: Final = "given"
MANIFEST: Final = "manifest of model "
# What the report says of a model file, as far as its manifest does.
TOLD: Final = ("data_hash", "seed", "seeds", "trained_at", "command")


@dataclass(frozen=True)
class Request:
    """What is to be measured: a folder, or the validation part of `data`; by a model file, or by an endpoint."""

    folder: Path | None = None
    data: Path | None = None
    model: Path = DEFAULT_MODEL
    endpoint: Endpoint | None = None
    threshold: float | None = None
    threshold_from: str = GIVEN
    costs: Costs | None = None
    robustness: bool | None = None


@dataclass(frozen=True)
class Evaluation:
    """The pictures with their answers, and the report on them."""

    answered: Answered
    report: Report

    def write(self, out: Path) -> tuple[Path, Path]:
        """The page, and the JSON beside it; returns both paths."""
        from training.evaluation.page import page  # noqa: PLC0415 - matplotlib takes a second that --json need not wait

        html, figures = out.with_suffix(".html"), out.with_suffix(".json")
        html.parent.mkdir(parents=True, exist_ok=True)
        figures.write_text(json.dumps(plain(self.report), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        html.write_text(page(self.answered, self.report), encoding="utf-8")
        return html, figures

    def beside(self, against: Against) -> "Evaluation":
        """With the answers of another service to the same pictures."""
        return replace(self, report=replace(self.report, against=against))


def evaluate(request: Request, bar: Bar = unseen) -> Evaluation:
    """Read the pictures, ask about them, and report."""
    if request.threshold is not None and not 0 <= request.threshold <= 1:
        raise EvaluationRefusedError(f"The threshold is {request.threshold}.", "Give a number from 0 to 1.")
    model = load_model(request.model)
    # Pictures would be sent many times over: to an endpoint only when asked for.
    robustness = request.robustness if request.robustness is not None else request.endpoint is None
    asked = _samples(request, model, bar, robustness=robustness)
    if request.endpoint is None:
        answered, answered_by = _by_model(model, asked, bar)
    else:
        answered, answered_by = _by_endpoint(request.endpoint, asked, bar)
    threshold, threshold_from = request.threshold, request.threshold_from
    if threshold is None:
        threshold, threshold_from = model.manifest.threshold, f"{MANIFEST}{model.manifest.version}"
    answered = _with_maps(answered, threshold, model, answered_by.model_versions)
    costs = request.costs or _costs_of(model)
    return Evaluation(answered, report(answered, answered_by, threshold, threshold_from, costs))


def summary(report: Report) -> list[str]:
    """The report's headline in a few lines."""
    figures, by, costs, data = report.figures, report.answered_by, report.costs, report.data
    vehicles, others = figures.shares.of_vehicles, figures.shares.neither_n
    lines = [f"model {by.model_version}, threshold {figures.threshold:g}, on {data.pictures} pictures"]
    if vehicles.n:
        lines += [
            f"right, however sure       {_share(vehicles.accuracy):<28} of {vehicles.n:,} vehicles",
            f"pass the threshold        {_share(vehicles.coverage):<28} of {vehicles.n:,} vehicles",
        ]
    if vehicles.covered_n:
        lines.append(f"right among those         {_share(vehicles.accuracy_covered):<28} of {vehicles.covered_n:,}")
    if others:
        lines.append(f"no vehicle, yet passes    {_share(figures.shares.neither_passed):<28} of {others:,} others")
    errors = f"{_number(figures.ece)} over all, {_number(figures.ece_vehicles)} over vehicles"
    lines.append(f"calibration error         {errors}")
    if latency := by.latency_milliseconds:
        lines.append(f"endpoint, milliseconds    p50 {latency.p50:g}, p99 {latency.p99:g}")
    if costs:
        cheapest = costs.cheapest
        lines.append(
            f"cheapest threshold        {cheapest.threshold:g} ({cheapest.threshold_low:g} to "
            f"{cheapest.threshold_high:g}): {cheapest.cost:,.2f} for {cheapest.uploads:,} uploads, on these pictures"
        )
        lines.append(f"chosen on the other half  {_crossed(costs.cross_fitted)}")
    if report.against:
        lines += _beside(report.against)
    if data.refused:
        reasons = ", ".join(f"{count} {reason}" for reason, count in data.refused_reasons.items())
        lines.append(f"refused                   {reasons}")
    return lines


def warnings(report: Report) -> list[str]:
    """What a reader must know before believing the figures."""
    said, versions, against = [], report.answered_by.model_versions, report.against
    if not report.figures.shares.of_vehicles.n:
        said.append(f"No picture is labelled {either(LABELS)}: folders with other names count as neither.")
    if not report.figures.shares.neither_n:
        said.append("Every picture shows a vehicle: how many of other things pass is unknown.")
    if len(versions) > 1:
        said.append(f"The endpoint answered with several models: {', '.join(versions)}.")
    if report.data.source == samples.VALIDATION_PART and report.threshold_from != GIVEN:
        said.append("Training chose the model's threshold on these pictures, which flatters the figures at it.")
    if against and against.theirs.unusable == against.pictures:
        said.append(f"No answer of {against.words} was of use: nothing can be concluded about it.")
    threshold_model = report.threshold_from.removeprefix(MANIFEST)
    if report.threshold_from.startswith(MANIFEST) and threshold_model not in versions:
        said.append(
            f"The threshold is that of model {threshold_model}, not the endpoint's: give --threshold or --model."
        )
    return said


def _beside(against: Against) -> list[str]:
    """The comparison, a line each: ours first."""
    ours, theirs, latency = against.ours, against.theirs.side, against.theirs.latency_milliseconds

    def both(show: Callable[[Side], str]) -> str:
        return f"{show(ours)}, it {show(theirs)}"

    lines = [f"beside {against.words}, on {against.pictures} of these pictures:"]
    if ours.n:
        lines.append(f"  right, however sure     {both(lambda side: _share(side.accuracy))}")
    for row in against.equal_error:
        passing = f"{_covered(row.ours.coverage)}, it {_covered(row.theirs.coverage)}"
        lines.append(f"  pass at {100 * row.error:4.1f} % wrong     {passing}")
    lines.append(f"  calibration error       {both(lambda side: _number(side.ece))}")
    lines.append(f"  it took, milliseconds   p50 {latency.p50:,.0f}, p99 {latency.p99:,.0f}")
    lines.append(f"  dollars for a million   {both(lambda side: _dollars(side.dollars_per_million))}")
    if against.theirs.unusable:
        lines.append(f"  it gave no usable answer to {against.theirs.unusable}: they would go to a person")
    return lines


def _covered(coverage: float | None) -> str:
    return "none" if coverage is None else f"{100 * coverage:.1f} %"


def _dollars(dollars: float | None) -> str:
    return "unknown" if dollars is None else f"{dollars:,.2f}"


def _samples(request: Request, model: Model, bar: Bar, *, robustness: bool) -> Samples:
    if request.folder is not None:
        return samples.from_folder(request.folder, bar("reading pictures"), robustness=robustness)
    if request.data is None:
        raise EvaluationRefusedError(
            "There is nothing to measure.", "Name a folder, or --split validation with --data DIR."
        )
    manifest = None if request.endpoint else model.manifest.fields
    return samples.from_validation_part(request.data, manifest, bar("reading pictures"), robustness=robustness)


def _by_model(model: Model, asked: Samples, bar: Bar) -> tuple[Answered, AnsweredBy]:
    answers = by_model.answers(model, asked.files, bar("asking the model"))
    worse = {
        name: by_model.answers(model, tuple(asked.worsened(name)), bar(name))
        for name in (DEGRADATIONS if len(asked.worse) else ())
    }
    manifest = model.manifest
    told = {name: manifest.fields[name] for name in TOLD if name in manifest.fields}
    return Answered(asked, answers, worse), AnsweredBy(
        model_version=manifest.version,
        model_versions=[manifest.version],
        model={"sha256": manifest.sha256, **told},
        endpoint=None,
        latency_milliseconds=None,
        milliseconds_per_image=milliseconds_per_image(model.session),
    )


def _by_endpoint(to: Endpoint, asked: Samples, bar: Bar) -> tuple[Answered, AnsweredBy]:
    def ask(description: str, files: Sequence[bytes]) -> endpoint.Asked:
        return endpoint.ask(to.runtime, to.name, files, bar(description))

    plainly = ask("asking the endpoint", asked.files)
    conditions = DEGRADATIONS if len(asked.worse) else ()
    worse = {name: ask(name, tuple(asked.worsened(name))).answers for name in conditions}
    return Answered(asked, plainly.answers, worse), AnsweredBy(
        model_version=", ".join(plainly.model_versions),
        model_versions=plainly.model_versions,
        model=None,
        endpoint=to.name,
        latency_milliseconds=plainly.latency,
        milliseconds_per_image=plainly.latency.p50,
    )


def _with_maps(answered: Answered, threshold: float, model: Model, answered_by: Sequence[str]) -> Answered:
    """With where the model looked, for the pictures that the page shows; else with the reason why not."""
    if list(answered_by) != [model.manifest.version]:
        return replace(answered, no_maps=f"Model {model.manifest.version}, which is at hand, did not give the answers.")
    indices = looked_at(answered.judged(), threshold)
    maps = by_model.maps(model, answered.samples.part(indices))
    if maps is None:
        return replace(answered, no_maps="This model cannot say where it looked." if indices else "")
    return replace(answered, maps=dict(zip(indices, maps, strict=True)))


def _costs_of(model: Model) -> Costs | None:
    """The costs that the model's threshold was chosen for, if its manifest tells them."""
    told = model.manifest.fields.get("costs")
    if not isinstance(told, dict):
        return None
    try:
        return Costs(**{name: float(told[name]) for name in ("wrong_route", "review", "vehicle_share")})
    except (KeyError, TypeError, ValueError):
        return None


def _crossed(crossed: CrossFitted | None) -> str:
    if crossed is None:
        return "unknown: too few pictures"
    counted = crossed.counted
    return f"{counted.cost:,.2f} ({counted.cost_low:,.2f} to {counted.cost_high:,.2f}), halves {crossed.halves}"


def _share(share: CountedShare) -> str:
    shown = (f"{100 * each:.1f}" for each in (share.share, share.low, share.high) if each is not None)
    return "{} % ({} to {})".format(*shown)


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def finish(evaluation: Evaluation, out: Path | None, *, as_json: bool) -> None:
    """Print the report, and write page and JSON; with --json and no --out nothing is written."""
    for warning in warnings(evaluation.report):
        print(f"Note: {warning}", file=sys.stderr)
    if as_json:
        print(json.dumps(plain(evaluation.report), allow_nan=False))
    else:
        print("\n".join(summary(evaluation.report)))
    if out is not None or not as_json:
        page, figures = evaluation.write(out or DEFAULT_OUT)
        written = f"Page: {samples.printable(str(page))}\nJSON: {samples.printable(str(figures))}"
        print(written, file=sys.stderr if as_json else sys.stdout)


if __name__ == "__main__":
    sys.exit("python -m training.evaluate is now: vehiclevision evaluate, with the same options.")
