"""Commands that say how the model does in use."""
# ruff: noqa: PLC0415, PLR0917 - imports are late on purpose; typer calls by name, however many options there are

from pathlib import Path
from typing import Annotated

import typer

from cli.app import MONITORING, AsJson, BaselineFile, Profile, Region, Stack, app
from cli.errors import USAGE, CommandError


@app.command(
    rich_help_panel=MONITORING,
    help="Show how the model does, from what its endpoint captured.\n\n"
    "Without --from it is the application's own endpoint, of the last 7 days, with its reviewed labels and latency. "
    "With --from it is any endpoint's captured files, and neither the local AWS nor an account is needed for a folder. "
    "It writes a page, JSON beside it, and PNGs in a folder; with --json it prints the JSON, and writes only with "
    "--out.",
)
def report(
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="FOLDER|S3", help="Captured files: a folder, a file or s3://bucket/prefix."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="PAGE", help="Where the page goes; else report.html.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="From this time on; UTC if it names no zone.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Before this time.")] = None,
    last: Annotated[
        str | None, typer.Option("--last", metavar="LENGTH", help="The last 90m, 24h, 7d or 4w instead.")
    ] = None,
    endpoint: Annotated[str | None, typer.Option("--endpoint", metavar="NAME", help="Only this endpoint.")] = None,
    variant: Annotated[str | None, typer.Option("--variant", metavar="NAME", help="Only this variant of it.")] = None,
    labels: Annotated[
        str | None,
        typer.Option("--labels", metavar="FOLDER|S3", help="Reviewed pictures, a folder per label, named by sha256."),
    ] = None,
    baseline: BaselineFile = None,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", metavar="X", min=0, max=1, help="Confidence that counts; else the application's."),
    ] = None,
    images: Annotated[bool, typer.Option("--images/--no-images", help="Captured pictures on the page.")] = True,
    as_json: AsJson = False,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Show how the model does, from what its endpoint captured."""
    if source is not None and not source.strip():
        raise CommandError("--from names nothing.", "Give a folder, a file or s3://bucket/prefix.", USAGE)
    from datetime import UTC, datetime

    from cli.captured import Where, ends
    from cli.commands import report as commands

    start, end = ends(since, until, last, datetime.now(UTC))
    request = commands.Request(source, start, end, endpoint, variant, labels, baseline, threshold, images)
    return commands.run(request, Where(stack, region, profile), out, as_json=as_json)


@app.command(
    rich_help_panel=MONITORING,
    help="Write down what pictures and answers are like while all is well, for checks to compare with.\n\n"
    "--from is captured data of a good time (a folder, a file or s3://bucket/prefix), or pictures that the model did "
    "not learn from, a folder per class; of its own training data the held-out part counts.",
)
def baseline(
    source: Annotated[
        str, typer.Option("--from", metavar="FOLDER|S3", help="Captured files, or a folder of pictures per class.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where it goes.")] = Path("baseline.json"),
    model: Annotated[
        Path | None, typer.Option("--model", metavar="FILE", help="A model.tar.gz; else the shipped model.")
    ] = None,
    neither: Annotated[
        float,
        typer.Option("--neither", metavar="SHARE", min=0, max=0.9, help="Pictures: that share shows neither vehicle."),
    ] = 0.0,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Captures: from this time on; UTC without a zone.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Captures: before this time.")] = None,
    last: Annotated[
        str | None, typer.Option("--last", metavar="LENGTH", help="Captures: the last 90m, 24h, 7d or 4w instead.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", metavar="NAME", help="Captures: only this endpoint.")
    ] = None,
    variant: Annotated[
        str | None, typer.Option("--variant", metavar="NAME", help="Captures: only this variant of it.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold", metavar="X", min=0, max=1, help="Captures: confidence that counts; else the model's."
        ),
    ] = None,
    as_json: AsJson = False,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Write down what pictures and answers are like while all is well."""
    if not source.strip():
        raise CommandError("--from names nothing.", "Give a folder, a file or s3://bucket/prefix.", USAGE)
    from datetime import UTC, datetime

    from cli.captured import Where, ends
    from cli.commands import baseline as commands
    from training.artefact import DEFAULT_MODEL

    start, end = ends(since, until, last, datetime.now(UTC))
    request = commands.Request(source, model or DEFAULT_MODEL, neither, start, end, endpoint, variant, threshold)
    return commands.run(request, Where(stack, region, profile), out, as_json=as_json)
