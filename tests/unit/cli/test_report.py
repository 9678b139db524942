"""The `report` command: any captured files with no AWS at all, and the application's own endpoint with everything."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from cli.commands import report as commands
from cli.options import Application, Captures
from cli.target import Target
from cli.times import ends
from monitoring.check import baseline_key
from monitoring.errors import SourceError
from monitoring.labels import digest_of, key_of
from tests.unit.cli.answers import Called, Command, known
from tests.unit.cli.recorded import put_record
from tests.unit.monitoring.capture_lines import NOON, key, line, lines, png, record, write

SINCE = Captures(since=(NOON - timedelta(days=1)).isoformat())
ENDPOINT, CAPTURED = "vehicles", "vehicles-captured"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty answers of two hours in SageMaker's layout, and one line that cannot be read."""
    found = tmp_path / "captured"
    write(found, NOON, "a", b"\n".join(lines(20)) + b"\n")
    write(
        found, NOON + timedelta(hours=3), "b", b"broken\n" + line(record(png(99), at=NOON + timedelta(hours=3))) + b"\n"
    )
    return found


def test_a_folder_needs_no_aws(command: Command, folder: Path, tmp_path: Path) -> None:
    """With no local AWS, no account and no network: page, JSON and PNGs, and the figures in words."""
    out = tmp_path / "report" / "today.html"

    answer = command("report", "--from", folder, "--out", out)

    assert answer.code == 0, answer.err
    figures = json.loads(out.with_suffix(".json").read_text())
    assert (figures["records_read"], figures["records_unreadable"]) == (21, 1)
    assert "21 read, 1 unreadable" in answer.out
    assert str(out) in answer.out
    assert out.read_text().startswith("<!doctype html>")
    assert (tmp_path / "report" / "today-plots" / "confidence.png").is_file()


def test_a_sample_says_so(command: Command, tmp_path: Path) -> None:
    """Of thirty files six are read: the page, the terminal and the JSON say so, and the interval is the sample's."""
    for number in range(30):
        write(tmp_path / "captured", NOON, f"{number:02}", b"\n".join(lines(3 + number % 3)) + b"\n")

    answer = command("report", "--from", tmp_path / "captured", "--sample", 6, "--out", tmp_path / "page.html")

    figures = json.loads((tmp_path / "page.json").read_text())
    assert (figures["files"], figures["files_left_out"], figures["records_read"]) == (6, 24, figures["records"])
    assert figures["coverage_low"] < figures["coverage"] <= figures["coverage_high"]
    assert "6 of 30 files" in answer.out
    assert "an even sample of 30" in (tmp_path / "page.html").read_text()


def test_json_alone_writes_nothing(command: Command, folder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """With --json the figures are one JSON object on standard output; files come only with --out."""
    monkeypatch.chdir(tmp_path)

    answer = command("report", "--from", folder, "--json")

    assert answer.code == 0
    (figures,) = answer.json_lines()
    assert figures["records_read"] == 21
    assert not (tmp_path / "report.html").exists()
    both = command("report", "--from", folder, "--json", "--out", tmp_path / "page")
    assert both.json_lines()[0]["records_read"] == 21
    assert (tmp_path / "page.html").is_file()
    assert "page.html" in both.err


def test_time_endpoint_and_variant_choose(command: Command, folder: Path) -> None:
    """What is asked for is what counts."""
    late = command("report", "--from", folder, "--json", "--since", "2026-11-20T14:00")
    early = command("report", "--from", folder, "--json", "--until", "2026-11-20T14:00Z", "--threshold", "0.9")
    nobody = command("report", "--from", folder, "--json", "--endpoint", "another")

    assert late.json_lines()[0]["answers"] == 1
    assert early.json_lines()[0]["answers"] == 20
    assert (early.json_lines()[0]["threshold"], early.json_lines()[0]["threshold_from"]) == (0.9, "as asked for")
    assert nobody.json_lines()[0]["records_read"] == 0


def test_labels_of_a_folder_tell_the_true_accuracy(command: Command, tmp_path: Path) -> None:
    """A reviewed picture finds its captured record by its content alone."""
    folder, labels = tmp_path / "captured", tmp_path / "reviewed"
    write(folder, NOON, "a", line(record(png(1), (0.95, 0.01))) + b"\n")
    (labels / "motorcycle").mkdir(parents=True)
    (labels / "motorcycle" / f"{digest_of(png(1))}.png").write_bytes(png(1))

    answer = command("report", "--from", folder, "--labels", labels, "--json")

    reviewed = answer.json_lines()[0]["accuracy"]["passed"]["reviewed"]
    assert (reviewed["right"], reviewed["n"]) == (0, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "/nowhere/at/all"], "does not exist"),
        (["--from", ""], "names nothing"),
        (["--last", "soon"], "no length of time"),
        (["--last", "0h"], "no length of time"),
        (["--last", "1h", "--since", "2026-01-01"], "neither --since"),
        (["--since", "yesterday"], "is no time"),
        (["--since", "2026-01-02", "--until", "2026-01-01"], "not before"),
        (["--out", "report.pdf"], "cannot be the page"),
        (["--threshold", "2"], "--threshold"),
        (["--baseline", "/nowhere.json"], "cannot be read"),
        (["--labels", "/nowhere"], "no folder"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    command: Command, folder: Path, arguments: list[str], said: str
) -> None:
    """No traceback, whatever was typed."""
    where = [] if "--from" in arguments else ["--from", str(folder)]

    answer = command("report", *where, *arguments)

    assert answer.code in (1, 2)
    assert said in " ".join(answer.err.split())
    assert "Traceback" not in answer.err


