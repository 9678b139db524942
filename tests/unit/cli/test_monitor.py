"""The `monitor` commands: what is put where before a deployment, what SAM is told, and words for what goes wrong."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from cli import checks
from cli.commands.monitor import deploy
from cli.display import tell
from cli.errors import CommandError
from cli.sam import Deployer
from local.deploy import MONITORING, RETRAINING
from monitoring import check, watched
from monitoring.last_check import last_check
from tests.unit.cli.answers import Command
from tests.unit.monitoring.drawn_columns import baseline

BUCKET, KEY = "captures", check.baseline_key("vehiclevision")


class Stacks:
    """CloudFormation, as far as it is asked."""

    def __init__(self, parameters: dict[str, str] | None = None, **stacks: dict[str, str]) -> None:
        self.parameters = parameters or {}
        self.stacks = stacks

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - the service's own spelling
        if StackName not in self.stacks:
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "no stack"}}, "DescribeStacks")
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in self.stacks[StackName].items()]
        parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in self.parameters.items()]
        described = {"StackName": StackName, "StackId": StackName, "StackStatus": "CREATE_COMPLETE"}
        return {"Stacks": [{**described, "Outputs": outputs, "Parameters": parameters}]}


class Endpoints:
    """SageMaker with at most one endpoint."""

    def __init__(self, capture: dict[str, Any] | None = None, missing: bool = False) -> None:
        self.capture, self.missing = capture, missing

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:  # noqa: N803
        if self.missing:
            raise ClientError({"Error": {"Code": "ValidationException", "Message": "none"}}, "DescribeEndpoint")
        return {"EndpointName": EndpointName, **({"DataCaptureConfig": self.capture} if self.capture else {})}


@dataclass
class Application:
    """A deployed application with the clients that it is given."""

    clients: dict[str, Any] = field(default_factory=dict)
    stack: str = "bikes"
    region: str = "eu-central-1"
    options: str = " --stack bikes --region eu-central-1"
    is_local: bool = False

    def beside(self, room: str) -> str:
        return f"{self.stack}-{room}"

    def client(self, service: str) -> Any:
        return self.clients[service]

    def write_captures(self) -> None:
        """It is in AWS, which writes them by itself."""


class Sagemakers:
    """SageMaker's side, as far as its bucket is asked for."""

    class site:  # noqa: N801
        """Its names."""

        bucket = "bikes-sagemaker-1-eu"

        @staticmethod
        def s3(key: str) -> str:
            return f"s3://bikes-sagemaker-1-eu/{key}"


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client


def stored(s3: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read())
    return found


def written(path: Path, version: str, made_from: str = "a draw") -> Path:
    fields = json.loads(baseline(100).as_json())
    path.write_text(json.dumps({**fields, "model_version": version, "made_from": made_from}))
    return path


def put(s3: Any, shipped: Path, given: Path | None = None) -> str:
    return watched.put_baseline(s3, BUCKET, "vehiclevision", given, shipped=shipped, tell=lambda _: None)


def test_the_first_baseline_is_put_in_place(s3: Any, tmp_path: Path) -> None:
    """Where there is none, the named one goes there, and its model is told."""
    version = put(s3, tmp_path / "none.json", written(tmp_path / "b.json", "m1"))

    assert version == stored(s3)["model_version"] == "m1"


def test_a_retrained_model_keeps_its_baseline(s3: Any, tmp_path: Path) -> None:
    """Deploying again does not put the shipped model's baseline in the place of that of the model which is served."""
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=written(tmp_path / "retrained.json", "m7").read_bytes())
    shipped = written(tmp_path / "shipped.json", "m1")

    version = put(s3, shipped)

    assert version == stored(s3)["model_version"] == "m7"


def test_a_newer_baseline_of_the_same_model_is_taken(s3: Any, tmp_path: Path) -> None:
    """A release may ship a better baseline of the same model."""
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=written(tmp_path / "old.json", "m1", "old").read_bytes())
    shipped = written(tmp_path / "new.json", "m1", "new")

    put(s3, shipped)

    assert stored(s3)["made_from"] == "new"


def test_a_damaged_baseline_is_replaced(s3: Any, tmp_path: Path) -> None:
    """What cannot be used does not stay in the way."""
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"{}")
    shipped = written(tmp_path / "shipped.json", "m1")

    assert put(s3, shipped) == "m1"


