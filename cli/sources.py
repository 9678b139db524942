"""Which files are meant, and the key under which each of them is uploaded."""

import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vehiclevision.requests import MAX_KEY_BYTES
from vehiclevision.results import UPLOADS

MAX_OBJECT_BYTES: Final = 5 * 1024**3  # S3's limit for one PutObject


@dataclass(frozen=True)
class Source:
    """A file and the key it goes to."""

    path: Path
    key: str


@dataclass(frozen=True)
class LeftOut:
    """Something that is not uploaded, and why; `asked_for` if it is a file that was named."""

    path: Path
    reason: str
    detail: str
    asked_for: bool = True


@dataclass(frozen=True)
class _File:
    """A file below `base`, the folder that was asked for or that holds the file that was asked for."""

    base: Path
    relative: str

    @property
    def path(self) -> Path:
        return self.base / self.relative

    def name(self, ancestors: int) -> str:
        """The path from the base, led by so many of the folders above it."""
        above = self.base.parts[1:]
        return "/".join((*above[len(above) - ancestors :], self.relative))


def find(paths: Sequence[Path]) -> tuple[list[Source], list[LeftOut]]:
    """Every file that the paths name or hold, each with a key of its own, and what is left out."""
    files: dict[Path, _File] = {}
    left_out: list[LeftOut] = []
    for path in paths:
        for item in _below(path):
            if isinstance(item, LeftOut):
                left_out.append(item)
            else:
                files.setdefault(item.path, item)
    sources = []
    for file, name in _distinct_names(list(files.values())):
        key = UPLOADS + name
        if problem := _no_key(key):
            left_out.append(LeftOut(file.path, *problem))
        else:
            sources.append(Source(file.path, key))
    return sources, left_out


def _below(path: Path) -> Iterator[_File | LeftOut]:
    """One path that was asked for: itself, or all that lies in it. What the person names may be a link."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would swap a link's name for its target's
    try:
        mode = absolute.stat().st_mode
    except OSError as error:
        yield LeftOut(path, "UNREADABLE", error.strerror or "it cannot be read")
        return
    if stat.S_ISDIR(mode):
        yield from _walk(absolute.resolve())
    elif stat.S_ISREG(mode):
        yield _File(absolute.parent.resolve(), absolute.name)
    else:
        yield LeftOut(path, "NOT_A_FILE", "it is neither a file nor a folder")


def _walk(root: Path) -> Iterator[_File | LeftOut]:
    """The files of a folder in the order of their names; deep trees need no deep stack."""
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(root / folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            yield LeftOut(root / folder, "UNREADABLE", error.strerror or "it cannot be read")
            continue
        inner = []
        for entry in entries:
            relative = f"{folder}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                inner.append(f"{relative}/")
            else:
                yield _file(root, relative, entry)
        waiting.extend(reversed(inner))


def _file(root: Path, relative: str, entry: "os.DirEntry[str]") -> _File | LeftOut:
    if entry.is_symlink():
        target = Path(os.path.realpath(entry.path))
        if not target.is_relative_to(root) or not target.is_file():
            detail = "it is a link to a folder, out of the folder, or to nothing"
            return LeftOut(root / relative, "LINK", detail, asked_for=False)
    elif not entry.is_file(follow_symlinks=False):
        return LeftOut(root / relative, "NOT_A_FILE", "it is no file", asked_for=False)
    return _File(root, relative)


def _distinct_names(files: Sequence[_File]) -> Iterable[tuple[_File, str]]:
    """Names that no two files share: where they would, folders from above are put before them."""
    ancestors = dict.fromkeys(files, 0)
    names = {file: file.name(0) for file in files}
    while clashing := _clashing(names):
        # Whole absolute paths differ, so some file of a clash always has a folder left to tell it apart.
        for file in clashing:
            ancestors[file] = min(ancestors[file] + 1, len(file.base.parts) - 1)
            names[file] = file.name(ancestors[file])
    return names.items()


def _clashing(names: dict[_File, str]) -> list[_File]:
    files_by_name: dict[str, list[_File]] = defaultdict(list)
    for file, name in names.items():
        files_by_name[name].append(file)
    return [file for files in files_by_name.values() if len(files) > 1 for file in files]


def _no_key(key: str) -> tuple[str, str] | None:
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        return "NAME_NOT_UNICODE", "its name is not valid UTF-8, which S3 keys must be; rename it"
    if length > MAX_KEY_BYTES:
        return "NAME_TOO_LONG", f"its key would have {length:,} bytes and S3 allows {MAX_KEY_BYTES:,}; shorten the name"
    return None
