"""The scheduled check on the local AWS: steady traffic, planted drift, silence, and what comes of each."""

import contextlib
import gzip
import io
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.config import Config
from PIL import Image, ImageEnhance

from cli import samples
from cli.main import main
from cli.target import DIRECTORY_VARIABLE
from monitoring.drift import baseline as baselines
from monitoring.measure import MEASURES, measure, see
from tests.unit.monitoring.capture_lines import line, record
from tests.workflow import may
from tests.workflow.driver import Application, assert_starts_alone
from vehiclevision.image_gate import normalise
from vehiclevision.record import NO_VERSION, iso

BUCKET = "vehiclevision-sagemaker-000000000000-us-east-1"
FIND_GAPS = "vehiclevision-reconciling-find-gaps"
STACK = "vehiclevision-monitoring"
NOON = datetime(2026, 1, 10, 12, tzinfo=UTC)
RECORDS = 120
DAY = timedelta(days=1)
Run = Callable[..., dict[str, Any]]
VEHICLES = [sample for sample in samples.of() if sample.label in ("bicycle", "motorcycle")]
DRAWN = [Image.open(io.BytesIO(sample.content)).convert("RGB").resize((96, 96)) for sample in VEHICLES]


def pictures(count: int, seed: int, light: float = 1.0) -> list[bytes]:
    """Drawn vehicles as the endpoint is sent them, no two alike; with less light they are darker."""
    chance = random.Random(seed)  # noqa: S311 - the same pictures in every run
    found = []
    for _ in range(count):
        image = chance.choice(DRAWN)
        for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            image = change(image).enhance(chance.uniform(0.7, 1.3))
        left, upper = (chance.uniform(0, 0.1) * side for side in image.size)
        image = ImageEnhance.Brightness(image.crop((int(left), int(upper), *image.size))).enhance(light)
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        found.append(normalise(buffer.getvalue()).jpeg)
    return found


def answers(count: int, seed: int) -> list[tuple[float, float]]:
    """Mostly sure, sometimes not."""
    chance = np.random.default_rng(seed)
    sure = chance.beta(9, 1, count)
    pairs = [(round(float(p), 4), round(float(1 - p) / 2, 4)) for p in sure]
    return [pair if chance.random() < 0.5 else (pair[1], pair[0]) for pair in pairs]


@pytest.fixture(scope="module")
def run(application: Application) -> Iterator[Run]:
    """The command, on the session's local AWS; its JSON."""
    with command_on(application) as call:
        yield call


@contextlib.contextmanager
def command_on(application: Application) -> Iterator[Run]:
    """The command, on an application's local AWS; its JSON."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DIRECTORY_VARIABLE, str(application.aws.state_dir))

        def call(*arguments: str) -> dict[str, Any]:
            told = io.StringIO()
            with pytest.MonkeyPatch.context() as inner:
                inner.setattr(sys, "stdout", told)
                code = main([*arguments, "--json"])
            assert code == 0, told.getvalue()
            found: dict[str, Any] = json.loads(told.getvalue().splitlines()[-1])
            return found

        yield call


@pytest.fixture(scope="module")
def deployed(application: Application, run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Monitoring beside the session's application; what `monitor deploy` says."""
    return deployed_by(run, tmp_path_factory.mktemp("baseline") / "baseline.json")


def deployed_by(run: Run, path: Path) -> dict[str, Any]:
    """Monitoring beside the application, with a baseline of drawn pictures; what `monitor deploy` says."""
    measured = measure([found for picture in pictures(350, 1) if (found := see(picture))])
    given = np.array(answers(350, 1))
    columns = {**{name: measured[name] for name in MEASURES}, "confidence": given.max(axis=1)}
    both = {"bicycle": given[:, 0], "motorcycle": given[:, 1]}
    baselines.compose(
        columns, both, threshold=0.8, model_version="drawn", made_from="drawn pictures", made_at="2026-01-01"
    ).save(path)
    return run("monitor", "deploy", "--baseline", str(path))