@pytest.mark.parametrize(
    ("endpoints", "expected"),
    [
        (
            Endpoints({"EnableCapture": True, "DestinationS3Uri": "s3://mine/a/b/", "InitialSamplingPercentage": 5}),
            ("mine", "a/b", "5"),
        ),
        (Endpoints(missing=True), ("bikes-sagemaker-1-eu", "capture", "100")),
        (Endpoints(), ("bikes-sagemaker-1-eu", "capture", "100")),
    ],
)
def test_the_endpoint_says_where_it_captures(endpoints: Endpoints, expected: tuple[str, str, str]) -> None:
    """Without an endpoint, or without capture, it is where `sagemaker deploy` would have it capture."""
    found = deploy.captures_of(Application({"sagemaker": endpoints}), Sagemakers(), {"EndpointName": "bikes"})  # type: ignore[arg-type]

    assert found == expected


def test_the_join_goes_on_as_often_as_the_application_is_watched() -> None:
    """Once a day where that is lean; where it no longer is, as at first; what somebody chose stays."""
    lean = {"JoinSchedule": "rate(1 day)", "HoursWithoutJoin": "26"}

    assert deploy.as_often("lean", {}) == lean
    assert deploy.as_often("full", {}) == {}
    assert deploy.as_often("full", lean) == {"JoinSchedule": "rate(1 hour)", "HoursWithoutJoin": "4"}
    assert deploy.as_often("full", {**lean, "JoinSchedule": "rate(2 hours)"}) == {"HoursWithoutJoin": "4"}


def test_a_whole_bucket_is_refused() -> None:
    """The roles are held to a folder."""
    endpoints = Endpoints({"EnableCapture": True, "DestinationS3Uri": "s3://mine"})

    with pytest.raises(CommandError, match="whole bucket"):
        deploy.captures_of(Application({"sagemaker": endpoints}), Sagemakers(), {"EndpointName": "bikes"})  # type: ignore[arg-type]


def test_sam_is_told_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In AWS it is `sam build`, then `sam deploy`, in monitoring's own folder; what is empty is left out."""
    sam, log = tmp_path / "sam", tmp_path / "log"
    sam.write_text(f'#!/bin/sh\necho "$PWD $*" >> {log}\n')
    sam.chmod(0o755)
    monkeypatch.setenv("VEHICLEVISION_SAM", str(sam))
    stacks = Stacks(**{"bikes-monitoring": {"CheckDriftFunctionName": "check"}})
    parameters = {"PythonRuntime": "python3.13", "Architecture": "arm64", "EndpointName": "bikes", "KmsKeyArn": ""}

    application = Application({"cloudformation": stacks})
    deployer = Deployer(application, "work", yes=True, quiet=True)  # type: ignore[arg-type]

    outputs = deployer.deploy(MONITORING, "bikes-monitoring", parameters)

    built, deployed = log.read_text().splitlines()
    folder, *words = built.split()
    assert (Path(folder).name, words) == (
        "monitoring",
        ["build", "--parameter-overrides", "PythonRuntime=python3.13", "Architecture=arm64"],
    )
    assert (
        "deploy --stack-name bikes-monitoring --region eu-central-1 --profile work --no-confirm-changeset" in deployed
    )
    assert deployed.endswith('PythonRuntime="python3.13" Architecture="arm64" EndpointName="bikes"')
    assert outputs == {"CheckDriftFunctionName": "check"}


