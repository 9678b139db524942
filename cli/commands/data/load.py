"""Send a transformed folder to S3.

It goes under a prefix with its version, and only what is not there yet is sent. The manifest goes last: a prefix with a
manifest.json is complete.
"""

from pathlib import Path
from typing import Annotated

from cli.display import on_interrupt, tell
from cli.options import Application, AsJson, argument, option
from training.data.load import DEFAULT_PREFIX, Destination, load
from training.progress import bars


def command(
    *,
    folder: Annotated[Path, argument("DIR", "What `vehiclevision data transform` made.")],
    bucket: Annotated[str, option("--bucket", "BUCKET", "The bucket; it must exist.")],
    application: Application,
    prefix: Annotated[str, option("--prefix", "P", "What the keys begin with, before the version.")] = DEFAULT_PREFIX,
    kms_key: Annotated[
        str | None, option("--kms-key", "KEY", "Encrypt with this KMS key, not as the bucket does by itself.")
    ] = None,
    bucket_owner: Annotated[
        str | None, option("--bucket-owner", "ACCOUNT", "Only if the bucket is this account's.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Send a transformed folder to S3."""
    s3, destination = application.target().client("s3"), Destination(bucket, prefix, kms_key, bucket_owner)
    stopped = "Stopped. What is in the bucket stays there: run the same command again to go on."
    with on_interrupt(stopped), bars() as listen:
        loaded = load(folder, s3, destination, listen("loaded"))
    names = ("bucket", "prefix", "uploaded", "unchanged", "uploaded_bytes", "channels")
    own = {"uri": loaded.address, "data_hash": loaded.manifest.data_hash, "builtin": loaded.manifest.facts["builtin"]}
    sent = f"{loaded.uploaded:,} files were sent ({loaded.uploaded_bytes / 1e6:,.1f} MB)"
    return tell(
        as_json,
        {name: getattr(loaded, name) for name in names} | own,
        f"{sent}, {loaded.unchanged:,} were there already.",
        f"The data is complete at {loaded.address}",
    )
