"""Download CIFAR-100's official binary archive (169 MB), or with --photos real photos.

It goes on where an earlier try stopped. The archive gets its name when its checksums are right. A photo of the list is
taken when it shows what the list says; the folder's ATTRIBUTION.csv says whose it is.
"""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from cli.display import notes, on_interrupt, output, print_json, printable, tell, typed
from cli.errors import FAILURE, SUCCESS, USAGE, CommandError
from cli.options import AsJson, flag, option
from training.data import fetch
from training.data.cifar100 import OFFICIAL, Archive
from training.data.photos import ADDRESS, RECORD, UPSTREAM, FetchedPhotos, Photo, fetch_photos, read_list
from training.progress import BYTES, bars

MISSING_SHOWN: Final = 10
STOPPED: Final = "Stopped. What has come is kept: run the same command again to go on."


class Terms(StrEnum):
    """What the licence of a photo may rest on."""

    UPSTREAM = "upstream"
    ANY = "any"


def command(
    out: Annotated[Path, option("--out", "DIR", "The folder that gets the archive or the photos.")],
    photos: Annotated[
        bool, flag("--photos", "4,157 photos under open licences instead, in a folder per class.")
    ] = False,
    licence_basis: Annotated[
        Terms, flag("--licence-basis", "upstream: none whose licence is only their uploader's word.")
    ] = Terms.ANY,
    mirrors: Annotated[
        list[str] | None, option("--mirror", "URL", "Fetch from here; several are tried in their order.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Download the official archive, or the listed photos."""
    mirrors = mirrors or []
    if photos and len(mirrors) > 1:
        raise CommandError("Photos come from one place.", "Give --mirror once, as the address before OWNER/.", USAGE)
    if licence_basis is not Terms.ANY and not photos:
        raise CommandError("--licence-basis belongs to --photos.", "Add --photos.", USAGE)
    if not photos:
        return fetch_archive(out, mirrors, as_json=as_json)
    upstream_only = licence_basis is Terms.UPSTREAM
    listed = [photo for photo in read_list() if not upstream_only or photo.source.licence_basis == UPSTREAM]
    return fetch_listed(out, listed, mirrors[0] if mirrors else None, as_json=as_json)


def fetch_archive(out: Path, mirrors: Sequence[str], *, as_json: bool, archive: Archive = OFFICIAL) -> int:
    """Download CIFAR-100's official archive into a folder."""
    with on_interrupt(STOPPED), bars(BYTES) as listen:
        fetched = fetch.fetch(out, archive=archive, mirrors=mirrors, listener=listen("fetched"))
    how = "is downloaded, and its checksums are right" if fetched.downloaded else "was there already and is right"
    facts = {"path": str(fetched.path), "sha256": archive.sha256, "downloaded": fetched.downloaded}
    return tell(as_json, facts, f"{fetched.path} {how}.", f"Next: {typed()} data transform {fetched.path} --out DIR")


def fetch_listed(
    out: Path, listed: Sequence[Photo], mirror: str | None, *, as_json: bool, pause_seconds: float = 2
) -> int:
    """Download the listed photos into a folder per class; what is missing afterwards is told, and counts as failure."""
    with on_interrupt(STOPPED), bars() as listen:
        fetched = fetch_photos(
            out, listed, mirror=mirror or ADDRESS, listener=listen("fetched"), pause_seconds=pause_seconds
        )
    if as_json:
        print_json(
            {
                "folder": str(out),
                "record": str(out / RECORD),
                "photos": len(listed),
                "downloaded": fetched.downloaded,
                "unchanged": fetched.unchanged,
                "missing": [{"file": each.file, "reason": each.reason} for each in fetched.missing],
            }
        )
    else:
        _print_fetched(fetched, out, len(listed))
    return FAILURE if fetched.missing else SUCCESS


def _print_fetched(fetched: FetchedPhotos, out: Path, listed: int) -> None:
    missing = fetched.missing
    for each in missing[:MISSING_SHOWN]:
        notes().print(f"Missing: {printable(each.file)} {printable(each.reason)}.")
    if len(missing) > MISSING_SHOWN:
        notes().print(f"Missing: {len(missing) - MISSING_SHOWN:,} more; --json lists them.")
    output().print(f"Photos downloaded: {fetched.downloaded:,}; there already: {fetched.unchanged:,}.")
    if missing:
        notes().print(f"{len(missing):,} of {listed:,} are missing. Run the same command again to try those.")
    else:
        output().print(f"{printable(str(out))} is complete; {printable(str(out / RECORD))} says whose each photo is.")
