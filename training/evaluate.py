"""How good a model is on pictures that it never saw: figures, JSON, and a page: `vehiclevision evaluate`."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from training.artefact import DEFAULT_MODEL, Model, load_model
from training.errors import EvaluationRefusedError
from training.evaluation import by_model, endpoint, samples
from training.evaluation.costs import Costs
from training.evaluation.degrade import DEGRADATIONS
from training.evaluation.report import Answered, looked_at, report
from training.evaluation.samples import Samples
from training.machine import machine
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
    report: Mapping[str, Any]

    def write(self, out: Path) -> tuple[Path, Path]:
        """The page, and the JSON beside it; returns both paths."""
        from training.evaluation.page import page  # noqa: PLC0415 - matplotlib takes a second that --json need not wait

        html, plain = out.with_suffix(".html"), out.with_suffix(".json")
        html.parent.mkdir(parents=True, exist_ok=True)
        plain.write_text(json.dumps(self.report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        html.write_text(page(self.answered, self.report), encoding="utf-8")
        return html, plain

    def beside(self, against: Mapping[str, Any]) -> "Evaluation":
        """With the answers of another service to the same pictures."""
        return replace(self, report={**self.report, "against": against})


def evaluate(request: Request, bar: Bar = unseen) -> Evaluation:
    """Read the pictures, ask about them, and report."""
    if request.threshold is not None and not 0 <= request.threshold <= 1:
        raise EvaluationRefusedError(f"The threshold is {request.threshold}.", "Give a number from 0 to 1.")
    model = load_model(request.model)
    # Pictures would be sent many times over: to an endpoint only when asked for.
    robustness = request.robustness if request.robustness is not None else request.endpoint is None
    asked = _samples(request, model, bar, robustness=robustness)
    if request.endpoint is None:
        answered, facts = _by_model(model, asked, bar)
    else:
        answered, facts = _by_endpoint(request.endpoint, asked, bar)
    threshold = model.manifest.threshold if request.threshold is None else request.threshold
    answered = _with_maps(answered, threshold, model, facts["model_versions"])
    facts = {
        **facts,
        "threshold_from": f"{MANIFEST}{model.manifest.version}"
        if request.threshold is None
        else request.threshold_from,
        "machine": machine(),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    costs = request.costs or _costs_of(model)
    return Evaluation(answered, report(answered, threshold, costs, facts))


def summary(found: Mapping[str, Any]) -> list[str]:
    """The report's headline in a few lines."""
    lines = [
        f"model {found['model_version']}, threshold {found['threshold']:g}, on {found['data']['pictures']} pictures"
    ]
    if found["n"]:
        lines += [
            f"right, however sure       {_share(found, 'accuracy'):<28} of {found['n']:,} vehicles",
            f"pass the threshold        {_share(found, 'coverage'):<28} of {found['n']:,} vehicles",
        ]
    if found["covered_n"]:
        lines.append(f"right among those         {_share(found, 'accuracy_covered'):<28} of {found['covered_n']:,}")
    if found["neither_n"]:
        lines.append(
            f"no vehicle, yet passes    {_share(found, 'neither_passed'):<28} of {found['neither_n']:,} others"
        )
    lines.append(
        f"calibration error         {found['ece']:.3f} over all, {_number(found['ece_vehicles'])} over vehicles"
    )
    if latency := found["latency_milliseconds"]:
        lines.append(f"endpoint, milliseconds    p50 {latency['p50']:g}, p99 {latency['p99']:g}")
    if costs := found["costs"]:
        lines.append(
            f"cheapest threshold        {costs['threshold']:g} ({costs['threshold_low']:g} to "
            f"{costs['threshold_high']:g}): {costs['cost']:,.2f} for {costs['uploads']:,} uploads, on these pictures"
        )
        lines.append(f"chosen on the other half  {_crossed(costs['cross_fitted'])}")
    if found["against"]:
        lines += _beside(found["against"])
    if found["data"]["refused"]:
        reasons = ", ".join(f"{count} {reason}" for reason, count in found["data"]["refused_reasons"].items())
        lines.append(f"refused                   {reasons}")
    return lines


def warnings(found: Mapping[str, Any]) -> list[str]:
    """What a reader must know before believing the figures."""
    said = []
    if not found["n"]:
        said.append(f"No picture is labelled {either(LABELS)}: folders with other names count as neither.")
    if not found["neither_n"]:
        said.append("Every picture shows a vehicle: how many of other things pass is unknown.")
    if len(found["model_versions"]) > 1:
        said.append(f"The endpoint answered with several models: {', '.join(found['model_versions'])}.")
    if found["data"]["source"] == samples.VALIDATION_PART and found["threshold_from"] != GIVEN:
        said.append("Training chose the model's threshold on these pictures, which flatters the figures at it.")
    if found["against"] and found["against"]["theirs"]["unusable"] == found["against"]["pictures"]:
        said.append(f"No answer of {found['against']['words']} was of use: nothing can be concluded about it.")
    threshold_model = found["threshold_from"].removeprefix(MANIFEST)
    if found["threshold_from"].startswith(MANIFEST) and threshold_model not in found["model_versions"]:
        said.append(
            f"The threshold is that of model {threshold_model}, not the endpoint's: give --threshold or --model."
        )
    return said


