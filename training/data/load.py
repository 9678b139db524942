"""Load: a transformed folder into a bucket, under a prefix of its version; only what is not there yet is sent.

The manifest goes last: a prefix with a manifest is complete. Interrupted or failed, the next run goes on.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError, ParamValidationError

from training.data.errors import DataNotLoadedError
from training.data.extract import Listener
from training.data.manifest import CHANNELS, MANIFEST, Entry, Manifest, read_entry, read_manifest
from training.data.threads import in_threads
from vehiclevision.storage import code_of, listed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef

DEFAULT_PREFIX: Final = "training-data"
# As many as boto3 keeps connections open for, unless it is told otherwise.
THREADS: Final = 10
_CONTENT_TYPES: Final = {".jpg": "image/jpeg", ".lst": "text/tab-separated-values", ".json": "application/json"}
_MAX_PREFIX_BYTES: Final = 300


@dataclass(frozen=True)
class Destination:
    """Where the data goes, and how it is kept there; no key means the bucket's own encryption."""

    bucket: str
    prefix: str = DEFAULT_PREFIX
    kms_key_id: str | None = None
    bucket_owner: str | None = None

    def owner(self) -> dict[str, Any]:
        """What every request says of the bucket's owner."""
        return {"ExpectedBucketOwner": self.bucket_owner} if self.bucket_owner else {}

    def encryption(self) -> dict[str, Any]:
        """What every upload says of its encryption."""
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key_id} if self.kms_key_id else {}


@dataclass(frozen=True)
class Loaded:
    """What lies in the bucket now, and what this run had to send for that."""

    bucket: str
    prefix: str
    manifest: Manifest
    uploaded: int
    unchanged: int
    uploaded_bytes: int

    @property
    def address(self) -> str:
        """Where all of it is."""
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def channels(self) -> dict[str, str]:
        """The input channels of SageMaker's built-in image classification."""
        return {channel: f"{self.address}{channel}/" for channel in CHANNELS}


def load(
    folder: Path, s3: "S3Client", destination: Destination, listener: Listener = lambda done, total: None
) -> Loaded:
    """Send what the bucket does not hold yet; the folder's files must still be what its manifest says."""
    manifest = read_manifest(folder)
    prefix = f"{_checked(destination.prefix)}{manifest.version}/"
    try:
        below = {"Bucket": destination.bucket, "Prefix": prefix, **destination.owner()}
        there = {each["Key"]: each for each in listed(s3, "list_objects_v2", "Contents", **below)}
        entries = (*manifest.entries, _manifest_entry(manifest))
        sender = _Sender(folder, s3, destination, prefix, there)
        sent: list[int | None] = []
        # Up to the manifest in any order, then the manifest, when all the rest has been taken.
        for group in (entries[:-1], entries[-1:]):
            for size in in_threads(sender.send, group, THREADS):
                sent.append(size)
                listener(len(sent), len(entries))
    except (ClientError, ParamValidationError) as error:
        if refusal := _refusal(error, destination):
            raise refusal from error
        raise
    sizes = [size for size in sent if size is not None]
    return Loaded(destination.bucket, prefix, manifest, len(sizes), len(sent) - len(sizes), sum(sizes))


def _checked(prefix: str) -> str:
    """The prefix with a slash at its end."""
    parts = prefix.strip("/").split("/") if prefix.strip("/") else []
    plain = all(part not in ("", ".", "..") and part.isprintable() for part in parts)
    if not plain or len(prefix.encode(errors="replace")) > _MAX_PREFIX_BYTES:
        raise DataNotLoadedError("The prefix is no plain path.", f"Name one such as {DEFAULT_PREFIX} with --prefix.")
    return "".join(f"{part}/" for part in parts)


def _manifest_entry(manifest: Manifest) -> Entry:
    content = manifest.to_bytes()
    return Entry(MANIFEST, hashlib.sha256(content).hexdigest(), len(content))


@dataclass(frozen=True)
class _Sender:
    """Sends files of a folder to a bucket, knowing what is there."""

    folder: Path
    s3: "S3Client"
    destination: Destination
    prefix: str
    there: Mapping[str, "ObjectTypeDef"]

    def send(self, entry: Entry) -> int | None:
        """Send one file, and return its size; None if it is there already."""
        key, content = self.prefix + entry.path, read_entry(self.folder, entry)
        checksum = base64.b64encode(bytes.fromhex(entry.sha256)).decode()
        known = self.there.get(key)
        if known is not None and known["Size"] == entry.bytes:
            # The ETag is an MD5 unless a KMS key encrypts the object; then the checksum that was sent with it decides.
            is_md5 = known["ETag"].strip('"') == hashlib.md5(content, usedforsecurity=False).hexdigest()
            if is_md5 or self._checksum_there(key) == checksum:
                return None
        self.s3.put_object(
            Bucket=self.destination.bucket,
            Key=key,
            Body=content,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=checksum,
            ContentType=_CONTENT_TYPES.get(Path(entry.path).suffix, "application/octet-stream"),
            **self.destination.owner(),
            **self.destination.encryption(),
        )
        return entry.bytes

    def _checksum_there(self, key: str) -> str | None:
        head = self.s3.head_object(
            Bucket=self.destination.bucket, Key=key, ChecksumMode="ENABLED", **self.destination.owner()
        )
        return head.get("ChecksumSHA256")


def _refusal(error: ClientError | ParamValidationError, destination: Destination) -> DataNotLoadedError | None:
    """Words for what only this step meets; the rest means the same in every command."""
    if isinstance(error, ParamValidationError):
        return DataNotLoadedError(f"{destination.bucket} is no name of a bucket.", "Name one with --bucket.")
    match code_of(error):
        case "NoSuchBucket":
            return DataNotLoadedError(
                f"There is no bucket {destination.bucket}.",
                f"Make it, for example: aws s3 mb s3://{destination.bucket}",
            )
        case "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException":
            return DataNotLoadedError(
                f"The bucket {destination.bucket} is in another region.", "Name that with --region."
            )
        case "AccessDenied" | "403":
            return DataNotLoadedError(
                f"The bucket {destination.bucket} does not let these credentials list and write there.",
                "Grant s3:ListBucket, s3:GetObject and s3:PutObject, and check --bucket-owner where it is given.",
            )
    return None
