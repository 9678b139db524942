"""Retraining on the local AWS: held back, better, worse, approved, refused, taken back. Real models, real comparisons.

Only the training itself is left out, which takes hours: the job hands out a model that was made beforehand.
"""

import contextlib
import hashlib
import io
import json
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cli.main import main
from cli.target import local_target
from console.deployed import desk_of
from lifecycle import source
from lifecycle.prices import Price
from lifecycle.site import Aws, Site
from local import deploy, stack
from monitoring import labels
from monitoring.review import decide, waiting
from retraining import parameters
from tests.unit.serving.tiny_model import ONNX, manifest, packed
from tests.workflow import may, taken
from tests.workflow.driver import Application, started
from vehiclevision.labels import TRUTHS

HERE = Path(__file__).parent
CLASSES = ("bicycle", "motorcycle", "house")
DRIFTED = ("bicycle", "motorcycle")
THRESHOLD = 0.856
FREE = Price(None, "the local AWS")
ERRORS_ALARM = "vehiclevision-endpoint-errors"

# Of the tiny model, to which bright pictures are bicycles and dark ones motorcycles: how sure it is at most.
SUREST = struct.pack("<f", 0.95)


def model(folder: Path, version: str, onnx: bytes) -> Path:
    """An artefact with figures, as training writes them."""
    path = folder / f"{version}.tar.gz"
    metrics = {"validation": {"accuracy": 0.9, "coverage": 0.8}}
    details = {"version": version, "threshold": THRESHOLD, "metrics": metrics, "data_hash": "ab" * 32}
    path.write_bytes(packed([("manifest.json", manifest(onnx, **details)), ("model.onnx", onnx)]))
    return path


def unsure() -> bytes:
    """Right, and never sure enough."""
    assert ONNX.count(SUREST) == 1
    return ONNX.replace(SUREST, struct.pack("<f", 0.8))


def swapped() -> bytes:
    """Sure, and wrong: the two labels change places."""
    inputs = b"\x0a\x02a1\x0a\x02b1"
    assert ONNX.count(inputs) == 1
    return ONNX.replace(inputs, b"\x0a\x02b1\x0a\x02a1")