def _beside(against: Mapping[str, Any]) -> list[str]:
    """The comparison, a line each: ours first."""
    ours, theirs = against["ours"], against["theirs"]
    lines = [f"beside {against['words']}, on {against['pictures']} of these pictures:"]
    if ours["n"]:
        lines.append(f"  right, however sure     {_share(ours, 'accuracy')}, it {_share(theirs, 'accuracy')}")
    for row in against["equal_error"]:
        both = [_covered(row[name]["coverage"]) for name in ("ours", "theirs")]
        lines.append(f"  pass at {100 * row['error']:4.1f} % wrong     {both[0]}, it {both[1]}")
    p50, p99 = (f"{theirs['latency_milliseconds'][name]:,.0f}" for name in ("p50", "p99"))
    lines.append(f"  calibration error       {_number(ours['ece'])}, it {_number(theirs['ece'])}")
    lines.append(f"  it took, milliseconds   p50 {p50}, p99 {p99}")
    million = against["ours"]["dollars_per_million"], theirs["dollars_per_million"]
    lines.append(f"  dollars for a million   {_dollars(million[0])}, it {_dollars(million[1])}")
    if theirs["unusable"]:
        lines.append(f"  it gave no usable answer to {theirs['unusable']}: they would go to a person")
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


def _by_model(model: Model, asked: Samples, bar: Bar) -> tuple[Answered, dict[str, Any]]:
    answers = by_model.answers(model, asked.files, bar("asking the model"))
    worse = {
        name: by_model.answers(model, tuple(asked.worsened(name)), bar(name))
        for name in (DEGRADATIONS if len(asked.worse) else ())
    }
    fields = model.manifest.fields
    return Answered(asked, answers, worse), {
        "model_version": model.manifest.version,
        "model_versions": [model.manifest.version],
        "model": {
            "sha256": model.manifest.sha256,
            **{name: fields[name] for name in ("data_hash", "seed", "trained_at", "command") if name in fields},
        },
        "endpoint": None,
        "latency_milliseconds": None,
        "milliseconds_per_image": milliseconds_per_image(model.session),
    }


def _by_endpoint(to: Endpoint, asked: Samples, bar: Bar) -> tuple[Answered, dict[str, Any]]:
    def ask(description: str, files: Sequence[bytes]) -> endpoint.Asked:
        return endpoint.ask(to.runtime, to.name, files, bar(description))

    plain = ask("asking the endpoint", asked.files)
    conditions = DEGRADATIONS if len(asked.worse) else ()
    worse = {name: ask(name, tuple(asked.worsened(name))).answers for name in conditions}
    p50, p99 = (round(float(value), 3) for value in np.percentile(plain.milliseconds, [50, 99]))
    return Answered(asked, plain.answers, worse), {
        "model_version": ", ".join(plain.model_versions),
        "model_versions": list(plain.model_versions),
        "model": None,
        "endpoint": to.name,
        "latency_milliseconds": {"p50": p50, "p99": p99, "at_a_time": endpoint.AT_A_TIME},
        "milliseconds_per_image": p50,
    }


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


def _crossed(crossed: Mapping[str, Any] | None) -> str:
    if crossed is None:
        return "unknown: too few pictures"
    interval = f"{crossed['cost_low']:,.2f} to {crossed['cost_high']:,.2f}"
    return f"{crossed['cost']:,.2f} ({interval}), halves {crossed['halves']}"


def _share(found: Mapping[str, Any], name: str) -> str:
    return f"{100 * found[name]:.1f} % ({100 * found[f'{name}_low']:.1f} to {100 * found[f'{name}_high']:.1f})"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def finish(found: Evaluation, out: Path | None, *, as_json: bool) -> None:
    """Print the report, and write page and JSON; with --json and no --out nothing is written."""
    for warning in warnings(found.report):
        print(f"Note: {warning}", file=sys.stderr)
    if as_json:
        print(json.dumps(found.report, allow_nan=False))
    else:
        print("\n".join(summary(found.report)))
    if out is not None or not as_json:
        page, plain = found.write(out or DEFAULT_OUT)
        where = f"Page: {samples.printable(str(page))}\nJSON: {samples.printable(str(plain))}"
        print(where, file=sys.stderr if as_json else sys.stdout)


if __name__ == "__main__":
    sys.exit("python -m training.evaluate is now: vehiclevision evaluate, with the same options.")
