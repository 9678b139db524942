"""What the `monitor` commands share: the check, asked for and told in words."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from botocore.config import Config

from cli.display import printable, typed
from cli.errors import CommandError
from cli.target import Target
from lifecycle import stacks

CHECK_SECONDS: Final = 620


def function_of(target: Target) -> str:
    """The function that checks; CommandError while monitoring is not deployed."""
    outputs = stacks.outputs(stacks.described(target.client, target.beside("monitoring")))
    if "CheckDriftFunctionName" not in outputs:
        raise CommandError(
            f"Monitoring of {target.stack} is not deployed.", f"Deploy it: {typed()} monitor deploy{target.options}"
        )
    return outputs["CheckDriftFunctionName"]


def ask(target: Target, function: str, hours: int | None = None) -> dict[str, Any]:
    """Have it check up to now, once, however long it takes; a check that fails is an error here."""
    target.write_captures()
    event = {"to": datetime.now(UTC).isoformat(), **({"hours": hours} if hours else {})}
    config = Config(connect_timeout=5, read_timeout=CHECK_SECONDS, retries={"total_max_attempts": 1})
    client = target.session.client("lambda", endpoint_url=target.endpoint_url, config=config)
    answer = client.invoke(FunctionName=function, Payload=json.dumps(event).encode())
    check: dict[str, Any] = json.loads(answer["Payload"].read() or b"{}")
    if answer.get("FunctionError"):
        raise CommandError(
            f"The check failed: {printable(str(check.get('errorMessage') or 'it ran out of time or memory'))[:300]}",
            "See docs/runbooks/check-failing.md",
        )
    return check


def told(check: Mapping[str, Any]) -> Iterator[str]:
    """What a check says, in words."""
    window = check["window"]
    yield f"Checked {check['records']:,} records from {window['from'][:16]} to {window['to'][:16]} UTC."
    if check.get("files_left_out"):
        every = check["files"] + check["files_left_out"]
        yield f"  They are an even sample: {check['files']:,} of {every:,} files."
    if check["records_unreadable"]:
        counts = ", ".join(f"{name} {count:,}" for name, count in check["unreadable"].items())
        yield f"  {check['records_unreadable']:,} lines could not be read: {counts}"
    yield f"  {'DRIFT. ' if check['drifted'] else ''}{check['words']}"
    if check["silent"]:
        yield "  SILENT. The endpoint answers, and nothing is captured: docs/runbooks/silent-capture.md"
    if check["coverage"] is not None:
        before = f"in the baseline {check['coverage_before']:.0%}"
        if check.get("files_left_out"):
            before = f"surely {check['coverage_low']:.1%} to {check['coverage_high']:.1%}; {before}"
        yield f"  {check['coverage']:.0%} of the answers reach the threshold; {before}."
    accuracy = check.get("estimated_accuracy")
    if accuracy and accuracy["holds"]:
        interval = f"{accuracy['low']:.0%} to {accuracy['high']:.0%}"
        yield f"  {accuracy['accuracy']:.0%} of those are right, as estimated without labels ({interval})."
    if check.get("announced"):
        yield "  DriftDetected was announced."
    if check.get("report"):
        yield f"  {check['report']}"