def picture(kind: str, number: int, warmth: int = 0) -> bytes:
    """Bright, dark or grey noise as the endpoint is sent it: a bicycle, a motorcycle, or neither."""
    middle = {"bicycle": 235, "motorcycle": 20, "house": 128, "neither": 128}[kind]
    coarse = np.random.default_rng([middle, number]).integers(-20, 21, (8, 8, 3)) + np.array([warmth, 0, -warmth])
    pixels = (middle + coarse).repeat(4, axis=0).repeat(4, axis=1).clip(0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


class Retraining:
    """The two applications on a local AWS, and the commands that a person types."""

    def __init__(self, application: Application, run: Callable[..., tuple[int, dict[str, Any]]]) -> None:
        self.application = application
        self.run = run
        self.given = 0

    @property
    def outputs(self) -> Mapping[str, str]:
        return self.application.outputs

    def aws(self) -> Aws:
        return Aws(Site("vehiclevision", "0" * 12, "us-east-1"), self.application.client, lambda _: None)

    def deploy(self, application: deploy.Application, **given: str) -> None:
        """An application's own template, with a person's parameters."""
        state = self.application.aws.state_dir
        environment = self.application.aws.environment()
        self.application.outputs.update(deploy.deploy(application, state, environment, lambda _: None, given))

    def change(self, **given: str) -> None:
        """Retraining's same template with other parameters."""
        cloudformation, name = self.application.client("cloudformation"), deploy.RETRAINING.stack
        known = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["Parameters"]
        parameters = [
            {"ParameterKey": each["ParameterKey"], "ParameterValue": given[each["ParameterKey"]]}
            if each["ParameterKey"] in given
            else {"ParameterKey": each["ParameterKey"], "UsePreviousValue": True}
            for each in known
        ]
        capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
        if all(
            "UsePreviousValue" in one or one["ParameterValue"] == each["ParameterValue"]
            for one, each in zip(parameters, known, strict=True)
        ):
            return
        cloudformation.update_stack(
            StackName=name, UsePreviousTemplate=True, Parameters=parameters, Capabilities=capabilities
        )
        waiter = cloudformation.get_waiter("stack_update_complete")
        waiter.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})

    def hand_out(self, challenger: Path) -> str:
        """The training code, with a job program that comes to this model."""
        packed_source = source.archive(
            {
                **source.FILES,
                **source._modules(),
                "entry.py": HERE / "jobs" / "hand_out.py",
                "entry_of_ours.py": source.FILES["entry.py"],
                "challenger.tar.gz": challenger,
            }
        )
        key = f"code/{hashlib.sha256(packed_source).hexdigest()[:16]}/sourcedir.tar.gz"
        self.application.client("s3").put_object(Bucket=self.aws().site.bucket, Key=key, Body=packed_source)
        return self.aws().site.s3(key)

    def own_code(self) -> str:
        """The training code as it is."""
        return str(parameters.parameters(self.aws(), cost=FREE)["TrainingSource"])

    def label(self, count: int) -> None:
        """So many labels of each kind, of which so many more are held out as are drawn so."""
        s3 = self.application.client("s3")
        for kind in TRUTHS:
            for _ in range(count):
                self.given += 1
                png = picture(kind, 1000 + self.given)
                s3.put_object(Bucket=self.application.bucket, Key=labels.key_of(kind, labels.digest_of(png)), Body=png)

    def serving(self) -> str:
        """The version of the model that answers."""
        number = len(self.application.heard) + time.monotonic_ns()
        return str(
            self.application.outcome(f"uploads/{number}.png", picture("bicycle", number % 1000))["model_version"]
        )

    def heard(self, detail_type: str, execution: str = "") -> dict[str, Any]:
        """The event of this kind, of this run if one is named."""
        deadline = time.monotonic() + 60
        while True:
            self.application._listen(1)
            for event in reversed(self.application.heard):
                if event["detail-type"] == detail_type and execution in ("", event["detail"].get("execution")):
                    return dict(event["detail"])
            assert time.monotonic() < deadline, f"no {detail_type}"


@pytest.fixture(scope="module")
def retraining(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Retraining]:
    """A local AWS of its own with both applications, base data, and an endpoint that is right but never sure."""
    directory = tmp_path_factory.mktemp("retraining")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VEHICLEVISION_TRAINING_PYTHON", sys.executable)
        patch.setenv("VEHICLEVISION_SAGEMAKER_SPEED", "600")
        patch.setenv("VEHICLEVISION_DIRECTORY", str(directory))
        aws = started(directory, root)
        try:
            application = Application(aws, dict(aws.outputs()))
            yield prepared(application, tmp_path_factory.mktemp("made"))
            taken.note(application.client)
            may.note(application.client)
        finally:
            stack.stop(directory)


