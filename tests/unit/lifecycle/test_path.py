"""The way from data to endpoint and back, step by step, against a small AWS in memory."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from lifecycle import deploy, endpoint, foundation, jobs, registry, runs, serving_image, teardown
from lifecycle.endpoint import Hosting, Serverless
from lifecycle.errors import NothingFoundError
from lifecycle.errors import SageMakerStepError as StepError
from tests.unit.lifecycle.fake_aws import FakeAws, Interrupted
from tests.unit.lifecycle.steps import APPLICATION_ALARM, MODEL, deploy_newest, register_shipped, stage, training
from training.artefact import DEFAULT_MODEL, load_model
from training.data.manifest import EARLIER_FORMAT

# The threshold that the shipped model brings along.
SHIPPED = load_model(DEFAULT_MODEL).manifest.threshold


def test_the_whole_path(fake: FakeAws) -> None:
    """From data to endpoint and down again: every step finds what the one before left, and nothing stays."""
    told: list[str] = []
    aws = fake.aws(told=told)
    foundation.ensure(aws)
    stage(aws)

    job = runs.start(aws, training(aws))
    fake.finish_jobs(MODEL.read_bytes())
    done = runs.follow(aws, job)
    version = registry.register(aws, runs.candidate_of_job(aws, runs.newest_job(aws), aws.site.image("x")))
    done_deploying = deploy_newest(aws, approve=True)

    assert done["TrainingJobStatus"] == "Completed"
    assert "  epoch 1" in told
    assert (version.number, version.algorithm, version.threshold) == (1, "own", SHIPPED)
    assert version.properties["training_job"] == job
    assert version.properties["metric validation accuracy"].startswith("0.9")
    assert done_deploying == deploy.Deployed("vehiclevision", done_deploying.config, 1, SHIPPED, changed=True)
    assert fake.things["endpoint"]["vehiclevision"]["EndpointStatus"] == "InService"
    assert "endpoint/vehiclevision/variant/AllTraffic" in fake.targets

    teardown.remove(aws, teardown.find(aws))

    assert fake.leftovers == []
    assert teardown.find(aws) == []


def test_an_empty_page_of_a_log_is_not_its_end(fake: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS, GetLogEvents, read on 29 November 2026: "Partially full or empty pages don't necessarily mean that
    pagination is finished." The last look at a job reads all that it said."""
    pages = {None: ([], "f/1"), "f/1": ([{"message": "the last words"}], "f/2"), "f/2": ([], "f/2")}

    def page(given: dict[str, Any]) -> dict[str, Any]:
        events, token = pages[given.get("nextToken")]
        return {"events": events, "nextForwardToken": token, "nextBackwardToken": "b/1"}

    monkeypatch.setattr(fake, "logs_GetLogEvents", page)
    told: list[str] = []
    aws = fake.aws(told=told)
    foundation.ensure(aws)
    stage(aws)
    job = runs.start(aws, training(aws))
    fake.finish_jobs(MODEL.read_bytes())

    runs.follow(aws, job)

    assert "  the last words" in told


def test_a_repeated_step_changes_nothing(fake: FakeAws) -> None:
    """Run twice, each step finds what it made: one job, one version, one configuration, one endpoint."""
    aws = fake.aws()
    for _ in range(2):
        foundation.ensure(aws)
        stage(aws)
        runs.start(aws, training(aws))
        register_shipped(aws)
        deploy_newest(aws, approve=True)

    counts = {kind: len(found) for kind, found in fake.things.items()}
    assert counts == {
        "training-job": 1,
        "model-package-group": 1,
        "model-package": 1,
        "model": 1,
        "endpoint-config": 1,
        "endpoint": 1,
    }
    assert len(fake.sent("CreateStack")) == 1
    assert not fake.sent("UpdateStack")
    assert not fake.sent("UpdateEndpoint")


