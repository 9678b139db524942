"""The `baseline` command: what pictures and answers are like while all is well, in one file."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cli.captured import Where, bar, window
from cli.display import notes, output, print_json, printable
from cli.errors import INTERRUPTED, USAGE, CommandError
from monitoring.captures.source import open_source
from monitoring.drift.baseline import Baseline, load
from monitoring.drift.decision import needed
from monitoring.drift.making import from_captures, from_pictures
from monitoring.summary import summarise
from training.artefact import DEFAULT_MODEL, load_model
from training.evaluate import Bars

SUCCESS: Final = 0
_S3: Final = "s3://"
_CAPTURED: Final = (".jsonl", ".jsonl.gz")


@dataclass(frozen=True)
class Request:
    """The options."""

    source: str
    model: Path = DEFAULT_MODEL
    neither: float = 0.0
    since: datetime | None = None
    until: datetime | None = None
    endpoint: str | None = None
    variant: str | None = None
    threshold: float | None = None


def run(request: Request, where: Where, out: Path, *, as_json: bool) -> int:
    """Make the baseline, write it, and say what it holds."""
    if out.is_dir() or not out.name.endswith(".json"):
        raise CommandError(f"{printable(str(out))} cannot be the baseline.", "Name a file that ends in .json.", USAGE)
    try:
        found = _of_captures(request, where) if is_captured(request.source) else _of_pictures(request)
        found.save(out)
    except KeyboardInterrupt:
        notes().print("Stopped. Nothing was written.")
        return INTERRUPTED
    if as_json:
        print_json(
            {
                "path": str(out),
                "model_version": found.model_version,
                "made_from": found.made_from,
                "values": {name: len(values) for name, values in found.columns.items()},
                "mix": dict(found.mix),
                "estimates": bool(found.calibration),
                "pictures_needed": needed(found),
            }
        )
        return SUCCESS
    console = output()
    console.print(f"{printable(str(out))}: model {found.model_version}, {found.made_from}.")
    if pictures := needed(found):
        console.print(f"A check needs {pictures:,} pictures before it says that nothing changed.")
    else:
        console.print("It is too small for checks to say that nothing changed: they can only find what did.")
    if not found.calibration:
        console.print("Accuracy cannot be estimated with it: that takes pictures with labels, or the shipped baseline.")
    return SUCCESS


def is_captured(source: str) -> bool:
    """Whether this names captured data: in S3, a file of JSON lines, or a folder that holds some."""
    if source.startswith(_S3) or source.endswith(_CAPTURED):
        return True
    return any(name.endswith(_CAPTURED) for _, _, names in os.walk(source) for name in names)


def _of_pictures(request: Request) -> Baseline:
    if request.since or request.until or request.endpoint or request.variant:
        raise CommandError(
            "--since, --until, --endpoint and --variant choose among captured data.", "Leave them out.", USAGE
        )
    if request.threshold is not None:
        raise CommandError("With pictures the threshold is the model's.", "Leave --threshold out.", USAGE)
    bars = Bars()
    with bars.shown():
        return from_pictures(
            Path(request.source),
            load_model(request.model),
            bars.bar("asking the model"),
            neither=request.neither,
            reading=bars.bar("reading pictures"),
        )


def _of_captures(request: Request, where: Where) -> Baseline:
    threshold = request.threshold if request.threshold is not None else load_model(request.model).manifest.threshold
    source = open_source(request.source, where.s3() if request.source.startswith(_S3) else None)
    with bar(quiet=False) as progress:
        summary = summarise(
            source,
            threshold=threshold,
            window=window(request.since, request.until),
            endpoint=request.endpoint,
            variant=request.variant,
            progress=progress,
        )
    shipped = request.model.parent / "baseline.json"
    return from_captures(summary, load(shipped) if shipped.is_file() else None)