def prepared(application: Application, folder: Path, pictures: int = 30) -> Retraining:
    """Base data loaded, the first model deployed, monitoring and retraining deployed by the commands that one types."""

    def run(*arguments: str | Path) -> tuple[int, dict[str, Any]]:
        told, said = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(said):
            code = main([str(argument) for argument in arguments])
        lines = told.getvalue().splitlines()
        return code, json.loads(lines[-1]) if lines else {"said": said.getvalue()}

    found = Retraining(application, run)
    for kind in CLASSES:
        (folder / "pictures" / kind).mkdir(parents=True)
        for number in range(pictures):
            (folder / "pictures" / kind / f"{number}.png").write_bytes(picture(kind, number))
    for line in (
        ["data", "transform", folder / "pictures", "--out", folder / "data", "--json"],
        ["sagemaker", "register", "--model", model(folder, "unsure", unsure()), "--json"],
        ["sagemaker", "approve", "--latest", "--yes", "--json"],
        ["sagemaker", "deploy", "--latest", "--yes", "--json"],
        ["data", "load", folder / "data", "--bucket", found.aws().site.bucket, "--json"],
    ):
        code, answer = run(*line)
        assert code == 0, answer
    application.subscribe()
    outputs = application.outputs
    both = {name: outputs[name] for name in ("EventBusName", "AlarmTopicArn")}
    both["ConfidenceThreshold"] = str(THRESHOLD)
    found.deploy(
        deploy.MONITORING,
        **both,
        ResultsTableName=outputs["ResultsTableName"],
        CaptureBucketName=found.aws().site.bucket,
    )
    found.deploy(
        deploy.RETRAINING,
        **both,
        UploadBucketName=outputs["BucketName"],
        SageMakerBucketName=found.aws().site.bucket,
        WatchedAlarms=f"{deploy.MONITORING.stack}-falling-coverage",
        **{
            **parameters.parameters(found.aws(), cost=FREE),
            "TrainingSource": found.hand_out(model(folder, "sure", ONNX)),
        },
        LeastNewLabels="60",
        RunsAMonth="50",
        DollarsAMonth="1000",
        LeastHeldOut="8",
        CoolDownHours="0",
        WatchSeconds="1",
        PollSeconds="1",
    )
    return found


def test_from_drift_to_a_better_model(retraining: Retraining, tmp_path: Path) -> None:
    """Traffic, planted drift, alarm, event, held back without labels; labelled, trained, approved, live, reported."""
    application, captures = retraining.application, f"{retraining.aws().site.s3('capture')}/vehiclevision/"
    for number in range(110):
        for kind in ("bicycle", "motorcycle"):
            asked(application, picture(kind, 5000 + number))
    code, made = retraining.run("baseline", "--from", captures, "--out", tmp_path / "baseline.json", "--json")
    assert code == 0, made
    application.client("s3").put_object(
        Bucket=retraining.aws().site.bucket,
        Key="monitoring/vehiclevision/baseline.json",
        Body=(tmp_path / "baseline.json").read_bytes(),
    )
    code, quiet = retraining.run("monitor", "check", "--hours", "1", "--json")
    assert (code, quiet["drifted"], quiet["records"]) == (0, False, 220), quiet

    photos = {f"uploads/{kind}-{n}.png": picture(kind, n, warmth=12) for n in range(32) for kind in DRIFTED}
    for key, version in {key: application.upload(key, photo) for key, photo in photos.items()}.items():
        assert (application.record(key, version) or {})["outcome"] == "NEEDS_REVIEW"
    code, found = retraining.run("monitor", "check", "--hours", "1", "--json")
    assert (code, found["drifted"], found["announced"]) == (0, True, True), found
    assert "warmth" in {change["name"] for change in retraining.heard("DriftDetected")["changed"]}
    assert retraining.run("monitor", "describe", "--json")[1]["alarms"]["vehiclevision-monitoring-drift"] == "ALARM"
    held = retraining.heard("RetrainingHeldBack")
    assert (held["code"], held["labels"]["new"]) == ("LABELS_MISSING", 0)
    assert "60 more labels are needed" in held["reason"]

    target = local_target(application.aws)
    desk, undecided = desk_of(target), list(waiting(target.results, sure=True))
    assert {record.s3_key for record in undecided} == photos.keys()
    for record in undecided:
        decide(desk, record, record.s3_key.removeprefix("uploads/").partition("-")[0])
    code, run = retraining.run("retrain", "start", "--json")
    assert (code, run["outcome"]) == (0, "AWAITING_APPROVAL"), run
    assert retraining.serving() == "unsure"
    assert retraining.run("retrain", "approve", "--version", "99", "--json")[0] == 1
    assert retraining.run("retrain", "approve", "--json")[0] == 0
    replaced = retraining.heard("ModelReplaced", run["execution"])
    assert replaced["figures"]["reviewed"]["p_better"] < 0.05
    assert (replaced["model_version"], replaced["former_version"], replaced["version"]) == ("sure", 1, 2)
    assert retraining.serving() == "sure"

    code, report = retraining.run("report", "--last", "1h", "--json")
    assert code == 0, report
    assert (report["records_unreadable"], report["drift"]["drifted"]) == (0, True)
    assert report["labels"]["matched"] == len(photos)
    assert {"unsure", "sure"} <= report["model_versions"].keys()


