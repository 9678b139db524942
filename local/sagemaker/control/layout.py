"""SageMaker's folders of one training job, and what may be written into them.

Names in archives and keys in buckets come from outside: nothing of them leads out of its folder.
"""

import gzip
import os
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from local.sagemaker.control.errors import JobError

# Where the container has these folders; a hyperparameter or variable that names one means the job's own.
CONTAINER_ROOT = "/opt/ml"
MAX_SOURCE_BYTES = 512 * 1024 * 1024
MAX_SOURCE_FILES = 20_000
PIECE_BYTES = 1024 * 1024


class Layout:
    """The folders under what is /opt/ml in the container."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # Channels, a folder each; and hyperparameters.json and its like.
        self.data, self.config = root / "input" / "data", root / "input" / "config"
        # What becomes model.tar.gz; output data and the failure's text.
        self.model, self.output = root / "model", root / "output"
        # The unpacked source; what is kept in S3 while the job runs; the program's temporary files.
        self.code, self.checkpoints, self.temporary = root / "code", root / "checkpoints", root / "tmp"

    def make(self) -> None:
        """All folders, empty."""
        shutil.rmtree(self.root, ignore_errors=True)
        output = (self.output / "data", self.output / "intermediate")
        for folder in (self.data, self.config, self.model, *output, self.code, self.checkpoints, self.temporary):
            folder.mkdir(parents=True)

    def localised(self, value: str) -> str:
        """A container's path as the job's own; any other value as it is."""
        inside = value == CONTAINER_ROOT or value.startswith(CONTAINER_ROOT + "/")
        return str(self.root) + value.removeprefix(CONTAINER_ROOT) if inside else value


def is_plain(name: str) -> bool:
    """Whether a relative name stays within the folder it is relative to."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and "\0" not in name and "\\" not in name


def place_within(folder: Path, name: str) -> Path:
    """Where a file of this relative name lies, with its parents made; JobError when it would lie elsewhere."""
    if not is_plain(name):
        raise JobError(f"ClientError: {name[:200]!r} is no usable file name")
    target = folder / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            raise FileExistsError
    except (OSError, ValueError) as error:
        raise JobError(f"ClientError: {name[:200]!r} cannot be written beside what is there already") from error
    return target


def unpack_source(packed: Path, folder: Path, scratch: Path) -> None:
    """A sourcedir.tar.gz into the code folder: plain files and folders only, within limits."""
    try:
        with scratch.open("w+b") as unpacked:
            with gzip.open(packed) as stream:
                # A piece more than is allowed tells that there is more.
                while unpacked.tell() <= MAX_SOURCE_BYTES and (piece := stream.read(PIECE_BYTES)):
                    unpacked.write(piece)
            if unpacked.tell() > MAX_SOURCE_BYTES:
                raise JobError(f"ClientError: sagemaker_submit_directory unpacks to more than {MAX_SOURCE_BYTES} bytes")
            unpacked.seek(0)
            with tarfile.open(fileobj=unpacked, mode="r:") as archive:
                _extract(archive, folder)
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        raise JobError("ClientError: sagemaker_submit_directory is no sound .tar.gz archive") from error
    finally:
        scratch.unlink(missing_ok=True)


def _extract(archive: tarfile.TarFile, folder: Path) -> None:
    for count, member in enumerate(archive, 1):
        if count > MAX_SOURCE_FILES:
            raise JobError(f"ClientError: sagemaker_submit_directory holds more than {MAX_SOURCE_FILES} files")
        if member.isdir():
            continue
        # A hard or symbolic link, a device or a pipe has no place in a program's source.
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise JobError(f"ClientError: {member.name[:200]!r} in sagemaker_submit_directory is no plain file")
        stream = archive.extractfile(member)
        target = place_within(folder, member.name)
        with target.open("wb") as file:
            if stream is not None:
                shutil.copyfileobj(stream, file, PIECE_BYTES)
        target.chmod(0o755 if member.mode & 0o100 else 0o644)


def pack(folder: Path, archive: Path) -> bool:
    """A folder's files as .tar.gz, the same bytes for the same files; whether there was any file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in files:
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            with path.open("rb") as file:
                entry.size, entry.mode, entry.mtime = os.fstat(file.fileno()).st_size, 0o644, 0
                tar.addfile(entry, file)
    return bool(files)
