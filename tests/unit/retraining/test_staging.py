"""The first and the third step of a run, against the small AWS that checks every request."""

import hashlib
import io
import json
import tarfile
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from lifecycle import foundation, registry
from lifecycle.site import OWNER_TAG, Aws, Site
from monitoring import labels
from retraining import gates, registering, staging
from retraining.errors import RetrainingError
from retraining.settings import StackParameters
from retraining.staging import Trigger
from tests.unit.lifecycle import steps
from tests.unit.lifecycle.fake_aws import ACCOUNT, NOW, REGION, FakeAws
from tests.unit.retraining.test_gates import SETTINGS
from training.comparison import ACCEPTED, NOT_BETTER, Comparison, Contestant, Paired, Rule
from vehiclevision.labels import TRUTHS

MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:vehiclevision-retraining-retrain-model"
TRIGGER = Trigger(f"arn:aws:states:{REGION}:{ACCOUNT}:execution:retrain:one", MACHINE, NOW + timedelta(hours=1))


def settings(**changes: Any) -> StackParameters:
    site = Site("vehiclevision", ACCOUNT, REGION)
    given = {"least_new_labels": 40, "least_held_out": 6, **changes}
    return replace(SETTINGS, site=site, **given)


@pytest.fixture
def aws() -> Aws:
    """An account with SageMaker's side, a deployed first version, and an upload bucket."""
    fake = FakeAws()
    found = fake.aws()
    foundation.ensure(found)
    fake.deploy_application()
    steps.register_shipped(found)
    steps.deploy_newest(found, approve=True)
    object.__setattr__(found, "fake", fake)
    return found


def fake_of(aws: Aws) -> FakeAws:
    found: FakeAws = aws.fake  # type: ignore[attr-defined]
    return found


def label(aws: Aws, count: int, *, begin: int = 0, given: datetime = NOW, asked: bool = False) -> None:
    for number in range(begin, begin + count):
        for kind in TRUTHS:
            content = f"{kind} {number}".encode()
            key = labels.key_of(kind, labels.digest_of(content), asked=asked)
            fake_of(aws).objects["photos"][key] = content
            fake_of(aws).moments[key] = given


def staged(aws: Aws, trigger: Trigger = TRIGGER, **changes: Any) -> dict[str, Any]:
    return staging.stage(settings(**changes), aws, trigger)


def test_the_job_is_one_that_sagemaker_takes(aws: Aws) -> None:
    """Four channels, the deployed threshold, our tags; the request passes AWS's own model."""
    label(aws, 20)

    plan = staged(aws)
    aws.client("sagemaker").create_training_job(**plan["training_job"])

    (sent,) = fake_of(aws).sent("CreateTrainingJob")
    channels = {each["ChannelName"]: each["DataSource"]["S3DataSource"]["S3Uri"] for each in sent["InputDataConfig"]}
    assert set(channels) == {"training", "reviewed", "heldout", "champion"}
    assert channels["champion"].endswith("/model.tar.gz")
    assert json.loads(sent["HyperParameters"]["threshold"]) == 0.856
    assert {"Key": OWNER_TAG, "Value": "vehiclevision"} in sent["Tags"]
    assert sent["TrainingJobName"] == "vehiclevision-retrain-20261121-010000-" + sent["TrainingJobName"][-6:]
    assert staging.staged_at(sent["TrainingJobName"]) == TRIGGER.began


def test_held_out_pictures_are_never_learnt_from(aws: Aws) -> None:
    """Each picture is on one side, by its hash; one that somebody asked about decides nothing."""
    label(aws, 20)
    label(aws, 5, begin=100, asked=True)

    plan = staged(aws)

    copied = [key for key in fake_of(aws).objects[aws.site.bucket] if key.startswith("training-data/reviewed/")]
    learnt = {key.rpartition("/")[2][:64] for key in copied if "/reviewed/" in key.removeprefix("training-data/")}
    sides: dict[str, set[str]] = {"reviewed": set(), "heldout": set()}
    for key in copied:
        if key.endswith(labels.SUFFIX):
            sides[key.split("/")[3]].add(key.rpartition("/")[2].removesuffix(labels.SUFFIX))
    assert learnt
    assert not sides["reviewed"] & sides["heldout"]
    assert all(labels.held_out(digest) for digest in sides["heldout"])
    assert not any(labels.held_out(digest) for digest in sides["reviewed"])
    asked = {labels.digest_of(f"bicycle {number}".encode()) for number in range(100, 105)}
    assert not asked & sides["heldout"]
    assert plan["labels"] == {"new": 75, "learnt": len(sides["reviewed"]), "held_out": len(sides["heldout"])}


