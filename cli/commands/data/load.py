"""Send a transformed folder to S3.

It goes under a prefix with its version, and only what is not there yet is sent. The manifest goes last: a prefix with a
manifest.json is complete.
"""

from pathlib import Path
from typing import Annotated

from cli.display import notes, output, print_json, printable
from cli.errors import INTERRUPTED, SUCCESS
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
    try:
        with bars() as listen:
            loaded = load(folder, s3, destination, listen("loaded"))
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
