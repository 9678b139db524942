"""Show how the model does, from what its endpoint captured.

Without --from it is the application's own endpoint, of the last 7 days, with its reviewed labels and latency. With
--from it is any endpoint's captured files, and neither the local AWS nor an account is needed for a folder. It writes
a page, JSON beside it, and PNGs in a folder; with --json it prints the JSON, and writes only with --out.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

from cli.display import notes, on_interrupt, output, printable, tell
from cli.errors import SUCCESS, USAGE, CommandError
from cli.options import Application, AsJson, BaselineFile, Captures, flag, option
from cli.times import window
from monitoring.drift.baseline import load
from monitoring.report import origin
from monitoring.report.figures import EstimatedAccuracy, Report
from monitoring.report.origin import Choice, Origin
from monitoring.report.report import Gathered, report, report_json
from monitoring.report.standing import standing
from training.evaluation.plain import Share
from training.progress import BYTES, bars
from vehiclevision.results import ADDRESS

DEFAULT_OUT: Final = Path("report.html")
# Of the application's own endpoint, where nothing else is said: a week shows every hour of day and every weekday.
OWN_WINDOW: Final = timedelta(days=7)


def command(
    *,
    captures: Captures,
    application: Application,
    source: Annotated[
        str | None, option("--from", "FOLDER|S3", "Captured files: a folder, a file or s3://bucket/prefix.")
    ] = None,
    out: Annotated[Path | None, option("--out", "PAGE", "Where the page goes; else report.html.")] = None,
    labels: Annotated[
        str | None, option("--labels", "FOLDER|S3", "Reviewed pictures, a folder per label, named by sha256.")
    ] = None,
    baseline: BaselineFile = None,
    threshold: Annotated[
        float | None, option("--threshold", "X", "Confidence that counts; else the application's.", min=0, max=1)
    ] = None,
    sample: Annotated[
        int | None, option("--sample", "N", "An even sample of so many files, where there are too many.", min=2)
    ] = None,
    images: Annotated[bool, flag("--images/--no-images", "Captured pictures on the page.")] = True,
    as_json: AsJson = False,
) -> int:
    """Read, print, and write the page with its JSON; with --json and without --out nothing is written."""
    if source is not None and not source.strip():
        raise CommandError("--from names nothing.", "Give a folder, a file or s3://bucket/prefix.", USAGE)
    since, until = captures.ends()
    page = None if as_json and out is None else _checked(out or DEFAULT_OUT, source)
    if source is None and not (since or until):
        since = datetime.now(UTC) - OWN_WINDOW
    choice = Choice(since, until, captures.variant, window(since, until), sample)
    chosen = {"endpoint": captures.endpoint, "threshold": threshold, "labels": labels}
    with on_interrupt("Stopped. Nothing was written."):
        named = load(baseline) if baseline else None
        if source is None:
            data = _of_application(application, chosen)
        else:
            data = origin.of_files(source, s3=application.s3, **chosen)  # type: ignore[arg-type]
        with bars(BYTES, quiet=as_json) as listen:
            read = origin.read(data, choice, named, listen("Reading"))
        if source is not None and not captures.are_chosen and not read.summary.records_read:
            raise CommandError(
                f"{printable(source)} holds no captured record.",
                "Give what an endpoint captured: JSON lines in ENDPOINT/VARIANT/yyyy/mm/dd/hh/.",
            )
        if page and images:
            read = origin.with_looks(read)
        figures = report(read)
        written = _write(read, figures, page, images=images) if page else {}
    tell(as_json, report_json(figures), *summary_lines(figures))
    console = notes() if as_json else output()
    for name, path in written.items():
        console.print(f"{name}: {printable(str(path))}")
    return SUCCESS


def _checked(out: Path, address: str | None) -> Path:
    if out.suffix not in ("", ".html") or not out.stem or out.is_dir():
        raise CommandError(f"{printable(str(out))} cannot be the page.", "Name a file that ends in .html.", USAGE)
    folder = None if not address or address.startswith(ADDRESS) else Path(address).expanduser().resolve()
    if folder and out.resolve().is_relative_to(folder):
        raise CommandError(
            "The page would lie among the captured files, and be read as one of them next time.",
            "Name another place with --out.",
            USAGE,
        )
    return out


def _write(read: Gathered, figures: Report, page: Path, *, images: bool) -> dict[str, Path]:
    # matplotlib takes a second that a JSON alone need not wait for.
    from monitoring.report.page import write  # noqa: PLC0415

    return write(read, figures, page, images=images)


def _of_application(application: Application, chosen: dict[str, Any]) -> Origin:
    target = application.target()
    target.write_captures()
    return origin.of_application(target.client, target.stack, target.output("BucketName"), target.results, **chosen)


def summary_lines(figures: Report) -> list[str]:
    """The few figures that fit a terminal."""
    stands, passed, read = standing(figures), figures.accuracy.passed, figures.read
    lines = [f"{stands.word}: {printable(stands.sentence)}."]
    lines += [f"  {printable(reason)}" for reason in stands.reasons]
    lines.append(
        f"Records     {read.records_read:,} read, {read.records_unreadable:,} unreadable; files: {read.files:,}"
    )
    if read.files_left_out:
        every = read.files + read.files_left_out
        lines.append(f"Sample      {read.files:,} of {every:,} files; counts are the sample's, intervals allow for it")
    if figures.answers:
        share = _share(figures.coverage)
        lines.append(f"Pass        {share} of {figures.answers:,} answers, at {figures.threshold:g}")
    for judged, name in ((passed.estimated, "Estimated"), (passed.reviewed, "By labels")):
        if judged:
            doubt = ""
            if isinstance(judged, EstimatedAccuracy) and not judged.holds:
                doubt = f", which does not hold: {judged.why.rstrip('.')}"
            lines.append(f"{name:<11} {_share(judged.accuracy)} of the answers that pass are right{doubt}")
    if figures.latency:
        points = figures.latency.upload_to_record
        lines.append(f"Latency     p50 {points.p50:.2f} s, p95 {points.p95:.2f} s, p99 {points.p99:.2f} s")
    return lines


def _share(share: Share) -> str:
    return f"{share.share:.1%} ({share.low:.1%} to {share.high:.1%})"