def capture(
    application: Application, at: datetime, shown: list[bytes], seed: int, *, extra: bytes = b"", surest: float = 1.0
) -> None:
    """A file as SageMaker would have written it in that hour."""
    given = [(min(first, surest), min(second, surest)) for first, second in answers(len(shown), seed)]
    found = [
        line(record(picture, answer, at + timedelta(seconds=number), content_type="image/jpeg"))
        for number, (picture, answer) in enumerate(zip(shown, given, strict=True))
    ]
    key = f"capture/vehiclevision/AllTraffic/{at:%Y/%m/%d/%H}/00-00-000-{seed}.jsonl"
    application.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"\n".join([*found, extra]))


def check(application: Application, deployed: dict[str, Any], until: datetime) -> dict[str, Any]:
    """One check of the hour before, as the schedule would ask for it."""
    return invoked(application, deployed["outputs"]["CheckDriftFunctionName"], {"to": until.isoformat(), "hours": 1})


def invoked(application: Application, function: str, event: dict[str, Any]) -> dict[str, Any]:
    """What a function answers, called once, however long it takes."""
    values = application.aws.environment()
    session = boto3.session.Session(
        values["AWS_ACCESS_KEY_ID"], values["AWS_SECRET_ACCESS_KEY"], region_name=values["AWS_REGION"]
    )
    config = Config(read_timeout=120, retries={"total_max_attempts": 1})
    client = session.client("lambda", endpoint_url=values["AWS_ENDPOINT_URL"], config=config)
    answer = client.invoke(FunctionName=function, Payload=json.dumps(event).encode())
    found: dict[str, Any] = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, json.dumps(found)
    return found


def states(run: Run) -> dict[str, str]:
    alarms: dict[str, str] = run("monitor", "describe")["alarms"]
    return {name.removeprefix(f"{STACK}-"): state for name, state in alarms.items()}


def written(application: Application, report: str, name: str) -> dict[str, Any]:
    key = report.removeprefix(f"s3://{BUCKET}/").rsplit("/", 1)[0] + f"/{name}"
    found: dict[str, Any] = json.loads(application.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read())
    return found


def drifts(application: Application) -> list[dict[str, Any]]:
    """The DriftDetected events heard on the bus so far."""
    application._listen(1)
    return [event["detail"] for event in application.heard if event["detail-type"] == "DriftDetected"]


def test_it_is_deployed_beside_the_application(deployed: dict[str, Any], run: Run) -> None:
    """One command deploys the check, fills in its parameters, and makes the first check."""
    described = run("monitor", "describe")

    assert deployed["baseline"] == described["baseline"] == "drawn"
    assert described["captures"] == f"s3://{BUCKET}/capture/vehiclevision/"
    assert described["alarms"][f"{STACK}-check-failing"] == "OK"
    assert (described["window_hours"], described["alarm_rate"]) == (24, 0.01)


def test_the_default_endpoint_is_captured_and_checked(
    application: Application, deployed: dict[str, Any], run: Run
) -> None:
    """A photo that was just classified is in the next check: nobody has to deploy a model first."""
    before = run("monitor", "check", "--hours", "1")

    application.outcome("uploads/for the check.png", VEHICLES[0].content)
    after = run("monitor", "check", "--hours", "1")

    assert after["records"] > before["records"]
    assert after["records_unreadable"] == 0


def test_steady_traffic_is_fine(application: Application, deployed: dict[str, Any], run: Run) -> None:
    """No drift, nothing announced, files without a violation; what cannot be read is counted, not skipped."""
    capture(application, NOON, pictures(RECORDS, 2), 2, extra=b"no capture record")

    found = check(application, deployed, NOON + timedelta(hours=1))

    assert (found["records"], found["records_unreadable"]) == (RECORDS, 1)
    assert (found["drifted"], found["silent"], found["announced"]) == (False, False, False)
    assert written(application, found["report"], "constraint_violations.json") == {"violations": []}
    statistics = written(application, found["report"], "statistics.json")
    assert statistics["dataset"]["item_count"] == RECORDS
    assert {feature["name"] for feature in statistics["features"]} == {*MEASURES, "confidence", "label"}


