"""The `data` commands: fetch, transform, load; progress on standard error, what came of it on standard output."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from cli.display import command, notes, output, print_json, printable
from cli.errors import FAILURE, INTERRUPTED
from cli.target import Target
from training.data import fetch as fetching
from training.data.cifar100 import OFFICIAL, Archive
from training.data.load import Place
from training.data.load import load as load_folder
from training.data.photos import ADDRESS, RECORD, UPSTREAM, Photo, fetch_photos, read_list
from training.data.transform import Transformed
from training.data.transform import transform as transform_source

SUCCESS: Final = 0
_SHOWN_REFUSALS: Final = 10
_SHOWN_MISSING: Final = 10
_BYTES: Final = (DownloadColumn(), TransferSpeedColumn(), TextColumn("left"), TimeRemainingColumn())
_FILES: Final = (MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())


def fetch(out: Path, mirrors: Sequence[str], *, as_json: bool, archive: Archive = OFFICIAL) -> int:
    """Download CIFAR-100's official archive into a folder."""
    try:
        with _progress(_BYTES) as listen:
            fetched = fetching.fetch(out, archive=archive, mirrors=mirrors, listener=listen("fetched"))
    except KeyboardInterrupt:
        notes().print("Stopped. What has come is kept: run the same command again to go on.")
        return INTERRUPTED
    if as_json:
        print_json({"path": str(fetched.path), "sha256": archive.sha256, "downloaded": fetched.downloaded})
        return SUCCESS
    how = "is downloaded, and its checksums are right" if fetched.downloaded else "was there already and is right"
    output().print(f"{printable(str(fetched.path))} {how}.")
    output().print(f"Next: {command()} data transform {printable(str(fetched.path))} --out DIR")
    return SUCCESS


def listed_photos(*, upstream_only: bool) -> Sequence[Photo]:
    """The photos of the list, or those whose licence their collection states itself."""
    return [photo for photo in read_list() if not upstream_only or photo.source.licence_basis == UPSTREAM]


def photos(out: Path, listed: Sequence[Photo], mirror: str | None, *, as_json: bool, pause_seconds: float = 2) -> int:
    """Download the listed photos into a folder per class; what is missing afterwards is told, and counts as failure."""
    try:
        with _progress(_FILES) as listen:
            fetched = fetch_photos(
                out, listed, mirror=mirror or ADDRESS, listener=listen("fetched"), pause_seconds=pause_seconds
            )
    except KeyboardInterrupt:
        notes().print("Stopped. What has come is kept: run the same command again to go on.")
        return INTERRUPTED
    missing = fetched.missing
    if as_json:
        print_json(
            {
                "folder": str(out),
                "record": str(out / RECORD),
                "photos": len(listed),
                "downloaded": fetched.downloaded,
                "unchanged": fetched.unchanged,
                "missing": [{"file": each.file, "reason": each.reason} for each in missing],
            }
        )
        return FAILURE if missing else SUCCESS
    for each in missing[:_SHOWN_MISSING]:
        notes().print(f"Missing: {printable(each.file)} {printable(each.reason)}.")
    if len(missing) > _SHOWN_MISSING:
        notes().print(f"Missing: {len(missing) - _SHOWN_MISSING:,} more; --json lists them.")
    output().print(f"Photos downloaded: {fetched.downloaded:,}; there already: {fetched.unchanged:,}.")
    if missing:
        notes().print(f"{len(missing):,} of {len(listed):,} are missing. Run the same command again to try those.")
        return FAILURE
    output().print(f"{printable(str(out))} is complete; {printable(str(out / RECORD))} says whose each photo is.")
    return SUCCESS


def transform(source: Path, out: Path, *, all_classes: bool, as_json: bool) -> int:
    """Make the folder that training reads."""
    try:
        with _progress(_FILES) as listen:
            done = transform_source(
                source, out, all_classes=all_classes, reading=listen("read"), writing=listen("written")
            )
    except KeyboardInterrupt:
        notes().print("Stopped. The folder is not complete: run the same command again.")
        return INTERRUPTED
    if as_json:
        print_json(_transformed_json(done, out))
    else:
        _print_transformed(done, out)
    return SUCCESS


def load(target: Target, folder: Path, place: Place, *, as_json: bool) -> int:
    """Send a transformed folder to S3."""
    try:
        with _progress(_FILES) as listen:
            loaded = load_folder(folder, target.client("s3"), place, listen("loaded"))
    except KeyboardInterrupt:
        notes().print("Stopped. What is in the bucket stays there: run the same command again to go on.")
        return INTERRUPTED
    if as_json:
        print_json(
            {
                "bucket": loaded.bucket,
                "prefix": loaded.prefix,
                "uri": loaded.address,
                "data_hash": loaded.manifest.data_hash,
                "uploaded": loaded.uploaded,
                "unchanged": loaded.unchanged,
                "uploaded_bytes": loaded.uploaded_bytes,
                "channels": loaded.channels,
                "builtin": loaded.manifest.facts["builtin"],
            }
        )
        return SUCCESS
    output().print(
        f"{loaded.uploaded:,} files were sent ({loaded.uploaded_bytes / 1e6:,.1f} MB), "
        f"{loaded.unchanged:,} were there already."
    )
    output().print(f"The data is complete at {printable(loaded.address)}")
    return SUCCESS


def _transformed_json(done: Transformed, out: Path) -> dict[str, Any]:
    facts = done.manifest.facts
    return {
        "folder": str(out),
        "data_hash": done.manifest.data_hash,
        "version": done.manifest.version,
        "pictures": facts["pictures"],
        "parts": {name: sum(counts.values()) for name, counts in facts["parts"].items()},
        "near_duplicates": facts["near_duplicates"],
        "refused": [{"file": refused.file, "reason": refused.reason} for refused in done.manifest.refused],
        "written": done.written,
        "unchanged": done.unchanged,
        "removed": done.removed,
        "builtin": facts["builtin"],
    }


def _print_transformed(done: Transformed, out: Path) -> None:
    facts, refused, console = done.manifest.facts, done.manifest.refused, output()
    for item in refused[:_SHOWN_REFUSALS]:
        notes().print(f"Refused: {printable(item.file)}: {item.reason}")
    if len(refused) > _SHOWN_REFUSALS:
        notes().print(f"Refused: {len(refused) - _SHOWN_REFUSALS:,} more; the manifest lists them.")
    parts = ", ".join(f"{sum(counts.values()):,} {name}" for name, counts in facts["parts"].items())
    console.print(f"{facts['pictures']:,} pictures of {len(facts['classes']):,} classes: {parts}.")
    console.print(f"Near-duplicates, kept on one side of the split: {facts['near_duplicates']:,}.")
    console.print(f"Data hash {done.manifest.data_hash}.")
    console.print(
        f"{printable(str(out))} is complete: {done.written:,} files written, {done.unchanged:,} unchanged, "
        f"{done.removed:,} removed."
    )


@contextmanager
def _progress(columns: tuple[ProgressColumn, ...]) -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """Bars on a terminal, one for each step that is listened to, from its first word on."""
    console = Console(stderr=True)
    shown = Progress(
        TextColumn("{task.description:<9}"),
        BarColumn(),
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )

    def listen(step: str) -> Callable[[int, int], None]:
        bar: list[TaskID] = []

        def tell(done: int, total: int) -> None:
            if not bar:
                bar.append(shown.add_task(step, total=total))
            shown.update(bar[0], completed=done, total=total)

        return tell

    with shown:
        yield listen
