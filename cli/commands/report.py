"""The `report` command: what an endpoint captured, as a page, PNGs and JSON."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from cli.captured import S3, Where, bar, window
from cli.display import notes, output, print_json, printable
from cli.errors import INTERRUPTED, USAGE, CommandError
from cli.target import Target, state_directory
from local.sagemaker import runtime_process as local_sagemaker
from monitoring import labels as labels_store
from monitoring.captures.source import Window, open_source
from monitoring.check import baseline_key
from monitoring.drift.baseline import MAX_BYTES, Baseline, load
from monitoring.errors import BaselineError
from monitoring.report import comparison, looking, recorded
from monitoring.report.files import write
from monitoring.report.recorded import Recorded
from monitoring.report.report import Facts, Found, report
from monitoring.summary import summarise
from training.artefact import DEFAULT_MODEL, MANIFEST_MEMBER, parse_manifest, read_members

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SUCCESS: Final = 0
DEFAULT_OUT: Final = Path("report.html")
# Of the application's own endpoint, where nothing else is said: a week shows every hour of day and every weekday.
OWN_WINDOW: Final = timedelta(days=7)


@dataclass(frozen=True)
class Request:
    """The options."""

    address: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    endpoint: str | None = None
    variant: str | None = None
    labels: str | None = None
    baseline: Path | None = None
    threshold: float | None = None
    images: bool = True


@dataclass(frozen=True)
class _Place:
    """Where captured data and labels lie, and what they are held against."""

    address: str
    threshold: float
    threshold_from: str
    endpoint: str | None
    labels: str | None
    s3: "S3Client | None"
    recorded: Callable[[Window | None], Recorded]
    # The endpoint's own baseline, where one was put beside its captures; or why that one cannot be used.
    baseline: Baseline | None = None
    baseline_why: str = ""


def run(request: Request, where: Where, out: Path | None, *, as_json: bool) -> int:
    """Read, print, and write the page with its JSON; with --json and without --out nothing is written."""
    page = None if as_json and out is None else _checked(out or DEFAULT_OUT, request.address)
    if request.address is None and not (request.since or request.until):
        request = replace(request, since=datetime.now(UTC) - OWN_WINDOW)
    try:
        found = _read(request, where, quiet=as_json)
        if page and request.images:
            found = _with_looks(found)
        figures = report(found)
        written = write(found, figures, page, images=request.images) if page else None
    except KeyboardInterrupt:
        notes().print("Stopped. Nothing was written.")
        return INTERRUPTED
    if as_json:
        print_json(figures)
    else:
        output().print("\n".join(summary_lines(figures)))
    if written:
        console = notes() if as_json else output()
        for name, path in (("Page", written.page), ("JSON", written.plain), ("PNGs", written.plots)):
            console.print(f"{name}: {printable(str(path))}")
    return SUCCESS


def _checked(out: Path, address: str | None) -> Path:
    if out.suffix not in ("", ".html") or not out.stem or out.is_dir():
        raise CommandError(f"{printable(str(out))} cannot be the page.", "Name a file that ends in .html.", USAGE)
    if address and not address.startswith(S3) and out.resolve().is_relative_to(Path(address).expanduser().resolve()):
        raise CommandError(
            "The page would lie among the captured files, and be read as one of them next time.",
            "Name another place with --out.",
            USAGE,
        )
    return out


def _read(request: Request, where: Where, *, quiet: bool) -> Found:
    """Everything that the report is made of."""
    named = load(request.baseline) if request.baseline else None
    place = _own(request, where.application()) if request.address is None else _captured(request, where)
    source = open_source(place.address, place.s3)
    asked = window(request.since, request.until)
    labels = labels_store.read(place.labels, place.s3) if place.labels else labels_store.Labels()
    with bar(quiet=quiet) as progress:
        summary = summarise(
            source,
            threshold=place.threshold,
            labels=labels.by_digest,
            window=asked,
            endpoint=place.endpoint,
            variant=request.variant,
            progress=progress,
        )
    facts = Facts(
        source=place.address,
        threshold=place.threshold,
        threshold_from=place.threshold_from,
        made_at=datetime.now(UTC),
        endpoint=place.endpoint,
        variant=request.variant,
        asked_from=request.since,
        asked_to=request.until,
    )
    results = place.recorded(asked)
    compared = comparison.compare(summary, named or place.baseline, results.model_versions)
    if place.baseline_why and named is None:
        compared = replace(compared, why=f"{place.baseline_why} {compared.why}".strip())
    return Found(summary, facts, compared, results, labels)


def _with_looks(found: Found) -> Found:
    """With pictures of where the model looked, for those mistakes and odd ones that the page shows."""
    summary, shown = found.summary, [*found.summary.mistakes, *found.compared.oddest]
    return replace(found, looked=looking.look(shown, summary.model_versions or found.recorded.model_versions))


def _captured(request: Request, where: Where) -> _Place:
    """Any captured files; AWS is asked only if they, or the labels, lie there."""
    addresses = [address for address in (request.address, request.labels) if address]
    threshold, said = request.threshold, "as asked for"
    if threshold is None:
        threshold, said = _shipped_threshold(), "the shipped model’s; --threshold takes another"
    return _Place(
        address=str(request.address),
        threshold=threshold,
        threshold_from=said,
        endpoint=request.endpoint,
        labels=request.labels,
        s3=where.s3() if any(address.startswith(S3) for address in addresses) else None,
        recorded=lambda _: Recorded(),
    )


def _own(request: Request, target: Target) -> _Place:
    """The application's own endpoint, in the local AWS or a stack's account."""
    if target.is_local:
        # What was asked a second ago counts too.
        local_sagemaker.flush(state_directory())
    parameters = _parameters(target)
    endpoint = request.endpoint or parameters["EndpointName"]
    threshold, said = request.threshold, "as asked for"
    if threshold is None:
        threshold, said = float(parameters["ConfidenceThreshold"]), f"that of the application {target.stack}"
    s3, results = target.client("s3"), target.results
    address = _captured_into(target, endpoint)
    baseline, baseline_why = _baseline_beside(s3, address, endpoint)
    return _Place(
        address=address,
        threshold=threshold,
        threshold_from=said,
        endpoint=endpoint,
        labels=request.labels or f"{S3}{target.output('BucketName')}/{labels_store.PREFIX}",
        s3=s3,
        recorded=lambda asked: recorded.read(results, asked),
        baseline=baseline,
        baseline_why=baseline_why,
    )


def _parameters(target: Target) -> dict[str, str]:
    """The application's parameters."""
    stack = target.client("cloudformation").describe_stacks(StackName=target.stack)["Stacks"][0]
    return {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", [])}


def _captured_into(target: Target, endpoint: str) -> str:
    """Where the endpoint's captured requests go."""
    try:
        described = target.client("sagemaker").describe_endpoint(EndpointName=endpoint)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ValidationException":
            raise
        raise CommandError(
            f"There is no endpoint {printable(endpoint)}.", "Deploy a model with: vehiclevision sagemaker deploy"
        ) from error
    capture: dict[str, Any] = described.get("DataCaptureConfig") or {}
    if not capture.get("DestinationS3Uri"):
        raise CommandError(
            f"The endpoint {printable(endpoint)} captures nothing.",
            "Deploy it with: vehiclevision sagemaker deploy --capture 100. Serverless endpoints cannot capture.",
        )
    return f"{capture['DestinationS3Uri'].rstrip('/')}/{endpoint}/"


def _baseline_beside(s3: "S3Client", address: str, endpoint: str) -> tuple[Baseline | None, str]:
    """The baseline that the scheduled check compares with, if it was deployed; why it cannot be used, if it cannot."""
    bucket = address.removeprefix(S3).partition("/")[0]
    try:
        return load(s3.get_object(Bucket=bucket, Key=baseline_key(endpoint))["Body"].read(MAX_BYTES + 1)), ""
    except BaselineError as error:
        return None, f"{error}, and put it in place with: vehiclevision monitor deploy --baseline FILE."
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in ("NoSuchKey", "404"):
            raise
        return None, ""


def _shipped_threshold() -> float:
    return parse_manifest(read_members(DEFAULT_MODEL)[MANIFEST_MEMBER]).threshold


def summary_lines(figures: dict[str, Any]) -> list[str]:
    """The few figures that fit a terminal."""
    standing, accuracy = figures["standing"], figures["accuracy"]["passed"]
    lines = [f"{standing['word']}: {printable(standing['sentence'])}."]
    lines += [f"  {printable(reason)}" for reason in standing["reasons"]]
    lines.append(
        f"Records     {figures['records_read']:,} read, {figures['records_unreadable']:,} unreadable; "
        f"files: {figures['files']:,}"
    )
    if figures["answers"]:
        lines.append(
            f"Pass        {_share(figures, 'coverage')} of {figures['answers']:,} answers, at {figures['threshold']:g}"
        )
    for kind, name in (("estimated", "Estimated"), ("reviewed", "By labels")):
        if accuracy[kind]:
            lines.append(f"{name:<11} {_share(accuracy[kind], 'accuracy')} of the answers that pass are right")
    if figures["latency"]:
        points = figures["latency"]["upload_to_record"]
        lines.append(f"Latency     p50 {points['p50']:.2f} s, p95 {points['p95']:.2f} s, p99 {points['p99']:.2f} s")
    return lines


def _share(found: dict[str, Any], name: str) -> str:
    return f"{found[name]:.1%} ({found[name + '_low']:.1%} to {found[name + '_high']:.1%})"