def test_planted_drift_alarms_and_is_announced_once(
    application: Application, deployed: dict[str, Any], run: Run
) -> None:
    """Darker pictures: named in words, in the violations, on the bus once, and the alarm writes to the topic."""
    # Whatever checks of other tests' uploads have found.
    application.client("cloudwatch").set_alarm_state(AlarmName=f"{STACK}-drift", StateValue="OK", StateReason="anew")
    topic, sqs = application.outputs["AlarmTopicArn"], application.client("sqs")
    queue = sqs.create_queue(QueueName="alarms")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    application.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    at = NOON + DAY
    capture(application, at, pictures(RECORDS, 3, light=0.75), 3)

    found = check(application, deployed, at + timedelta(hours=1))
    again = check(application, deployed, at + timedelta(hours=1))

    assert (found["drifted"], found["announced"], again["announced"]) == (True, True, False)
    assert "Pictures are darker" in found["words"]
    assert states(run)["drift"] == "ALARM"
    violations = written(application, found["report"], "constraint_violations.json")["violations"]
    assert "brightness" in {violation["feature_name"] for violation in violations}
    # Checks of what other tests uploaded may have found drift, too.
    window = {"from": "2026-01-11T12:00:00.000Z", "to": "2026-01-11T13:00:00.000Z"}
    (event,) = [event for event in drifts(application) if event["window"] == window]
    assert (event["endpoint"], event["n"]) == ("vehiclevision", RECORDS)
    assert "brightness" in {change["name"] for change in event["changed"]}
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=5)["Messages"]
    told = [json.loads(json.loads(message["Body"])["Message"]) for message in messages]
    assert (f"{STACK}-drift", "ALARM") in [(one["AlarmName"], one["NewStateValue"]) for one in told]


def test_photos_without_captures_are_silence(application: Application, deployed: dict[str, Any], run: Run) -> None:
    """Classified photos and no captured request: the capture is silent. Neither of both: a quiet night, no alarm."""
    table, at = application.client("dynamodb"), NOON + 2 * DAY
    quiet = check(application, deployed, at + timedelta(hours=1))

    for number in range(20):
        moment = f"{at + timedelta(minutes=number):%Y-%m-%dT%H:%M:%S}.000Z"
        item = {"object": f"silent/{number}", "version_id": "none", "outcome": "CLASSIFIED", "recorded_at": moment}
        table.put_item(
            TableName=application.outputs["ResultsTableName"], Item={key: {"S": value} for key, value in item.items()}
        )
    silent = check(application, deployed, at + timedelta(hours=1))

    assert (quiet["silent"], quiet["drifted"], quiet["records"]) == (False, False, 0)
    assert (silent["silent"], silent["uncaptured"]) == (True, 20)
    assert states(run)["silent-capture"] == "ALARM"


def test_a_check_that_fails_says_so(application: Application, deployed: dict[str, Any], run: Run) -> None:
    """A baseline that is none stops the check by name; with the right one back, it works again."""
    s3, key = application.client("s3"), "monitoring/vehiclevision/baseline.json"
    good = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    s3.put_object(Bucket=BUCKET, Key=key, Body=gzip.compress(good))

    with pytest.raises(AssertionError, match="BaselineError"):
        check(application, deployed, NOON + timedelta(hours=1))

    s3.put_object(Bucket=BUCKET, Key=key, Body=good)
    assert check(application, deployed, NOON + timedelta(hours=1))["records"] == RECORDS


def test_the_schedule_asks_for_checks(application: Application, deployed: dict[str, Any]) -> None:
    """The schedule is on, calls the function, and is tried again when that fails."""
    found = application.client("scheduler").get_schedule(Name=f"{STACK}-check-drift")

    assert (found["State"], found["ScheduleExpression"]) == ("ENABLED", "cron(15 3 * * ? *)")
    assert found["Target"]["Arn"].endswith(f":function:{STACK}-check-drift")
    assert found["Target"]["RetryPolicy"]["MaximumRetryAttempts"] == 10