def test_a_failed_job_is_tried_again_under_another_name_from_the_same_checkpoint(fake: FakeAws) -> None:
    """SageMaker takes a job's name once; the second attempt goes on from where the first one was interrupted."""
    aws = fake.aws()
    foundation.ensure(aws)
    stage(aws)
    first = runs.start(aws, training(aws))
    fake.things["training-job"][first] |= {"TrainingJobStatus": "Failed", "FailureReason": "CapacityError: none left"}

    with pytest.raises(StepError, match="CapacityError") as caught:
        runs.follow(aws, first)
    second = runs.start(aws, training(aws))

    made = fake.things["training-job"]
    assert "doctor" in caught.value.hint
    assert second == f"{first}-2"
    assert made[first]["CheckpointConfig"] == made[second]["CheckpointConfig"]


def test_a_completed_job_is_run_once_more_only_when_asked(fake: FakeAws) -> None:
    """The same data, code and settings give the same model; --again gives another run."""
    aws = fake.aws()
    foundation.ensure(aws)
    stage(aws)
    job = runs.start(aws, training(aws))
    fake.finish_jobs(MODEL.read_bytes())

    assert runs.start(aws, training(aws)) == job
    assert runs.start(aws, training(aws), again=True) == f"{job}-2"


def test_only_an_approved_version_is_deployed(fake: FakeAws) -> None:
    """What nobody approved stays away from the endpoint, by its number and its model's name too."""
    aws = fake.aws()
    foundation.ensure(aws)
    register_shipped(aws)
    found = registry.versions(aws)

    with pytest.raises(StepError, match="No registered version is approved"):
        registry.deployable(found, None)
    with pytest.raises(StepError, match="PendingManualApproval"):
        registry.deployable(found, "1")
    with pytest.raises(StepError, match="PendingManualApproval"):
        registry.deployable(found, load_model(MODEL).manifest.version)
    with pytest.raises(NothingFoundError, match="There is no such version"):
        registry.deployable(found, "7")
    with pytest.raises(NothingFoundError, match="No model is registered"):
        registry.deployable([], None)


def test_a_second_version_is_an_update_watched_by_alarms(fake: FakeAws, second_model: Path) -> None:
    """The endpoint is never deleted and made anew: a blue/green update with every quiet alarm, and scaling kept."""
    aws = fake.aws()
    foundation.ensure(aws)
    register_shipped(aws)
    deploy_newest(aws, approve=True)
    fake.alarms[APPLICATION_ALARM] = {"StateValue": "OK"}
    register_shipped(aws, second_model)

    deploy_newest(aws, approve=True)

    (update,) = fake.sent("UpdateEndpoint")
    alarms = [alarm["AlarmName"] for alarm in update["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"]]
    assert alarms == ["vehiclevision-endpoint-errors", "vehiclevision-endpoint-latency", APPLICATION_ALARM]
    assert update["RetainAllVariantProperties"] is True
    assert not fake.sent("DeleteEndpoint")


def test_an_alarm_that_rings_already_does_not_watch(fake: FakeAws, second_model: Path) -> None:
    """SageMaker takes an update back at once when its alarm is on before: a repair could never be deployed."""
    aws = fake.aws()
    foundation.ensure(aws)
    register_shipped(aws)
    deploy_newest(aws, approve=True)
    fake.alarms[APPLICATION_ALARM] = {"StateValue": "ALARM"}
    fake.alarms["vehiclevision-endpoint-errors"] = {"StateValue": "ALARM"}
    register_shipped(aws, second_model)

    deploy_newest(aws, approve=True)

    (update,) = fake.sent("UpdateEndpoint")
    assert update["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"] == [
        {"AlarmName": "vehiclevision-endpoint-latency"}
    ]


def test_a_version_that_is_taken_back_is_rejected(fake: FakeAws, second_model: Path) -> None:
    """The next `deploy --latest` takes the good version, not the bad one again."""
    aws = fake.aws()
    foundation.ensure(aws)
    register_shipped(aws)
    deploy_newest(aws, approve=True)
    bad = register_shipped(aws, second_model)
    fake.bad_models.add(endpoint.names(aws.site, bad, Hosting()).model)

    with pytest.raises(StepError, match="took version 2 back"):
        deploy_newest(aws, approve=True)

    found = registry.versions(aws)
    assert [version.status for version in found] == ["Rejected", "Approved"]
    assert registry.deployable(found, None).number == 1
    assert deploy.live_version(aws, found, deploy.look(aws, APPLICATION_ALARM)).number == 1