def test_a_picture_of_an_earlier_release_is_copied_as_what_it_is(aws: Aws) -> None:
    """A PNG stays a PNG beside the JPEGs of today."""
    label(aws, 20)
    digest = "ff" + labels.digest_of(b"earlier")[2:]
    key = labels.key_of("bicycle", digest).replace(labels.SUFFIX, ".png")
    fake_of(aws).objects["photos"][key] = b"earlier"
    fake_of(aws).moments[key] = NOW

    staged(aws)

    copied = [key for key in fake_of(aws).objects[aws.site.bucket] if digest in key]
    assert [key.partition("/reviewed/bicycle/")[2] for key in copied] == [f"{digest}.png"]


def test_a_label_counts_once(aws: Aws) -> None:
    """What the last completed run has seen is not new; labels of after this run's beginning are the next one's."""
    label(aws, 20)
    plan = staged(aws)
    aws.client("sagemaker").create_training_job(**plan["training_job"])
    fake_of(aws).things["training-job"][plan["training_job"]["TrainingJobName"]]["TrainingJobStatus"] = "Completed"
    later = Trigger("two", MACHINE, NOW + timedelta(hours=48))
    label(aws, 1, begin=200, given=NOW + timedelta(hours=2))
    label(aws, 20, begin=300, given=NOW + timedelta(hours=49))

    again = staged(aws, later)

    assert (again["go"], again["code"], again["labels"]["new"]) == (False, gates.LABELS_MISSING, 3)
    assert "37 more labels are needed: 3 of 40 were given since the last run at 2026-11-21 01:00" in again["reason"]


def test_a_second_that_has_begun_is_not_counted_twice(aws: Aws) -> None:
    """The name keeps whole seconds: a label of the run's own second is this run's, and not the next one's."""
    trigger = Trigger("one", MACHINE, NOW + timedelta(seconds=10.4))
    label(aws, 20, given=NOW + timedelta(seconds=10.3))

    name = staged(aws, trigger)["training_job"]["TrainingJobName"]

    after = staging.staged_at(name)
    assert staging.count(staging.reviewed(aws, "photos", NOW + timedelta(days=1)), after).new == 0


def test_a_corrected_label_is_the_one_that_counts(aws: Aws) -> None:
    """Of two labels for one picture the later one is learnt."""
    digest = labels.digest_of(b"x")
    for kind, moment in (("bicycle", NOW), ("motorcycle", NOW + timedelta(minutes=1))):
        key = labels.key_of(kind, digest)
        fake_of(aws).objects["photos"][key] = b"x"
        fake_of(aws).moments[key] = moment

    (picture,) = staging.reviewed(aws, "photos", TRIGGER.began)

    assert picture.label == "motorcycle"


def test_the_earlier_of_two_runs_goes_on(aws: Aws) -> None:
    """Drift is found twice, or somebody starts a run beside the schedule's: one trains."""
    label(aws, 20)
    execution = {"stateMachineArn": MACHINE, "status": "RUNNING"}
    fake_of(aws).executions = [
        {**execution, "executionArn": TRIGGER.execution, "name": "one", "startDate": TRIGGER.began},
        {**execution, "executionArn": "zero", "name": "zero", "startDate": TRIGGER.began - timedelta(seconds=1)},
    ]

    held_back = staged(aws)
    first = staged(aws, Trigger("zero", MACHINE, TRIGGER.began - timedelta(seconds=1)))

    assert (held_back["go"], held_back["code"]) == (False, gates.ALREADY_RUNNING)
    assert first["go"]


def test_without_an_endpoint_there_is_no_champion(aws: Aws) -> None:
    """A new model must be held against something."""
    label(aws, 20)
    fake_of(aws).things["endpoint"].clear()

    assert staged(aws)["code"] == gates.NO_CHAMPION


# ---- after the job ---------------------------------------------------------------------------------------------------


def output(aws: Aws, accepted: bool, artefact: bytes = b"artefact", **changes: Any) -> str:
    """What a job leaves behind."""
    paired = Paired(40, 1.0, 0.2, -0.8, -0.9, -0.7, 0.001, 0.999, 20, 1, 0.01)
    champion = Contestant("old", "", 0.856, 0.856, "a" * 64)
    challenger = Contestant("new", "", 0.856, 0.8, "b" * 64, {}, hashlib.sha256(b"artefact").hexdigest())
    reason, words = (ACCEPTED, "The new model is better.") if accepted else (NOT_BETTER, "It is not.")
    written = Comparison(reason, words, Rule(0.856), champion, challenger, paired, paired, {}).as_json()
    comparison = {**written, **changes}
    return packed(aws, {"comparison.json": json.dumps(comparison).encode(), "model.tar.gz": artefact})