def test_the_join_names_a_gap_until_it_is_closed(application: Application, deployed: dict[str, Any]) -> None:
    """What the schedule asks for, with its own role: it goes on where it ended, counts what is open, and forgets it."""
    results, table = application.client("dynamodb"), application.outputs["ResultsTableName"]

    def record_of(key: str, version: str, outcome: str, hours_ago: int) -> dict[str, Any]:
        at = iso(datetime.now(UTC) - timedelta(hours=hours_ago))
        names = {"s3_bucket": application.bucket, "s3_key": key, "outcome": outcome, "recorded_at": at}
        fields = {"object": f"{application.bucket}/{key}", "version_id": version, **names}
        results.put_item(TableName=table, Item={name: {"S": value} for name, value in fields.items()})
        return {name: {"S": fields[name]} for name in ("object", "version_id")}

    photo = record_of("uploads/lost.jpg", "1", "FAILED", 2)
    # A run that could not learn which version it was about, until a later one comes to its end.
    record_of("uploads/unnamed.jpg", NO_VERSION, "FAILED", 2)
    found, again = (joined(application, deployed) for _ in range(2))
    results.delete_item(TableName=table, Key=photo)
    record_of("uploads/unnamed.jpg", "2", "REJECTED", 1)
    closed = joined(application, deployed)

    assert found["gaps"] == again["gaps"] == closed["gaps"] + 2
    assert found["joined_until"] < again["joined_until"] < closed["joined_until"]
    (log,) = [each for each in application.logs(f"/aws/lambda/{FIND_GAPS}") if '"joined"' in each][:1]
    assert "FAILED uploads/lost.jpg 1" in log


def test_what_is_not_granted_is_refused(application: Application, deployed: dict[str, Any]) -> None:
    """Check and join are held to their roles: without a grant each fails, and says so."""
    outputs = deployed["outputs"]

    with application.without("CheckDriftRole", "s3:ListBucket"):
        unlisted = application.failure(outputs["CheckDriftFunctionName"], {"to": NOON.isoformat(), "hours": 1})
    with application.without("FindGapsRole", "s3:ListBucketVersions"):
        unjoined = application.failure(outputs["FindGapsFunctionName"], {})

    assert unlisted.startswith("SourceError: ")
    assert "cannot be listed: AccessDenied" in unlisted
    assert "is not authorized to perform: s3:ListBucketVersions" in unjoined


def joined(application: Application, deployed: dict[str, Any]) -> dict[str, Any]:
    return invoked(application, deployed["outputs"]["FindGapsFunctionName"], {})


def test_it_can_be_removed_and_comes_back(application: Application, deployed: dict[str, Any], run: Run) -> None:
    """Removing takes the stacks away and leaves what was captured; asking for a check then says what to do."""
    may.note(application.client)

    removed = run("monitor", "remove")
    listed = application.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="capture/vehiclevision/")

    beside = {"vehiclevision-reconciling": True, "vehiclevision-retraining": True}
    assert removed == {"stack": STACK, "removed": True, "stacks": {**beside, STACK: True}}
    assert listed["KeyCount"] > 0
    with pytest.raises(AssertionError):
        run("monitor", "check")


# ---- the artefact as AWS gets it -------------------------------------------------------------------------------------

MAX_UNZIPPED_BYTES = 262_144_000
RETRAINING = {
    **dict.fromkeys(("LEAST_NEW_LABELS", "LEAST_HELD_OUT", "COOL_DOWN_HOURS", "RUNS_A_MONTH"), "1"),
    **dict.fromkeys(("DOLLARS_A_MONTH", "DOLLARS_AN_HOUR"), "1"),
    **dict.fromkeys(("APPLICATION", "ACCOUNT_ID", "PARTITION", "KMS_KEY_ARN", "UPLOAD_BUCKET_NAME"), "x"),
    **dict.fromkeys(("TRAINING_DATA", "TRAINING_DATA_HASH", "TRAINING_SOURCE", "TRAINING_IMAGE"), "x"),
    **dict.fromkeys(("TRAINING_INSTANCE_TYPE", "QUICK_TRAINING", "CHAMPION_MODEL", "SERVING_IMAGE"), "x"),
    "WATCHED_ALARMS": "x",
    "AWS_REGION": "us-east-1",
}
ARTEFACTS = {
    "monitoring": "CheckDriftFunction",
    "retraining": "StageDataFunction",
    "reconciling": "FindGapsFunction",
}
ROOMS = {"check_drift": "monitoring", "find_gaps": "reconciling"}
HANDLERS = {
    "check_drift": {
        "CAPTURE_BUCKET": "bucket",
        "CAPTURE_PREFIX": "capture",
        "RESULTS_TABLE": "table",
        "EVENT_BUS": "bus",
        "WINDOW_HOURS": "24",
        "ALARM_RATE": "0.01",
        "CAPTURE_PERCENT": "100",
    },
    "find_gaps": dict.fromkeys(("UPLOAD_BUCKET", "RESULTS_TABLE", "LEDGER_TABLE"), "x"),
    "stage_data": RETRAINING,
    "register_challenger": RETRAINING,
}