def test_rolling_back_serves_the_version_before_as_it_is_served(fake: FakeAws, second_model: Path) -> None:
    """A rollback changes the version, and neither instance type nor capture nor scaling."""
    aws = fake.aws()
    hosting = Hosting("ml.c5.large", 2, 5, 40)
    foundation.ensure(aws)
    register_shipped(aws)
    deploy_newest(aws, hosting, approve=True)
    register_shipped(aws, second_model)
    deploy_newest(aws, hosting, approve=True)
    state = deploy.look(aws, APPLICATION_ALARM)
    found = registry.versions(aws)

    back = registry.before(found, deploy.live_version(aws, found, state).number)
    deploy.deploy(aws, back, deploy.hosting_of(aws, state), state)

    assert deploy.hosting_of(aws, deploy.look(aws, APPLICATION_ALARM)) == hosting
    assert deploy.live_version(aws, found, deploy.look(aws, APPLICATION_ALARM)).number == 1
    with pytest.raises(NothingFoundError, match="no approved version before 1"):
        registry.before(found, 1)


def test_another_instance_type_first_ends_scaling(fake: FakeAws) -> None:
    """AWS refuses to change the instance type of a variant that scales; scaling comes back after the update."""
    aws = fake.aws()
    foundation.ensure(aws)
    register_shipped(aws)
    deploy_newest(aws, approve=True)

    deploy_newest(aws, Hosting("ml.c5.xlarge"))

    names = [name for _, name, _ in fake.calls]
    last = len(names) - 1 - names[::-1].index("RegisterScalableTarget")
    assert names.index("DeregisterScalableTarget") < names.index("UpdateEndpoint") < last


def test_an_endpoint_that_failed_is_made_anew(fake: FakeAws) -> None:
    """A creation that failed takes no update; the endpoint is deleted and made again."""
    aws = fake.aws()
    foundation.ensure(aws)
    register_shipped(aws)
    deploy_newest(aws, approve=True)
    fake.things["endpoint"]["vehiclevision"]["EndpointStatus"] = "Failed"

    deploy_newest(aws)

    assert fake.things["endpoint"]["vehiclevision"]["EndpointStatus"] == "InService"
    assert len(fake.sent("DeleteEndpoint")) == 1


def test_an_endpoint_does_not_become_serverless(fake: FakeAws) -> None:
    """AWS has no way from instances to serverless; that is said before anything is made."""
    aws = fake.aws()
    foundation.ensure(aws)
    register_shipped(aws)
    deploy_newest(aws, approve=True)

    with pytest.raises(StepError, match="no endpoint with instances into a serverless one"):
        deploy_newest(aws, Hosting(serverless=Serverless()))


def test_an_image_for_another_processor_is_refused(fake: FakeAws) -> None:
    """An x86 image never starts on Graviton; AWS would try for an hour."""
    aws = fake.aws()
    foundation.ensure(aws)
    register_shipped(aws)

    with pytest.raises(StepError, match="another processor than arm64"):
        deploy_newest(aws, Hosting("ml.c7g.large"), approve=True)


def test_an_account_that_may_not_build_is_told_the_other_way(fake: FakeAws) -> None:
    """New accounts may have no builds in CodeBuild: the sentence names Docker's commands with the image's address."""
    aws = fake.aws()
    foundation.ensure(aws)
    fake.may_build = False

    with pytest.raises(StepError, match="may not run builds") as caught:
        serving_image.ensure(aws, {"serving/Dockerfile": b"FROM x"}, "arm64")

    assert "--platform linux/arm64" in caught.value.hint
    assert f"docker push {aws.site.image('')}" in caught.value.hint


def test_what_is_not_ours_stays(fake: FakeAws) -> None:
    """Teardown takes what carries our tag; a name that only looks like ours is left alone."""
    aws = fake.aws()
    sagemaker = aws.client("sagemaker")
    foundation.ensure(aws)
    register_shipped(aws)
    deploy_newest(aws, approve=True)
    package = registry.versions(aws)[0].arn
    sagemaker.create_model(
        ModelName="vehiclevision-of-somebody",
        PrimaryContainer={"ModelPackageName": package},
        ExecutionRoleArn=aws.site.role("serving"),
    )
    fake.log_groups["/aws/sagemaker/TrainingJobs"] = {"other/algo-1-1"}

    teardown.remove(aws, teardown.find(aws))

    assert fake.leftovers == ["log /aws/sagemaker/TrainingJobs other/algo-1-1", "model vehiclevision-of-somebody"]


