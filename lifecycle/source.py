"""Our code as script mode wants it: sourcedir.tar.gz, the same bytes from the same files."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from lifecycle.jobs import ENTRY
from vehiclevision.labels import FILE as VEHICLES

CHECKOUT: Final = Path(__file__).resolve().parents[1]
HERE: Final = Path(__file__).parent
CHAMPION: Final = "training/model/model.tar.gz"
# The entry script lies at the archive's root: the container starts it there and imports the rest from there.
FILES: Final = {
    ENTRY: HERE / "entry.py",
    "requirements.txt": CHECKOUT / "requirements" / "job.txt",
    VEHICLES.name: VEHICLES,
    # What a quick training begins at.
    CHAMPION: CHECKOUT / CHAMPION,
}
PACKAGES: Final = {"vehiclevision": CHECKOUT / "functions" / "vehiclevision", "training": CHECKOUT / "training"}


@dataclass(frozen=True)
class Source:
    """The packed code and its hash."""

    content: bytes
    sha256: str

    @property
    def key(self) -> str:
        """Where it lies in the bucket: another code, another key."""
        return f"code/{self.sha256[:16]}/sourcedir.tar.gz"


def pack() -> Source:
    """Pack what a training job runs: the product's package, training, and the entry script."""
    packed = archive({**FILES, **_modules()})
    return Source(packed, hashlib.sha256(packed).hexdigest())


def archive(files: dict[str, Path]) -> bytes:
    """A tar.gz of files by their names in it, without owners and times."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(files):
            content = files[name].read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(stream.getvalue(), compresslevel=9, mtime=0)


def members(packed: BinaryIO, limits: Mapping[str, int]) -> dict[str, bytes]:
    """The files of these names in a tar.gz of somebody's, each no larger than its limit; all else is left in it."""
    read: dict[str, bytes] = {}
    with tarfile.open(fileobj=packed, mode="r:gz") as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            if member.isfile() and name not in read and member.size <= limits.get(name, -1):
                stream = tar.extractfile(member)
                read[name] = stream.read() if stream is not None else b""
    return read


def _modules() -> dict[str, Path]:
    """The Python modules of our packages; caches stay behind."""
    return {
        f"{package}/{path.relative_to(folder).as_posix()}": path
        for package, folder in PACKAGES.items()
        for path in folder.rglob("*.py")
    }