def test_the_page_does_not_go_among_the_captured_files(command: Command, folder: Path) -> None:
    """There the next report would read it as captured data."""
    answer = command("report", "--from", folder, "--out", folder / "report.html")

    assert answer.code == 2
    assert "among the captured files" in " ".join(answer.err.split())
    assert not (folder / "report.json").exists()


def test_without_files_it_is_the_applications_own_endpoint_which_must_be_there(command: Command) -> None:
    """With neither --from nor a local AWS, the error says how to get one."""
    answer = command("report")

    assert answer.code == 1
    assert "local AWS is not running" in answer.err


def test_captured_files_in_s3_are_read_with_ones_own_credentials(
    command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no stack named and no local AWS, the SDK's own credentials and region count."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=CAPTURED)
        for path in folder.rglob("*.jsonl"):
            s3.put_object(Bucket=CAPTURED, Key=f"some/{path.relative_to(folder)}", Body=path.read_bytes())

        answer = command("report", "--from", f"s3://{CAPTURED}/some/", "--json")

    assert answer.code == 0, answer.err
    assert answer.json_lines()[0]["records_read"] == 21


class Deployed:
    """An application whose parameters and endpoint are described as CloudFormation and SageMaker do.

    moto knows no stack that it did not make, and no data capture; both are answered here, all else by moto.
    """

    def __init__(self, target: Target, capture: dict[str, Any] | None) -> None:
        self._target, self._capture = target, capture
        self.stack, self.output, self.results = target.stack, target.output, target.results
        self.write_captures = target.write_captures

    def client(self, service: str) -> Any:
        return self if service in ("cloudformation", "sagemaker") else self._target.client(service)

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        parameters = {"EndpointName": ENDPOINT, "ConfidenceThreshold": "0.8"}
        return {
            "Stacks": [
                {
                    "StackName": StackName,
                    "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
                }
            ]
        }

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        return {"EndpointName": EndpointName, **({"DataCaptureConfig": self._capture} if self._capture else {})}


def test_the_own_endpoint_brings_threshold_labels_latency_and_model_version(
    deployed: Target, called: Called, tmp_path: Path
) -> None:
    """Captures, reviewed pictures and recorded outcomes of one application come together without being named."""
    s3 = deployed.client("s3")
    s3.create_bucket(Bucket=CAPTURED, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    body = line(record(png(1), (0.95, 0.01))) + b"\n" + line(record(png(2), (0.5, 0.3))) + b"\n"
    s3.put_object(Bucket=CAPTURED, Key=f"capture/{key(NOON, 'a', ENDPOINT)}", Body=body)
    s3.put_object(Bucket=CAPTURED, Key=f"capture/{key(NOON, 'b', 'another')}", Body=body)
    s3.put_object(Bucket=deployed.output("BucketName"), Key=key_of("bicycle", digest_of(png(1))), Body=png(1))
    times = {"uploaded_at": "12:00:00", "started_at": "12:00:01.500", "recorded_at": "12:00:03.500"}
    moments: dict[str, Any] = {name: {"S": f"2026-11-20T{time}Z"} for name, time in times.items()}
    put_record(deployed, "uploads/a.jpg", "v1", **moments, model_version={"S": "m1"})
    put_record(deployed, "uploads/old.jpg", "v1", recorded_at={"S": "2026-10-01T00:00:00Z"})
    years_ago = {"uploaded_at": {"S": "2019-01-01T00:00:00Z"}, "recorded_at": moments["recorded_at"]}
    run = {"S": "arn:aws:states:eu-central-1:123456789012:execution:classify:backfill-0a"}
    put_record(deployed, "2019/a.jpg", "null", **years_ago, execution=run)
    put_record(deployed, "uploads/none.jpg", "v1", "REJECTED", recorded_at=moments["recorded_at"])
    place = Deployed(deployed, {"DestinationS3Uri": f"s3://{CAPTURED}/capture"})

    answer = called(
        lambda: commands.command(captures=SINCE, application=known(place), out=tmp_path / "own.html", as_json=True)
    )

    assert answer.code == 0
    figures = answer.json_lines()[0]
    assert (figures["records_read"], figures["threshold"]) == (2, 0.8)
    assert figures["accuracy"]["passed"]["reviewed"]["right"] == 1
    assert figures["latency"]["upload_to_record"] == {"n": 1, "p50": 3.5, "p95": 3.5, "p99": 3.5}
    assert figures["latency"]["start_to_record"]["p50"] == 2
    assert figures["model_versions"] == {"m1": 1}
    assert figures["refused"] == {"SOME_REASON": 1}
    assert "1 <code>SOME_REASON</code>" in (tmp_path / "own.html").read_text()
    assert "How long it takes" in (tmp_path / "own.html").read_text()


def test_a_baseline_of_an_earlier_release_does_not_keep_the_report_from_being_made(
    deployed: Target, called: Called
) -> None:
    """It is not compared with, and the report says by name what is wrong with it and how to put a new one in place."""
    s3 = deployed.client("s3")
    s3.create_bucket(Bucket=CAPTURED, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_object(Bucket=CAPTURED, Key=f"capture/{key(NOON, 'a', ENDPOINT)}", Body=line(record(png(1), (0.95, 0.01))))
    s3.put_object(Bucket=CAPTURED, Key=baseline_key(ENDPOINT), Body=b'{"format": 1}')
    place = Deployed(deployed, {"DestinationS3Uri": f"s3://{CAPTURED}/capture"})

    answer = called(lambda: commands.command(captures=SINCE, application=known(place), as_json=True))

    assert answer.code == 0
    figures = answer.json_lines()[0]
    assert figures["drift"] is None
    assert "made by an earlier release" in figures["drift_why"]
    assert "vehiclevision monitor deploy --baseline" in figures["drift_why"]


def test_an_endpoint_that_captures_nothing_is_said_to(deployed: Target) -> None:
    """There is nothing to read, and the hint says how to change that."""
    with pytest.raises(SourceError, match="captures nothing"):
        commands.command(captures=Captures(), application=known(Deployed(deployed, None)), as_json=True)


def test_ctrl_c_ends_with_a_sentence(folder: Path, called: Called, tmp_path: Path) -> None:
    """Nothing half written stays behind."""

    class Impatient(Application):
        def s3(self) -> Any:
            raise KeyboardInterrupt

    out = tmp_path / "page.html"

    answer = called(
        lambda: commands.command(captures=Captures(), application=Impatient(), source="s3://bucket/prefix", out=out)
    )

    assert answer.code == 130
    assert answer.err == "Stopped. Nothing was written.\n"
    assert not out.exists()


@pytest.mark.parametrize(
    ("last", "length"), [("90m", timedelta(minutes=90)), ("24h", timedelta(days=1)), ("2w", timedelta(weeks=2))]
)
def test_the_last_hours_end_now(last: str, length: timedelta) -> None:
    """--last counts back from now."""
    assert ends(None, None, last, NOON) == (NOON - length, NOON)


def test_times_are_utc_and_years_stay_sane() -> None:
    """A time without a zone is UTC; one beyond all records is cut, not an error of our own."""
    assert ends("2026-11-20T13:00+01:00", "9999-12-31", None, NOON) == (NOON, datetime(2100, 1, 1, tzinfo=UTC))
