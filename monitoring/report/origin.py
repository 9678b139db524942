"""What a report is made from: any captured files, or those of an application with all that belongs to them."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lifecycle import stacks
from lifecycle.stacks import Client
from monitoring import labels as labels_store
from monitoring import watched
from monitoring.captures.drawn import Drawn
from monitoring.captures.source import Window, open_source
from monitoring.check import baseline_of
from monitoring.drift.baseline import Baseline
from monitoring.errors import BaselineError
from monitoring.report import comparison, looking, recorded
from monitoring.report.recorded import Recorded
from monitoring.report.report import Facts, Gathered
from monitoring.summary import summarise
from training.artefact import DEFAULT_MODEL, MANIFEST_MEMBER, parse_manifest, read_members
from vehiclevision.results import ADDRESS, ResultsTable, bucket_and_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Origin:
    """Where captured data and labels lie, and what they are held against."""

    facts: Facts
    labels: str | None
    s3: "S3Client | None"
    recorded: Callable[[Window | None], Recorded]
    # The endpoint's own baseline, where one was put beside its captures; or why that one cannot be used.
    baseline: Baseline | None = None
    baseline_why: str = ""


@dataclass(frozen=True)
class Choice:
    """Which captured requests count; None leaves an end open, or means all."""

    since: datetime | None = None
    until: datetime | None = None
    variant: str | None = None
    window: Window | None = None
    # So many files at most, drawn evenly; None is all.
    sample: int | None = None


def read(origin: Origin, choice: Choice, baseline: Baseline | None, progress: Callable[[int, int], None]) -> Gathered:
    """Everything that the report is made of, compared with the baseline given or else with the endpoint's own."""
    labels = labels_store.read(origin.labels, origin.s3) if origin.labels else labels_store.Labels()
    facts = replace(origin.facts, variant=choice.variant, asked_from=choice.since, asked_to=choice.until)
    source = open_source(facts.source, origin.s3)
    summary = summarise(
        Drawn(source, choice.sample, math.inf) if choice.sample else source,
        threshold=facts.threshold,
        labels=labels.by_digest,
        window=choice.window,
        endpoint=facts.endpoint,
        variant=facts.variant,
        progress=progress,
    )
    results = origin.recorded(choice.window)
    compared = comparison.compare(summary, baseline or origin.baseline, results.model_versions)
    if origin.baseline_why and baseline is None:
        compared = replace(compared, why=f"{origin.baseline_why} {compared.why}".strip())
    return Gathered(summary, facts, compared, results, labels)


def with_looks(read: Gathered) -> Gathered:
    """With pictures of where the model looked, for those mistakes and odd ones that the page shows."""
    summary, shown = read.summary, [*read.summary.mistakes, *read.compared.oddest]
    return replace(read, looked=looking.look(shown, summary.model_versions or read.recorded.model_versions))


def of_files(
    address: str, *, endpoint: str | None, threshold: float | None, labels: str | None, s3: "Callable[[], S3Client]"
) -> Origin:
    """Any captured files; S3 is asked only if they, or the labels, lie there."""
    said = "as asked for"
    if threshold is None:
        threshold, said = _shipped_threshold(), "the shipped model’s; --threshold takes another"
    in_s3 = any(each is not None and each.startswith(ADDRESS) for each in (address, labels))
    facts = Facts(address, threshold, said, datetime.now(UTC), endpoint)
    return Origin(facts, labels, s3() if in_s3 else None, lambda _: Recorded())


def of_application(
    client: Client,
    stack: str,
    bucket: str,
    results: ResultsTable,
    *,
    endpoint: str | None,
    threshold: float | None,
    labels: str | None,
) -> Origin:
    """An application's own endpoint, with its threshold, labels, records and baseline."""
    parameters = stacks.parameters(stacks.described(client, stack))
    endpoint = endpoint or parameters["EndpointName"]
    said = "as asked for"
    if threshold is None:
        threshold, said = float(parameters["ConfidenceThreshold"]), f"that of the application {stack}"
    address, s3 = watched.captures_of(client, endpoint, parameters), client("s3")
    baseline, why = _baseline_beside(s3, address, endpoint)
    return Origin(
        Facts(address, threshold, said, datetime.now(UTC), endpoint),
        labels=labels or f"{ADDRESS}{bucket}/{labels_store.PREFIX}",
        s3=s3,
        recorded=lambda window: recorded.read(results, window),
        baseline=baseline,
        baseline_why=why,
    )


def _baseline_beside(s3: Any, address: str, endpoint: str) -> tuple[Baseline | None, str]:
    try:
        return baseline_of(s3, bucket_and_key(address)[0], endpoint), ""
    except BaselineError as error:
        return None, f"{error}, and put it in place with: vehiclevision monitor deploy --baseline FILE."


def _shipped_threshold() -> float:
    return parse_manifest(read_members(DEFAULT_MODEL)[MANIFEST_MEMBER]).threshold