def test_the_jobs_of_a_search_go_with_it(fake: FakeAws) -> None:
    """They are found by their name even where they did not get the search's tags, and after the search is gone."""
    aws = fake.aws()
    foundation.ensure(aws)
    search = runs.start_search(aws, training(aws, spot=False), 4, 2)
    request = dict(jobs.training_job(aws.site, training(aws)).parameters)
    del request["Tags"]
    for name in (f"{search}-001-58d79182", f"{search}-of-somebody"):
        aws.client("sagemaker").create_training_job(**{**request, "TrainingJobName": name})
    aws.client("sagemaker").delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=search)

    teardown.remove(aws, teardown.find(aws))

    log = f"log /aws/sagemaker/TrainingJobs {search}-of-somebody/algo-1-1"
    assert fake.leftovers == [log, f"training-job {search}-of-somebody"]


def test_only_the_endpoint_goes(fake: FakeAws) -> None:
    """--endpoint-only ends the costs and keeps models and data."""
    aws = fake.aws()
    foundation.ensure(aws)
    register_shipped(aws)
    deploy_newest(aws, approve=True)

    teardown.remove(aws, teardown.find(aws, endpoint_only=True))

    assert "endpoint" not in {kind for kind, found in fake.things.items() if found}
    assert not fake.targets
    assert len(registry.versions(aws)) == 1


@pytest.mark.parametrize("killed_after", range(20))
def test_the_application_goes_only_when_asked(fake: FakeAws, killed_after: int) -> None:
    """Photos, results and the join outlive a plain teardown; with the application they go, photos before its stack."""
    aws = fake.aws()
    foundation.ensure(aws)
    fake.deploy_application()
    fake.deploy_monitoring()
    teardown.remove(aws, teardown.find(aws))
    assert fake.leftovers == [
        *("photos", "results", "vehiclevision", "vehiclevision-backfilling", "vehiclevision-console")
        + ("vehiclevision-reconciling",)
    ]

    fake.kill_at = len(fake.calls) + killed_after
    with contextlib.suppress(Interrupted):
        teardown.remove(aws, teardown.find(aws, application=True))
    fake.kill_at = None
    teardown.remove(aws, teardown.find(aws, application=True))

    assert fake.leftovers == []
    assert teardown.find(aws, application=True) == []


def test_data_of_an_earlier_release_starts_no_job(fake: FakeAws) -> None:
    """Pictures of 32 pixels in the bucket are refused by name before a job that is paid for would."""
    aws = fake.aws()
    foundation.ensure(aws)
    manifest = {"format": EARLIER_FORMAT, "data_hash": "a" * 64, "builtin": {}}
    runs.put_once(aws, "training-data/old-1/manifest.json", json.dumps(manifest).encode())

    with pytest.raises(NothingFoundError, match="32 x 32 pixels"):
        runs.data_at(aws, "")


def test_the_newest_loaded_data_is_taken(fake: FakeAws) -> None:
    """Without --data the data that was loaded last is trained on; a prefix without a manifest is not complete."""
    aws = fake.aws()
    foundation.ensure(aws)

    with pytest.raises(NothingFoundError, match="No training data"):
        runs.data_at(aws, "")
    stage(aws)
    found = runs.data_at(aws, "")

    assert found.prefix == aws.site.s3("training-data/abc-1/")
    assert json.dumps(found.builtin)
    with pytest.raises(NothingFoundError, match="no complete data"):
        runs.data_at(aws, aws.site.s3("training-data/other"))
    with pytest.raises(StepError, match=aws.site.bucket):
        runs.data_at(aws, "s3://somebody-elses/training-data/")
    with pytest.raises(StepError, match="no address in S3"):
        runs.data_at(aws, "https://example.org/x")