def packed(aws: Aws, members: dict[str, bytes]) -> str:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    fake_of(aws).objects[aws.site.bucket]["jobs/job/output/output.tar.gz"] = stream.getvalue()
    return "job"


def test_a_better_model_is_registered_with_all_that_deploys_it(aws: Aws) -> None:
    """The very bytes that were compared; every request passes AWS's model; the present one is what comes back."""
    decision = registering.register(settings(), aws, output(aws, True))

    assert (decision["version"], decision["former_version"], decision["cheapest_threshold"]) == (2, 1, 0.8)
    version = registry.versions(aws)[0]
    assert (version.status, version.threshold) == (registry.PENDING, 0.856)
    assert version.properties["training_job"] == "job"
    assert fake_of(aws).objects[aws.site.bucket][version.model_url.split("/", 3)[3]] == b"artefact"
    sagemaker = aws.client("sagemaker")
    before = sagemaker.describe_endpoint(EndpointName="vehiclevision")["EndpointConfigName"]
    approval = registry.approval_request(version, registry.APPROVED, "better")
    sagemaker.update_model_package(**approval.parameters)
    sagemaker.create_model(**decision["model"])
    sagemaker.create_endpoint_config(**decision["config"])
    again = registering.register(settings(), aws, "job")
    assert (again["version"], again["model_there"], again["config_there"]) == (2, True, True)
    sagemaker.update_endpoint(**decision["update"])
    assert decision["restore"]["EndpointConfigName"] == before
    assert "vehiclevision-endpoint-errors" in decision["watch"]
    assert (decision["model_there"], decision["config_there"]) == (False, False)


def test_capture_and_instances_stay_as_they_are(aws: Aws) -> None:
    """Only the model changes."""
    live = fake_of(aws).sent("CreateEndpointConfig")[-1]

    decision = registering.register(settings(), aws, output(aws, True))

    assert decision["config"]["DataCaptureConfig"] == live["DataCaptureConfig"]
    (now,), (before,) = decision["config"]["ProductionVariants"], live["ProductionVariants"]
    assert {**now, "ModelName": ""} == {**before, "ModelName": ""}


def test_an_alarm_that_rings_already_does_not_watch(aws: Aws) -> None:
    """It would take every new model back."""
    fake_of(aws).alarms["coverage"] = {"AlarmName": "coverage", "StateValue": "ALARM"}
    fake_of(aws).alarms["vehiclevision-endpoint-latency"]["StateValue"] = "ALARM"

    decision = registering.register(settings(watched_alarms=("coverage",)), aws, output(aws, True))

    watching = [
        each["AlarmName"] for each in decision["update"]["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"]
    ]
    assert watching == ["vehiclevision-endpoint-errors"]
    assert decision["watch"] == ["vehiclevision-endpoint-errors"]


def test_a_model_that_is_not_better_is_not_registered(aws: Aws) -> None:
    """The verdict is told, and nothing is changed."""
    decision = registering.register(settings(), aws, output(aws, False))

    assert (decision["accepted"], decision["reason"]) == (False, "It is not.")
    assert len(registry.versions(aws)) == 1


def test_what_was_not_compared_is_not_registered(aws: Aws) -> None:
    """Another artefact under the same name, no archive, no comparison, one of another release: each by its name."""
    with pytest.raises(RetrainingError, match="not the one that was compared"):
        registering.register(settings(), aws, output(aws, True, b"another"))
    with pytest.raises(RetrainingError, match="another release"):
        registering.register(settings(), aws, output(aws, True, format=2))
    with pytest.raises(RetrainingError, match=r"lacks comparison\.json"):
        registering.register(settings(), aws, packed(aws, {"model.tar.gz": b"x"}))
    with pytest.raises(RetrainingError, match="cannot be read"):
        registering.register(settings(), aws, packed(aws, {"model.tar.gz": b"x", "comparison.json": b"{"}))
    fake_of(aws).objects[aws.site.bucket]["jobs/job/output/output.tar.gz"] = b"\x1f\x8bno"
    with pytest.raises(RetrainingError, match="no archive"):
        registering.register(settings(), aws, "job")
    with pytest.raises(RetrainingError, match="left no output"):
        registering.register(settings(), aws, "none")