def test_a_sam_that_fails_ends_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked of a stack that was not deployed."""
    sam = tmp_path / "sam"
    sam.write_text("#!/bin/sh\nexit 1\n")
    sam.chmod(0o755)
    parameters = {"PythonRuntime": "python3.13", "Architecture": "arm64"}
    monkeypatch.setenv("VEHICLEVISION_SAM", str(sam))

    with pytest.raises(CommandError, match="`sam build` failed"):
        Deployer(Application(), yes=True, quiet=True).deploy(RETRAINING, "bikes-retraining", parameters)  # type: ignore[arg-type]


def test_without_a_stack_the_way_to_one_is_told() -> None:
    """The hint names the same stack."""
    with pytest.raises(CommandError, match="Monitoring of bikes is not deployed") as caught:
        checks.function_of(Application({"cloudformation": Stacks()}))  # type: ignore[arg-type]

    assert caught.value.hint.endswith("monitor deploy --stack bikes --region eu-central-1")


def test_the_last_check_is_found(s3: Any) -> None:
    """The newest hour of the newest day, past folders that are no dates."""
    for hour, words in (("2026/11/09/23", "older"), ("2026/11/20/05", "newest"), ("2026/02/28/22", "oldest")):
        check.put_json(s3, BUCKET, f"monitoring/vehiclevision/{hour}/check.json", {"words": words})
    check.put_json(s3, BUCKET, "monitoring/vehiclevision/model-monitor/constraints.json", {})
    check.put_json(s3, BUCKET, KEY, {})

    assert last_check(s3, BUCKET, "vehiclevision") == {"words": "newest"}
    assert last_check(s3, BUCKET, "another") is None


@pytest.mark.parametrize("text", ["AlarmRate", "=0.1", "Alarm Rate=1", "--AlarmRate=1", ""])
def test_a_parameter_that_is_none_is_refused(text: str) -> None:
    """It says how to write one."""
    with pytest.raises(CommandError, match="is no parameter"):
        deploy.given_to_all([text])


def test_parameters_may_hold_anything_behind_the_sign() -> None:
    """Schedules have spaces, brackets and question marks."""
    given = deploy.given_to_all(["Schedule=cron(15 3 * * ? *)", "TrainingSource=b=c"])

    assert given == {"Schedule": "cron(15 3 * * ? *)", "TrainingSource": "b=c"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("LeastNewLabel=5", "There is no parameter LeastNewLabel."),
        ("SureShare=0.1", "SureShare is no parameter any more"),
    ],
)
def test_a_parameter_that_no_template_has_is_refused(text: str, says: str) -> None:
    """Neither a slip of the pen nor a parameter of an earlier release is dropped in silence."""
    with pytest.raises(CommandError, match=says):
        deploy.given_to_all([text])


class Executions:
    """Step Functions, as far as it is asked."""

    def __init__(self, *running: str) -> None:
        self.running = running

    def list_executions(self, **_: Any) -> dict[str, Any]:
        return {"executions": [{"executionArn": arn} for arn in self.running]}


def earlier_release(*running: str) -> Application:
    """An application whose monitoring holds retraining too, as releases before had it."""
    parameters = {"LeastNewLabels": "250", "SureShare": "0.05", "WindowHours": "12"}
    outputs = {"CheckDriftFunctionName": "check", "RetrainModelStateMachineArn": "arn:retrain"}
    stacks = Stacks(parameters, **{"bikes-monitoring": outputs})
    return Application({"cloudformation": stacks, "stepfunctions": Executions(*running)})


def test_what_an_earlier_release_was_given_moves_with_retraining() -> None:
    """Of the parameters of the stack that held both, retraining keeps its own."""
    assert deploy.given_before(earlier_release()) == {"LeastNewLabels": "250"}  # type: ignore[arg-type]


def test_an_earlier_release_s_run_is_not_cut_off() -> None:
    """While a run waits or trains in the stack that held both, nothing is deployed."""
    with pytest.raises(CommandError, match="a run is on its way there") as caught:
        deploy.given_before(earlier_release("arn:run"))  # type: ignore[arg-type]

    assert "arn:run" in caught.value.hint


@pytest.mark.parametrize("line", [["check"], ["describe"], ["deploy"], ["remove"]])
def test_without_a_local_aws_each_command_says_so(command: Command, line: list[str]) -> None:
    """One sentence and the command that starts it, no traceback."""
    answer = command("monitor", *line)

    assert answer.code == 1
    assert "The local AWS is not running." in answer.err


def test_a_check_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """What was looked at, what changed, what is silent, and where it is written; control characters do no harm."""
    found = {
        "window": {"from": "2026-11-19T13:00:00.000Z", "to": "2026-11-20T13:00:00.000Z"},
        "records": 1200,
        "records_unreadable": 2,
        "unreadable": {"no_json\x1b[2J": 2},
        "drifted": True,
        "words": "Pictures are darker.",
        "silent": True,
        "files": 10_000,
        "files_left_out": 990_000,
        "coverage": 0.61,
        "coverage_low": 0.603,
        "coverage_high": 0.617,
        "coverage_before": 0.83,
        "announced": True,
        "report": "s3://b/r.json",
    }

    tell(False, found, *checks.told(found))

    said = capsys.readouterr().out
    for words in (
        "1,200 records",
        "DRIFT. Pictures are darker.",
        "SILENT.",
        "10,000 of 1,000,000 files",
        "61%",
        "60.3% to 61.7%",
        "83%",
        "announced",
        "s3://b/r.json",
    ):
        assert words in said
    assert "\x1b" not in said


def test_a_failing_check_is_one_sentence() -> None:
    """The function's own words, and the runbook."""

    class Lambda:
        def invoke(self, **_: Any) -> dict[str, Any]:
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(b'{"errorMessage": "There is no baseline."}')}

    class Session:
        def client(self, *_: Any, **__: Any) -> Lambda:
            return Lambda()

    target = Application()
    target.session, target.endpoint_url = Session(), None  # type: ignore[attr-defined]

    with pytest.raises(CommandError, match=r"The check failed: There is no baseline\.") as caught:
        checks.ask(target, "check")  # type: ignore[arg-type]

    assert "check-failing.md" in caught.value.hint