def asked(application: Application, png: bytes) -> None:
    """The endpoint is asked directly, as a busy application would ask it."""
    runtime = application.client("sagemaker-runtime")
    runtime.invoke_endpoint(EndpointName="vehiclevision", ContentType="image/png", Body=png)["Body"].read()


def test_nothing_new_is_held_back_and_a_worse_model_is_refused(retraining: Retraining, tmp_path: Path) -> None:
    """Labels count once; a model that is surer and wrong does not go live."""
    code, run = retraining.run("retrain", "start", "--json")
    assert (run["outcome"], run["code"]) == ("HELD_BACK", "LABELS_MISSING"), run
    assert "0 of 60 were given since the last run" in run["reason"]

    retraining.label(25)
    retraining.change(TrainingSource=retraining.hand_out(model(tmp_path, "swapped", swapped())))
    code, run = retraining.run("retrain", "start", "--json")
    assert (code, run["outcome"]) == (0, "REFUSED"), run
    refused = retraining.heard("ModelRefused", run["execution"])
    assert "not shown to be better" in refused["reason"]
    assert refused["figures"]["reviewed"]["challenger"] > refused["figures"]["reviewed"]["champion"]
    assert retraining.serving() == "sure"


def back_to_unsure(retraining: Retraining, tmp_path: Path) -> None:
    """The first model answers again, and whoever trains comes to a better one."""
    retraining.change(TrainingSource=retraining.hand_out(model(tmp_path, "better", ONNX)))
    if retraining.serving() != "unsure":
        assert retraining.run("sagemaker", "rollback", "--version", "1", "--yes", "--json")[0] == 0
    retraining.label(25)


@pytest.mark.soak
def test_a_person_has_the_last_word(retraining: Retraining, tmp_path: Path) -> None:
    """A better model that a person refuses is marked, and the present one stays."""
    back_to_unsure(retraining, tmp_path)
    _, run = retraining.run("retrain", "start", "--json")
    assert run["outcome"] == "AWAITING_APPROVAL", run
    _, shown = retraining.run("retrain", "describe", "--json")
    (question,) = shown["waiting"]
    assert shown["runs"][0]["outcome"] == "AWAITING_APPROVAL"
    code, _ = retraining.run("retrain", "reject", "--reason", "not on a Friday", "--json")
    assert code == 0
    assert "not on a Friday" in retraining.heard("ModelRefused", run["execution"])["reason"]
    _, facts = retraining.run("sagemaker", "describe", "--json")
    assert {v["version"]: v["status"] for v in facts["versions"]}[question["version"]] == "Rejected"
    assert retraining.serving() == "unsure"
    assert retraining.run("retrain", "describe", "--json")[1]["waiting"] == []


# What the machine does then is held by tests/unit/retraining/test_machine.py; here it does it to a real endpoint.
@pytest.mark.soak
@pytest.mark.parametrize(
    ("state", "says"), [("Wait for endpoint", "SageMaker took the new model back"), ("Watch", ERRORS_ALARM)]
)
def test_an_alarm_takes_the_new_model_back(retraining: Retraining, tmp_path: Path, state: str, says: str) -> None:
    """While traffic moves, or while it is watched: the former model answers again, nothing of the new one is left."""
    back_to_unsure(retraining, tmp_path)
    retraining.change(ManualApproval="false", WatchSeconds="3")
    _, run = retraining.run("retrain", "start", "--no-wait", "--json")

    with rung(retraining, run["execution"], state):
        refused = retraining.heard("ModelRefused", run["execution"])

    assert says in refused["reason"]
    assert retraining.serving() == "unsure"
    _, facts = retraining.run("sagemaker", "describe", "--json")
    assert {v["version"]: v["status"] for v in facts["versions"]}[refused["version"]] == "Rejected"
    control = retraining.application.client("sagemaker")
    configs = [each["EndpointConfigName"] for each in control.list_endpoint_configs()["EndpointConfigs"]]
    assert [name for name in configs if name.startswith(f"vehiclevision-v{refused['version']}-")] == []