@pytest.fixture(scope="module")
def artefacts(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What `sam build` makes of each room's lambda/, with all its packages, for this machine's Python."""
    build = tmp_path_factory.mktemp("artefacts")
    return {room: _built(root, root / room, function, build / room) for room, function in ARTEFACTS.items()}


def _built(root: Path, room: Path, function: str, build: Path) -> Path:
    if sys.platform != "linux":
        pytest.skip("sam build fetches Linux wheels, which this system cannot import")
    sam = root / ".venv-sam" / "bin" / "sam"
    if not sam.exists():
        pytest.skip("the SAM CLI is not installed here: make setup")
    version = f"PythonRuntime=python{sys.version_info.major}.{sys.version_info.minor}"
    cache = ["--cached", "--cache-dir", str(room / ".aws-sam" / "cache")]
    arguments = [function, "--build-dir", str(build), *cache, "--parameter-overrides", version]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0", "PATH": path}
    made = subprocess.run(
        [sam, "build", *arguments], cwd=room, env=environment, capture_output=True, text=True, check=False, timeout=280
    )
    assert made.returncode == 0, made.stderr
    return build / function


@pytest.mark.soak
def test_the_artefact_fits_into_lambda(artefacts: dict[str, Path]) -> None:
    """Unzipped it stays below Lambda's 250 MiB, with room for a release of numpy or scipy that is larger."""
    size = sum(path.stat().st_size for path in artefacts["monitoring"].rglob("*") if path.is_file())

    assert size < 0.95 * MAX_UNZIPPED_BYTES, f"{size:,} bytes"


@pytest.mark.soak
@pytest.mark.parametrize("name", HANDLERS)
def test_the_built_handler_starts_in_a_clean_interpreter(artefacts: dict[str, Path], name: str) -> None:
    """What SAM built holds all that the handler imports: nothing comes from this checkout or its environment."""
    settings = {"ENDPOINT_NAME": "vehiclevision", "CONFIDENCE_THRESHOLD": "0.856", **HANDLERS[name]}

    assert_starts_alone(artefacts[ROOMS.get(name, "retraining")], name, settings)


@pytest.mark.parametrize("name", HANDLERS)
def test_a_handler_needs_no_package_but_those_that_its_room_names(root: Path, tmp_path: Path, name: str) -> None:
    """It starts in an interpreter that has the room's own files and its locked packages, and nothing else."""
    settings = {"ENDPOINT_NAME": "vehiclevision", "CONFIDENCE_THRESHOLD": "0.856", **HANDLERS[name]}
    room = root / ROOMS.get(name, "retraining") / "lambda"
    locked = re.findall(r"^([\w.-]+)==", (room / "requirements.txt").read_text(), re.MULTILINE)
    installed = {each.name.lower().replace("_", "-"): each for each in metadata.distributions()}
    parts = {
        path.parts[0]: Path(str(each.locate_file(path.parts[0])))
        for each in (installed[package] for package in locked if package in installed)
        for path in each.files or ()
    }

    for part, path in {**parts, **{path.name: path for path in room.iterdir()}}.items():
        if path.exists() and part != "..":
            (tmp_path / part).symlink_to(path)

    assert_starts_alone(tmp_path, name, settings)
