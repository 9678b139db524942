"""The story of one image: the right lines, of that run only, in the order of time."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.commands import logs
from cli.target import Target
from console.errors import UnknownPhotoError
from console.story import _told
from tests.unit.cli.answers import Called, known
from tests.unit.cli.recorded import put_record

NOW = datetime.now(UTC).replace(microsecond=0)
GROUPS = ("SerializeImageLogGroup", "ClassifyImageLogGroup", "FilterInferencesLogGroup")


def _log(target: Target, output: str, seconds: float, message: str | dict[str, Any]) -> None:
    logs, group = target.client("logs"), target.output(output)
    stream = f"s{seconds}"
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    text = message if isinstance(message, str) else json.dumps(message)
    at_ms = int((NOW + timedelta(seconds=seconds)).timestamp() * 1000)
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[{"timestamp": at_ms, "message": text}])


def _line(message: str, correlation_id: str = "run-1", **fields: Any) -> dict[str, Any]:
    return {
        "level": "INFO",
        "message": message,
        "correlation_id": correlation_id,
        "execution_id": f"arn:{correlation_id}",
        "s3_key": "uploads/a b.jpg",
        "function_request_id": f"request-{correlation_id}",
        **fields,
    }


def _record(target: Target, key: str = "uploads/a b.jpg", correlation_id: str = "run-1") -> None:
    put_record(
        target,
        key,
        "1",
        correlation_id={"S": correlation_id},
        execution={"S": f"arn:{correlation_id}"},
        started_at={"S": NOW.isoformat()},
        recorded_at={"S": (NOW + timedelta(seconds=9)).isoformat()},
    )


@pytest.fixture
def _no_history(deployed: Target) -> None:
    """Runs that Step Functions has forgotten: moto would make up a history for any."""

    def forget(**_: Any) -> None:
        raise deployed.client("stepfunctions").exceptions.ExecutionDoesNotExist(
            {"Error": {"Code": "ExecutionDoesNotExist"}}, "GetExecutionHistory"
        )

    deployed.session.events.register("before-call.stepfunctions.GetExecutionHistory", forget)


@pytest.mark.usefixtures("_no_history")
def test_the_three_functions_lines_come_in_the_order_of_time(deployed: Target, called: Called) -> None:
    """However the log groups are read, the story runs from first to last, with each line's own fields."""
    _record(deployed)
    _log(deployed, GROUPS[2], 3, _line("confident", label="bicycle"))
    _log(deployed, GROUPS[0], 1, _line("image_accepted"))
    _log(deployed, GROUPS[1], 2, _line("prediction_made", inferences=[0.93, 0.02]))

    lines = called(lambda: logs.command("a b.jpg", known(deployed), as_json=True)).json_lines()

    assert [(line["source"], line["text"]) for line in lines] == [
        ("Serialize image", "image_accepted"),
        ("Classify image", "prediction_made"),
        ("Filter inferences", "confident"),
    ]
    assert lines[1]["inferences"] == [0.93, 0.02]
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)


@pytest.mark.usefixtures("_no_history")
def test_other_runs_stay_out(deployed: Target, called: Called) -> None:
    """Lines of another image, and of another run of this one, are not told."""
    _record(deployed)
    _log(deployed, GROUPS[0], 1, _line("image_accepted"))
    _log(deployed, GROUPS[0], 2, _line("image_accepted", "run-2"))
    _log(deployed, GROUPS[0], 3, "REPORT RequestId: request-run-2 Duration: 5 ms")
    _log(deployed, GROUPS[0], 4, "REPORT RequestId: request-run-1 Duration: 7 ms")

    lines = called(lambda: logs.command("uploads/a b.jpg", known(deployed), as_json=True)).json_lines()

    assert [line["text"] for line in lines] == ["image_accepted", "REPORT RequestId: request-run-1 Duration: 7 ms"]


@pytest.mark.usefixtures("_no_history")
def test_an_image_without_a_record_is_found_by_its_log_lines(deployed: Target, called: Called) -> None:
    """While nothing is recorded, the key in the functions' lines leads to the run, whatever characters it has."""
    key = 'uploads/{ $.x = "*" } photo [1]%.jpg'
    _log(deployed, GROUPS[0], -1, _line("image_accepted", s3_key=key))

    answer = called(lambda: logs.command(key, known(deployed)))

    assert "image_accepted" in answer.out
    assert "Nothing is recorded yet." in answer.out


def test_an_unknown_image_is_said_to_be_unknown(deployed: Target) -> None:
    """A name that nothing is known of ends in a sentence and a hint."""
    with pytest.raises(UnknownPhotoError, match="Nothing is known of an image 'nothing.jpg'") as caught:
        logs.command("nothing.jpg", known(deployed))

    assert "vehiclevision results --stack vehicles" in caught.value.hint


def test_retries_and_failures_of_the_workflow_are_told() -> None:
    """A failed try shows the error's name and message, the next try its number, the end its cause."""

    def event(seconds: float, kind: str, **details: Any) -> Any:
        return {"type": kind, "timestamp": NOW + timedelta(seconds=seconds), **details}

    failure = {"error": "EndpointUnavailableError", "cause": json.dumps({"errorMessage": "not\nthere"})}
    events = [
        event(0, "ExecutionStarted"),
        event(1, "TaskStateEntered", stateEnteredEventDetails={"name": "Classify image"}),
        event(1, "LambdaFunctionScheduled"),
        event(2, "LambdaFunctionFailed", lambdaFunctionFailedEventDetails=failure),
        event(4, "LambdaFunctionScheduled"),
        event(5, "LambdaFunctionSucceeded"),
        event(5.5, "TaskStateExited", stateExitedEventDetails={"name": "Classify image"}),
        event(6, "ExecutionFailed", executionFailedEventDetails={"error": "FAILED_SO", "cause": "plain words"}),
    ]

    told = [line.text for line in _told(events)]

    assert told == [
        "the run started",
        "Classify image: entered",
        "Classify image: EndpointUnavailableError (not there)",
        "Classify image: try 2",
        "Classify image: left after 4.50 s",
        "the run failed: FAILED_SO (plain words)",
    ]
