"""Run the workflow by hand for one object."""

from typing import Annotated

from cli import runs
from cli.display import ended_line, on_interrupt, tell
from cli.errors import FAILURE, SUCCESS, USAGE, CommandError
from cli.options import Application, AsJson, Timeout, argument, option


def command(
    *,
    bucket: Annotated[str, argument("BUCKET", "The bucket that holds the image.")],
    key: Annotated[str, argument("KEY", "The image's whole key.")],
    application: Application,
    version_id: Annotated[str | None, option("--version-id", "V", "This version of it; else the newest.")] = None,
    timeout: Timeout = 600,
    as_json: AsJson = False,
) -> int:
    """Run the workflow for one object, and print what became of it."""
    target = application.target()
    if not bucket or not key:
        raise CommandError("BUCKET and KEY must not be empty.", "Name the object, as in: uploads/photo.jpg", USAGE)
    with on_interrupt(f"Stopped waiting; the run goes on. See it with: vehiclevision results{target.options}"):
        end = runs.start(target, bucket, key, version_id, timeout)
    tell(as_json, end.to_json(), ended_line(end))
    return SUCCESS if end.is_good else FAILURE
