"""Run the workflow by hand for one object."""

import json
import time
from typing import TYPE_CHECKING, Annotated, Any, Final

from cli.display import ended_line, on_interrupt, tell
from cli.drop import Ended, ended
from cli.errors import FAILURE, SUCCESS, USAGE, CommandError
from cli.options import Application, AsJson, Timeout, argument, option
from cli.target import Target
from console.run import RUNNING
from vehiclevision.record import Outcome, Record
from vehiclevision.storage import UNVERSIONED

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

LOOK_EVERY_SECONDS: Final = 0.25


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
        end = run_once(target, bucket, key, version_id, timeout)
    tell(as_json, end.to_json(), ended_line(end))
    return SUCCESS if end.is_good else FAILURE


def run_once(target: Target, bucket: str, key: str, version_id: str | None, timeout_seconds: float) -> Ended:
    """Run the workflow for one object, the newest version unless one is named, and wait for its end."""
    step_functions: SFNClient = target.client("stepfunctions")
    request = {"s3_bucket": bucket, "s3_key": key, **({"version_id": version_id} if version_id else {})}
    began = time.monotonic()
    started = step_functions.start_execution(
        stateMachineArn=target.output("StateMachineArn"), input=json.dumps(request)
    )
    run = _await(step_functions, started["executionArn"], timeout_seconds)
    seconds = time.monotonic() - began
    if run is None:
        detail = f"the run goes on after {timeout_seconds:g} s; see: vehiclevision logs"
        return Ended(key, version_id, reason="NO_RECORD_YET", seconds=seconds, detail=detail)
    records = target.results.versions(bucket, key)
    own = next((record for record in records if record.execution == started["executionArn"]), None)
    if own is not None:
        return ended(own, seconds)
    if run["status"] == "SUCCEEDED" and (earlier := _earlier(target, records, bucket, key, version_id)):
        return ended(earlier, seconds)
    reason = str(run.get("error") or run["status"])
    return Ended(key, version_id, Outcome.FAILED, reason=reason, seconds=seconds, detail="no record was written")


def _await(step_functions: "SFNClient", arn: str, timeout_seconds: float) -> dict[str, Any] | None:
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        run = step_functions.describe_execution(executionArn=arn)
        if run["status"] != RUNNING:
            return dict(run)
        time.sleep(LOOK_EVERY_SECONDS)
    return None


def _earlier(target: Target, records: list[Record], bucket: str, key: str, version_id: str | None) -> Record | None:
    """The record of a run before this one, which then had nothing left to do."""
    version = version_id or target.client("s3").head_object(Bucket=bucket, Key=key).get("VersionId", UNVERSIONED)
    return next((record for record in records if record.version_id == version), None)
