"""Endpoints of the local SageMaker come into service, change without a gap, and go back when that fails."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.sagemaker import servers
from local.sagemaker.control.deployment import steps
from local.sagemaker.control.settings import Settings
from tests.unit.local.sagemaker.bench import (
    QUICK,
    ROLE,
    SERVING_IMAGE,
    Plane,
    client,
    control_plane,
    kill,
    point_at,
    refused,
    wait_for,
)
from tests.unit.serving.tiny_model import write_model

CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://models/captured/",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
}


@pytest.fixture(scope="module")
def stocked(plane: Plane, tmp_path_factory: pytest.TempPathFactory) -> Plane:
    """Two good models and a bad one, each with a configuration."""
    stock(plane, tmp_path_factory.mktemp("models"))
    return plane


def stock(plane: Plane, room: Path) -> None:
    for name, threshold in (("one", 0.7), ("two", 0.8)):
        path = write_model(room / f"{name}.tar.gz", threshold=threshold)
        add(plane, name, path.read_bytes())
    add(plane, "bad", b"no model at all")


def add(plane: Plane, name: str, artefact: bytes, **more: Any) -> None:
    """A model and a configuration of this name."""
    address = plane.put(f"artefacts/{name}/model.tar.gz", artefact)
    container = {"Image": SERVING_IMAGE, "ModelDataUrl": address}
    plane.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    configure(plane, name, [(name, name, 1.0)] if "variants" not in more else more.pop("variants"), **more)


def configure(plane: Plane, name: str, variants: list[tuple[str, str, float]], **more: Any) -> None:
    """A configuration of variants, each with a name, a model and a weight."""
    found = [
        {
            "VariantName": "AllTraffic" if variant == model else variant,
            "ModelName": model,
            "InitialInstanceCount": 1,
            "InstanceType": "ml.m5.xlarge",
            "InitialVariantWeight": weight,
        }
        for variant, model, weight in variants
    ]
    plane.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=found, **more)


def created(plane: Plane, name: str, config: str = "one") -> dict[str, Any]:
    plane.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    return plane.settled(name)


def updated(plane: Plane, name: str, config: str, **more: Any) -> dict[str, Any]:
    plane.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config, **more)
    return plane.settled(name)


def test_an_endpoint_comes_into_service_and_goes(stocked: Plane) -> None:
    """Creating, then served; deleted, no longer served at once, and soon forgotten."""
    sagemaker = stocked.sagemaker

    sagemaker.create_endpoint(EndpointName="plain", EndpointConfigName="one")
    first = stocked.endpoint("plain")["EndpointStatus"]
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="plain", WaiterConfig={"Delay": 1, "MaxAttempts": 60})

    assert first in ("Creating", "InService")
    found = stocked.endpoint("plain")
    (variant,) = found["ProductionVariants"]
    assert (variant["VariantName"], variant["CurrentWeight"]) == ("AllTraffic", 1.0)
    assert variant["DeployedImages"][0]["SpecifiedImage"] == SERVING_IMAGE
    assert Path(stocked.served()["plain"]["variants"][0]["model"]).exists()
    with refused("ValidationException", 'Cannot create already existing endpoint "arn:aws:sagemaker:'):
        sagemaker.create_endpoint(EndpointName="Plain", EndpointConfigName="one")
    sagemaker.delete_endpoint(EndpointName="plain")
    assert "plain" not in stocked.served()
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="plain", WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def test_a_model_that_cannot_be_loaded_fails_a_new_endpoint(stocked: Plane) -> None:
    """With SageMaker's sentence and the loader's; it is never served, and can be deleted."""
    found = created(stocked, "failed", "bad")

    assert found["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in found["FailureReason"]
    assert "is refused" in found["FailureReason"]
    assert "failed" not in stocked.served()
    stocked.sagemaker.delete_endpoint(EndpointName="failed")


@pytest.mark.parametrize(
    ("name", "routing"),
    [
        ("all", {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 60}),
        (
            "canary",
            {
                "Type": "CANARY",
                "WaitIntervalInSeconds": 60,
                "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10},
            },
        ),
        (
            "linear",
            {
                "Type": "LINEAR",
                "WaitIntervalInSeconds": 60,
                "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 25},
            },
        ),
    ],
)
def test_an_update_moves_the_traffic_and_is_done(stocked: Plane, name: str, routing: dict[str, Any]) -> None:
    """Whatever the way, the new configuration is served and the deployment remembered."""
    before = created(stocked, name)
    deployment = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": 60}}
    old = stocked.served()[name]["variants"][0]["model"]

    found = updated(stocked, name, "two", DeploymentConfig=deployment)

    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "two")
    assert found["LastDeploymentConfig"] == deployment
    assert found["LastModifiedTime"] > before["LastModifiedTime"]
    assert stocked.served()[name]["variants"][0]["model"] != old
    assert len(stocked.served()[name]["variants"]) == 1


def test_the_traffic_moves_in_the_steps_that_were_asked_for() -> None:
    """A canary is followed by everything; a linear shift goes up in equal steps; by default it is all at once."""

    def shares(**routing: Any) -> list[float]:
        policy = {"TrafficRoutingConfiguration": {"WaitIntervalInSeconds": 5, **routing}}
        return [share for share, _ in steps({"BlueGreenUpdatePolicy": policy}, 4)]

    percent = {"Type": "CAPACITY_PERCENT", "Value": 30}
    assert shares(Type="CANARY", CanarySize=percent) == [0.3, 1.0]
    assert shares(Type="LINEAR", LinearStepSize=percent) == [0.3, 0.6, 0.9, 1.0]
    assert shares(Type="LINEAR", LinearStepSize={"Type": "INSTANCE_COUNT", "Value": 2}) == [0.5, 1.0]
    assert shares(Type="ALL_AT_ONCE") == [1.0]
    assert list(steps({}, 1)) == [(1.0, 0)]
    rolling = {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 2}, "WaitIntervalInSeconds": 7}
    assert list(steps({"RollingUpdatePolicy": rolling}, 4)) == [(0.5, 7), (1.0, 7)]


def test_during_a_shift_both_models_are_served(stocked: Plane, engine_url: str, tmp_path: Path) -> None:
    """With the weights of the step; the pending deployment is shown, and a second update has to wait."""
    slow = Settings(speed=600, stop_seconds=1.0)
    point_at(tmp_path, engine_url)
    routing = {
        "Type": "CANARY",
        "WaitIntervalInSeconds": 3600,
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10},
    }
    with control_plane(tmp_path, slow) as url:
        plane = Plane(url, engine_url, tmp_path)
        stock(plane, tmp_path)
        created(plane, "shift")

        plane.sagemaker.update_endpoint(
            EndpointName="shift",
            EndpointConfigName="two",
            DeploymentConfig={"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}},
        )
        mixed = wait_for(lambda: len(found := plane.served()["shift"]["variants"]) == 2 and found)
        during = plane.endpoint("shift")

        assert [entry["weight"] for entry in mixed] == [0.9, 0.1]
        assert mixed[0]["model"] != mixed[1]["model"]
        assert during["EndpointStatus"] == "Updating"
        assert during["EndpointConfigName"] == "one"
        assert during["PendingDeploymentSummary"]["EndpointConfigName"] == "two"
        with refused("ValidationException", "Cannot update in-progress endpoint"):
            plane.sagemaker.update_endpoint(EndpointName="shift", EndpointConfigName="one")
        with refused("ValidationException", "Cannot update in-progress endpoint"):
            plane.sagemaker.delete_endpoint(EndpointName="shift")


def test_a_bad_model_is_rolled_back_and_the_old_one_goes_on(stocked: Plane) -> None:
    """The endpoint is in service with its old configuration, and says why."""
    created(stocked, "rolled")
    old = stocked.served()["rolled"]

    found = updated(stocked, "rolled", "bad")

    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "one")
    assert "did not pass the ping health check" in found["FailureReason"]
    assert stocked.served()["rolled"]["variants"] == old["variants"]
    assert "PendingDeploymentSummary" not in found
    assert "FailureReason" not in updated(stocked, "rolled", "two")


def test_a_ringing_alarm_rolls_back(stocked: Plane) -> None:
    """As soon as a named alarm is in ALARM; one that does not exist is refused before anything moves."""
    created(stocked, "alarmed")
    cloudwatch = client("cloudwatch", stocked.engine_url)
    cloudwatch.put_metric_alarm(
        AlarmName="errors",
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test")

    found = updated(
        stocked,
        "alarmed",
        "two",
        DeploymentConfig={
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 60}
            },
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
        },
    )

    assert found["EndpointConfigName"] == "one"
    assert "alarms in state ALARM: errors" in found["FailureReason"]
    with refused("ValidationException", "Could not find the CloudWatch alarms nobody"):
        stocked.sagemaker.update_endpoint(
            EndpointName="alarmed",
            EndpointConfigName="two",
            DeploymentConfig={"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "nobody"}]}},
        )


def test_weights_move_between_variants_and_can_be_kept(stocked: Plane) -> None:
    """By hand, and over an update that retains what was set."""
    configure(stocked, "both", [("blue", "one", 3.0), ("green", "two", 1.0)])
    created(stocked, "weighed", "both")
    assert [entry["weight"] for entry in stocked.served()["weighed"]["variants"]] == [3.0, 1.0]

    wanted = [{"VariantName": "green", "DesiredWeight": 9.0, "DesiredInstanceCount": 2}]
    stocked.sagemaker.update_endpoint_weights_and_capacities(EndpointName="weighed", DesiredWeightsAndCapacities=wanted)
    found = stocked.settled("weighed")
    kept = updated(stocked, "weighed", "both", RetainAllVariantProperties=True)

    assert [variant["CurrentWeight"] for variant in found["ProductionVariants"]] == [3.0, 9.0]
    assert [variant["CurrentInstanceCount"] for variant in found["ProductionVariants"]] == [1, 2]
    assert [variant["CurrentWeight"] for variant in kept["ProductionVariants"]] == [3.0, 9.0]
    with refused("ValidationException", "Could not find variant red"):
        stocked.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName="weighed", DesiredWeightsAndCapacities=[{"VariantName": "red", "DesiredWeight": 1.0}]
        )


def test_capture_is_told_to_the_runtime_and_shown(stocked: Plane) -> None:
    """As it was configured; without a configuration nothing is captured."""
    configure(stocked, "capturing", [("one", "one", 1.0)], DataCaptureConfig=CAPTURE)

    found = created(stocked, "captured", "capturing")

    assert found["DataCaptureConfig"]["CaptureStatus"] == "Started"
    assert stocked.served()["captured"]["capture"] == CAPTURE
    assert "DataCaptureConfig" not in updated(stocked, "captured", "one")
    assert "capture" not in stocked.served()["captured"]


def test_what_cannot_be_served_is_refused_before_it_is_made(stocked: Plane) -> None:
    """Models without data, configurations without models, doubles and contradictions."""
    sagemaker = stocked.sagemaker
    with refused("ValidationException", "Could not find model data at s3://models/none.tar.gz."):
        container = {"Image": SERVING_IMAGE, "ModelDataUrl": "s3://models/none.tar.gz"}
        sagemaker.create_model(ModelName="none", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    with refused("ValidationException", "Cannot create already existing model"):
        container = {"Image": SERVING_IMAGE, "ModelDataUrl": "s3://models/artefacts/one/model.tar.gz"}
        sagemaker.create_model(ModelName="one", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    with refused("ValidationException", 'Could not find model "'):
        configure(stocked, "refused", [("x", "nobody", 1.0)])
    with refused("ValidationException", "unique"):
        configure(stocked, "refused", [("x", "one", 1.0), ("x", "two", 1.0)])
    with refused("ValidationException", "Cannot create already existing endpoint configuration"):
        configure(stocked, "one", [("one", "one", 1.0)])
    with refused("ValidationException", "not supported for serverless"):
        variant: dict[str, Any] = {"VariantName": "v", "ModelName": "one"}
        variant |= {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}}
        sagemaker.create_endpoint_config(
            EndpointConfigName="refused", ProductionVariants=[variant], DataCaptureConfig=CAPTURE
        )
    with refused("ValidationException", "Could not find endpoint configuration"):
        sagemaker.create_endpoint(EndpointName="refused", EndpointConfigName="nobody")
    for kind, more in (("CANARY", {}), ("ALL_AT_ONCE", {"CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10}})):
        routing = {"Type": kind, "WaitIntervalInSeconds": 0, **more}
        with refused("ValidationException", "CanarySize"):
            sagemaker.update_endpoint(
                EndpointName="vehiclevision",
                EndpointConfigName="one",
                DeploymentConfig={"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}},
            )


def test_the_default_endpoint_can_be_updated_and_model_files_do_not_pile_up(engine_url: str, tmp_path: Path) -> None:
    """It is an endpoint like any other; only files that are served are kept."""
    point_at(tmp_path, engine_url)
    with control_plane(tmp_path) as url:
        plane = Plane(url, engine_url, tmp_path)
        stock(plane, tmp_path)

        for config in ("one", "two", "bad"):
            updated(plane, "vehiclevision", config)

        assert plane.endpoint("vehiclevision")["EndpointConfigName"] == "two"
        kept = tmp_path / "sagemaker-control" / "models"
        wait_for(
            lambda: [str(path) for path in kept.iterdir()] == [plane.served()["vehiclevision"]["variants"][0]["model"]]
        )


def test_scaling_is_registered_shown_and_taken_back(stocked: Plane) -> None:
    """For a variant that is there; its policies go with the target."""
    scaling = client("application-autoscaling", stocked.url)
    place = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/vehiclevision/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    policy = {
        "TargetValue": 600.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
    }

    scaling.register_scalable_target(**place, MinCapacity=1, MaxCapacity=4)
    scaling.register_scalable_target(**place, MaxCapacity=3)
    put = scaling.put_scaling_policy(
        **place,
        PolicyName="load",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=policy,
    )

    (target,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    (found,) = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 3)
    assert (found["PolicyARN"], found["TargetTrackingScalingPolicyConfiguration"]) == (put["PolicyARN"], policy)
    scaling.deregister_scalable_target(**place)
    assert scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"] == []
    with refused("ObjectNotFoundException", "No scalable target found"):
        scaling.deregister_scalable_target(**place)
    with refused("ValidationException", "no variant other"):
        other = {**place, "ResourceId": "endpoint/vehiclevision/variant/other"}
        scaling.register_scalable_target(**other, MinCapacity=1, MaxCapacity=4)


@pytest.fixture
def killable(tmp_path: Path, engine_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plane]:
    """A control plane in a process of its own."""
    monkeypatch.setenv("VEHICLEVISION_SAGEMAKER_SPEED", "600")
    point_at(tmp_path, engine_url)
    plane = Plane(servers.control(tmp_path).launch().ready(), engine_url, tmp_path)
    yield plane
    servers.control(tmp_path).stop()


def test_kill_9_in_the_middle_of_an_update_changes_nothing_in_the_end(killable: Plane, tmp_path: Path) -> None:
    """What was served is served all the time; the next start finishes the update."""
    stock(killable, tmp_path)
    created(killable, "killed")
    routing = {
        "Type": "LINEAR",
        "WaitIntervalInSeconds": 900,
        "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 50},
    }
    killable.sagemaker.update_endpoint(
        EndpointName="killed",
        EndpointConfigName="two",
        DeploymentConfig={"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}},
    )
    wait_for(lambda: len(killable.served()["killed"]["variants"]) == 2)

    kill(tmp_path)
    served = killable.served()["killed"]
    plane = Plane(servers.control(tmp_path).launch().ready(), killable.engine_url, tmp_path)

    assert all(Path(entry["model"]).exists() for entry in served["variants"])
    found = plane.settled("killed")
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "two")
    assert len(plane.served()["killed"]["variants"]) == 1


def test_what_was_deleted_stays_deleted_over_a_restart(engine_url: str, tmp_path: Path) -> None:
    """The default endpoint too, while there is another one."""
    point_at(tmp_path, engine_url)
    with control_plane(tmp_path, QUICK) as url:
        plane = Plane(url, engine_url, tmp_path)
        configure(plane, "same", [("same", "vehiclevision-shipped", 1.0)])
        created(plane, "kept", "same")
        plane.sagemaker.delete_endpoint(EndpointName="vehiclevision")
        wait_for(lambda: len(plane.sagemaker.list_endpoints()["Endpoints"]) == 1)

    with control_plane(tmp_path, QUICK) as url:
        again = Plane(url, engine_url, tmp_path)
        assert [found["EndpointName"] for found in again.sagemaker.list_endpoints()["Endpoints"]] == ["kept"]
        assert set(again.served()) == {"kept"}


def test_a_start_without_any_endpoint_serves_the_shipped_model(engine_url: str, tmp_path: Path) -> None:
    """After all was torn down, the next start gives what a first start gives."""
    point_at(tmp_path, engine_url)
    with control_plane(tmp_path, QUICK) as url:
        plane = Plane(url, engine_url, tmp_path)
        plane.sagemaker.delete_endpoint(EndpointName="vehiclevision")
        wait_for(lambda: not plane.sagemaker.list_endpoints()["Endpoints"])
        assert plane.served() == {}

    with control_plane(tmp_path, QUICK) as url:
        again = Plane(url, engine_url, tmp_path)
        assert again.sagemaker.describe_endpoint(EndpointName="vehiclevision")["EndpointStatus"] == "InService"
        assert set(again.served()) == {"vehiclevision"}


def test_the_default_endpoint_captures_as_a_deployed_one_does(engine_url: str, tmp_path: Path) -> None:
    """Everything it is asked goes below capture/ in the bucket that `sagemaker deploy` uses."""
    point_at(tmp_path, engine_url)
    with control_plane(tmp_path, QUICK) as url:
        plane = Plane(url, engine_url, tmp_path)
        described = plane.sagemaker.describe_endpoint(EndpointName="vehiclevision")["DataCaptureConfig"]
        served = plane.served()["vehiclevision"]["capture"]

    assert (described["CaptureStatus"], described["CurrentSamplingPercentage"]) == ("Started", 100)
    assert described["DestinationS3Uri"] == "s3://vehiclevision-sagemaker-000000000000-us-east-1/capture"
    assert served["CaptureOptions"] == [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}]
    assert served["CaptureContentTypeHeader"] == {"JsonContentTypes": ["application/json"]}