@contextlib.contextmanager
def rung(retraining: Retraining, execution: str, state: str) -> Iterator[None]:
    """The endpoint's alarm goes off as soon as the run has come to the state, and is quiet again afterwards."""
    cloudwatch = retraining.application.client("cloudwatch")

    def ring() -> None:
        def there() -> bool:
            entered = (event.get("stateEnteredEventDetails", {}) for event in retraining.application.history(execution))
            return state in {each.get("name") for each in entered}

        deadline = time.monotonic() + 60
        while not there() and time.monotonic() < deadline:
            time.sleep(0.05)
        cloudwatch.set_alarm_state(AlarmName=ERRORS_ALARM, StateValue="ALARM", StateReason="too many errors")

    thread = threading.Thread(target=ring, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        cloudwatch.set_alarm_state(AlarmName=ERRORS_ALARM, StateValue="OK", StateReason="over")


def test_drift_starts_a_run_and_the_cool_down_holds_it_back(retraining: Retraining) -> None:
    """DriftDetected on the bus is enough; so soon after the last run nothing is trained."""
    retraining.change(CoolDownHours="24")
    bus = retraining.outputs["EventBusName"]
    detail = json.dumps({"endpoint": "vehiclevision", "changed": []})

    retraining.application.client("events").put_events(
        Entries=[{"EventBusName": bus, "Source": "vehiclevision", "DetailType": "DriftDetected", "Detail": detail}]
    )

    def by_drift() -> dict[str, Any]:
        found = retraining.heard("RetrainingHeldBack")
        return found if found["started_by"] == "drift" else by_drift()

    held_back = by_drift()
    assert (held_back["started_by"], held_back["code"]) == ("drift", "COOLING_DOWN")
    assert "24 hours" in held_back["reason"]


@pytest.mark.soak
def test_a_job_that_fails_changes_nothing(retraining: Retraining, tmp_path: Path) -> None:
    """The run fails by name and says why, on the bus too; the endpoint serves what it served."""
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(b"no model")
    before = retraining.serving()
    retraining.label(25)
    retraining.change(CoolDownHours="0", TrainingSource=retraining.hand_out(broken))

    code, run = retraining.run("retrain", "start", "--json")

    assert (code, run["outcome"]) == (1, "FAILED")
    assert "training job ended badly" in retraining.heard("RetrainingFailed", run["execution"])["reason"]
    assert retraining.serving() == before


def test_what_is_not_granted_is_refused(retraining: Retraining) -> None:
    """*Stage data* may not look at the endpoint: SageMaker refuses it in IAM's words."""
    event = {"execution": "by-hand", "state_machine": "by-hand", "began": "2026-01-10T12:00:00+00:00"}

    with retraining.application.without("StageDataRole", "sagemaker:DescribeEndpoint"):
        said = retraining.application.failure("vehiclevision-retraining-stage-data", event)

    assert "is not authorized to perform: sagemaker:DescribeEndpoint on resource: " in said


def test_teardown_finds_all_of_it(retraining: Retraining) -> None:
    """Whatever the runs made carries the tag that teardown looks for."""
    may.note(retraining.application.client)

    _, answer = retraining.run("sagemaker", "teardown", "--yes", "--json")

    assert answer["left"] == []
    jobs = retraining.application.client("sagemaker").list_training_jobs(NameContains="retrain")
    assert jobs["TrainingJobSummaries"] == []
