"""Every request that goes to AWS, against AWS's own model: types, members, enums, patterns, lengths and ranges."""

import json
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.validate import ParamValidator

from lifecycle import endpoint, foundation, jobs, registry, serving_image
from lifecycle.endpoint import Hosting, Serverless
from lifecycle.images import BUILTIN, OWN, on_gpu, training_image
from lifecycle.jobs import Data, Training
from lifecycle.registry import Candidate, Version
from lifecycle.site import OWNER_TAG, Request, Site, clipped
from local.sagemaker.control.protocol import problems
from tests.unit.lifecycle.fake_aws import ACCOUNT, REGION
from tests.unit.lifecycle.steps import BUILTIN_FACTS
from vehiclevision.labels import MODEL_INPUT_SIDE

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
SITES = [
    Site("vehiclevision", ACCOUNT, REGION),
    Site("vehiclevision", ACCOUNT, REGION, kms_key=KEY),
    Site("a" * 40 + "-very-long-stack-name", ACCOUNT, "ap-southeast-2"),
]
PACKAGE = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/vehiclevision/3"
HOSTINGS = [
    Hosting(),
    Hosting("ml.c5.large", 3, 6, 25),
    Hosting(capture_percent=0),
    Hosting("ml.c7g.large"),
    Hosting(serverless=Serverless()),
]


def training(site: Site, algorithm: str, **options: Any) -> Training:
    data = Data(site.s3("training-data/abc-1/"), "a" * 64, BUILTIN_FACTS)
    image = f"763104351884.dkr.ecr.{REGION}.amazonaws.com/pytorch-training:2.10.0-cpu-py313"
    source = site.s3("code/1/sourcedir.tar.gz") if algorithm == OWN else None
    return Training(algorithm, data, image, source, revision="c" * 40, **options)


def version(algorithm: str = OWN) -> Version:
    return Version(3, PACKAGE, registry.APPROVED, {"algorithm": algorithm}, "1.dkr.ecr/image:x-x86-64")


def everything(site: Site) -> Iterator[Request]:
    """Each kind of request, with each kind of option."""
    yield foundation.request(site)
    yield foundation.request(site, "update_stack")
    for algorithm in (OWN, BUILTIN):
        for spot in (True, False):
            for model in (None, site.s3("jobs/x/output/model.tar.gz")):
                yield jobs.training_job(site, training(site, algorithm, spot=spot, model=model, quick=True), 2)
        yield jobs.tuning_job(site, training(site, algorithm, spot=False), 8, 2, 11)
    yield registry.group_request(site)
    for algorithm in (OWN, BUILTIN):
        metrics = {"validation accuracy": 0.9467, "photos neither_passed": 0.02}
        candidate = Candidate(
            algorithm, site.image("x"), site.s3("models/1/model.tar.gz"), "f" * 64, "a" * 64, "c" * 40, 0.7, metrics,
            site.s3("models/1/evaluation.json"), "job-1", "eeae90ddef76",
        )  # fmt: skip
        yield registry.version_request(site, candidate)
    yield registry.approval_request(version(), registry.APPROVED, "")
    for hosting in HOSTINGS:
        named = endpoint.names(site, version(), hosting)
        yield endpoint.model_request(site, version(), named.model, hosting)
        yield endpoint.config_request(site, named, hosting)
        yield endpoint.endpoint_request(site, named.config)
        for live in (None, 1, 4):
            yield endpoint.update_request(site, named.config, hosting, [site.alarm("errors")], live)
        yield endpoint.update_request(site, named.config, hosting, [], 1)
        yield from endpoint.scaling_requests(site, hosting)
    yield endpoint.unscaling_request(site)
    yield from endpoint.alarm_requests(site)
    yield from endpoint.log_requests(site)
    for architecture in ("x86_64", "arm64"):
        yield serving_image.build_request(site, "0123456789abcdef-arm64", architecture)


@pytest.mark.parametrize("site", SITES, ids=["plain", "with a key", "long name"])
def test_every_request_is_valid(site: Site) -> None:
    """AWS's own model has nothing against any request, and each could be written down as JSON for a dry run."""
    session = botocore.session.get_session()
    seen = set()
    for request in everything(site):
        service = session.get_service_model(request.service)
        operation = next(name for name in service.operation_names if xform_name(name) == request.operation)
        shape: Any = service.operation_model(operation).input_shape

        assert not ParamValidator().validate(request.parameters, shape).has_errors(), request
        assert list(problems(request.parameters, shape, "")) == [], request
        json.dumps(request.as_json())
        seen.add(request.operation)
    assert len(seen) == 18


@pytest.mark.parametrize("site", SITES, ids=["plain", "with a key", "long name"])
def test_everything_that_takes_tags_gets_ours(site: Site) -> None:
    """Teardown finds by tag: nothing is made without it. A version has its group's; a policy goes with its target."""
    tagged = set()
    for request in everything(site):
        given = request.parameters.get("Tags", request.parameters.get("tags"))
        if given is not None:
            keys = set(given) if isinstance(given, dict) else {tag["Key"] for tag in given}
            assert OWNER_TAG in keys, request.operation
            tagged.add(request.operation)

    assert tagged == {
        "create_stack", "update_stack", "create_training_job", "create_hyper_parameter_tuning_job",
        "create_model_package_group", "create_model", "create_endpoint_config", "create_endpoint",
        "register_scalable_target", "put_metric_alarm", "create_log_group",
    }  # fmt: skip


def test_a_job_is_named_after_what_it_does() -> None:
    """The same job has the same name; other data, code or settings give another; the revision alone does not."""
    site = SITES[0]

    def name(**options: Any) -> str:
        return str(jobs.training_job(site, training(site, OWN, **options)).parameters["TrainingJobName"])

    assert name() == name()
    assert len({name(), name(quick=True), name(spot=False), name(instance_type="ml.c5.xlarge")}) == 4
    again = jobs.training_job(site, training(site, OWN), 3).parameters["TrainingJobName"]
    assert again == f"{name()}-3"


# What AWS's developer guide says of the hyperparameter num_layers ("Image Classification Hyperparameters", as of
# November 2026): "For transfer learning, the number of layers defines the architecture of base network and hence can
# only be selected from the set [18, 34, 50, 101, 152, 200]."
TRANSFER_LAYERS = {18, 34, 50, 101, 152, 200}


def test_the_built_in_algorithm_goes_on_from_published_weights() -> None:
    """Few of the layers that have any, small steps, augmentation, the data's own counts, four image channels."""
    request = jobs.training_job(SITES[0], training(SITES[0], BUILTIN)).parameters

    given = request["HyperParameters"]
    assert given["use_pretrained_model"] == "1"
    assert int(given["num_layers"]) == min(TRANSFER_LAYERS)
    assert given["image_shape"] == f"3,{MODEL_INPUT_SIDE},{MODEL_INPUT_SIDE}"
    assert float(given["learning_rate"]) <= 0.01
    assert given["augmentation_type"] == "crop_color_transform"
    assert (given["num_classes"], given["num_training_samples"]) == ("2", "960")
    channels = {channel["ChannelName"]: channel for channel in request["InputDataConfig"]}
    assert set(channels) == {"train", "validation", "train_lst", "validation_lst"}
    assert {channel["ContentType"] for channel in channels.values()} == {"application/x-image"}
    assert request["ResourceConfig"]["InstanceType"] == "ml.g4dn.xlarge"
    assert request["StoppingCondition"]["MaxWaitTimeInSeconds"] > request["StoppingCondition"]["MaxRuntimeInSeconds"]
    assert request["CheckpointConfig"]["LocalPath"] == "/opt/ml/checkpoints"


def test_incremental_training_goes_on_from_a_model() -> None:
    """The current model comes in through a fifth channel of the type that the algorithm knows, instead of weights."""
    model = "s3://bucket/jobs/x/output/model.tar.gz"

    request = jobs.training_job(SITES[0], training(SITES[0], BUILTIN, model=model)).parameters

    (channel,) = [each for each in request["InputDataConfig"] if each["ChannelName"] == "model"]
    assert channel["ContentType"] == "application/x-sagemaker-model"
    assert channel["DataSource"]["S3DataSource"]["S3Uri"] == model
    assert request["HyperParameters"]["use_pretrained_model"] == "0"


@pytest.mark.parametrize("algorithm", [OWN, BUILTIN])
def test_tuning_searches_what_is_not_fixed(algorithm: str) -> None:
    """The objective is accuracy on the validation part, and no hyperparameter is both fixed and searched."""
    request = jobs.tuning_job(SITES[0], training(SITES[0], algorithm, spot=False), 8, 2).parameters

    config = request["HyperParameterTuningJobConfig"]
    searched = {each["Name"] for ranges in config["ParameterRanges"].values() for each in ranges}
    assert config["HyperParameterTuningJobObjective"] == {"Type": "Maximize", "MetricName": "validation:accuracy"}
    assert searched
    assert not searched & request["TrainingJobDefinition"]["StaticHyperParameters"].keys()
    assert len(request["HyperParameterTuningJobName"]) <= 32


def test_pictures_are_captured_whole_and_answers_as_text() -> None:
    """Every request by default; JSON answers stay readable, all other types are kept in base64."""
    config = endpoint.config_request(SITES[1], endpoint.names(SITES[1], version(), Hosting()), Hosting()).parameters

    capture = config["DataCaptureConfig"]
    assert (capture["EnableCapture"], capture["InitialSamplingPercentage"]) == (True, 100)
    assert capture["CaptureContentTypeHeader"] == {"JsonContentTypes": ["application/json"]}
    assert [each["CaptureMode"] for each in capture["CaptureOptions"]] == ["Input", "Output"]
    assert capture["KmsKeyId"] == config["KmsKeyId"] == KEY


def test_serverless_has_neither_capture_nor_scaling_nor_isolation() -> None:
    """AWS takes none of them on a serverless endpoint; its model has a name of its own."""
    hosting = Hosting(serverless=Serverless(3072))
    named = endpoint.names(SITES[1], version(), hosting)

    config = endpoint.config_request(SITES[1], named, hosting).parameters
    model = endpoint.model_request(SITES[1], version(), named.model, hosting).parameters

    assert model["EnableNetworkIsolation"] is False
    assert named.model != endpoint.names(SITES[1], version(), Hosting()).model
    assert "DataCaptureConfig" not in config
    assert "InstanceType" not in config["ProductionVariants"][0]
    assert endpoint.scaling_requests(SITES[1], hosting) == []


def update(hosting: Hosting, live: int | None) -> Any:
    return endpoint.update_request(SITES[0], "config", hosting, ["a"], live).parameters


def test_a_serverless_endpoint_is_updated_without_guardrails() -> None:
    """From serverless to serverless and to instances, from where there is no way back: no policy, no alarms."""
    for hosting, live in ((Hosting(serverless=Serverless()), None), (Hosting(), None)):
        assert update(hosting, live) == {"EndpointName": "vehiclevision", "EndpointConfigName": "config"}


@pytest.mark.parametrize(
    ("asked", "live", "kept", "canary"),
    [
        (Hosting(instances=1, max_instances=2), 1, True, False),
        (Hosting(instances=1, max_instances=4), 3, True, False),
        (Hosting(instances=2, max_instances=4), 1, False, False),
        (Hosting(instances=2, max_instances=4), 2, True, True),
        (Hosting(instances=2, max_instances=3), 5, False, True),
    ],
)
def test_a_canary_is_never_more_than_half_of_either_fleet(asked: Hosting, live: int, kept: bool, canary: bool) -> None:
    """One instance goes first only where old and new have two; a live count is kept only within what was asked for."""
    request = update(asked, live)

    routing = request["DeploymentConfig"]["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
    assert request.get("RetainAllVariantProperties", False) is kept
    assert (routing["Type"] == "CANARY") is canary
    assert ("CanarySize" in routing) is canary


def test_an_update_overrides_no_property_that_aws_does_not_support() -> None:
    """What is captured is in the new configuration, and is no property of the variant to be left out."""
    assert "ExcludeRetainedVariantProperties" not in update(Hosting(), 1)


def test_traffic_moves_one_instance_first_where_there_are_two() -> None:
    """A canary may be half of the fleet at most, so a fleet of one moves at once; both are watched afterwards."""
    one, two = (endpoint.deployment(n, ["a"])["BlueGreenUpdatePolicy"] for n in (1, 2))

    assert one["TrafficRoutingConfiguration"]["Type"] == "ALL_AT_ONCE"
    assert two["TrafficRoutingConfiguration"]["CanarySize"] == {"Type": "INSTANCE_COUNT", "Value": 1}
    assert one["TrafficRoutingConfiguration"]["WaitIntervalInSeconds"] >= 180


def test_a_key_is_left_out_where_aws_takes_none() -> None:
    """Instances with a GPU have disks of their own, for which a volume key is refused."""
    on_cpu = jobs.training_job(SITES[1], training(SITES[1], OWN)).parameters
    gpu = jobs.training_job(SITES[1], training(SITES[1], BUILTIN)).parameters

    assert on_cpu["ResourceConfig"]["VolumeKmsKeyId"] == KEY
    assert "VolumeKmsKeyId" not in gpu["ResourceConfig"]
    assert gpu["OutputDataConfig"]["KmsKeyId"] == KEY


@pytest.mark.parametrize(
    ("instance", "gpu", "architecture"),
    [
        ("ml.m5.xlarge", False, "x86_64"),
        ("ml.g4dn.xlarge", True, "x86_64"),
        ("ml.p3.2xlarge", True, "x86_64"),
        ("ml.c7g.large", False, "arm64"),
        ("ml.m6g.large", False, "arm64"),
        ("ml.c5.large", False, "x86_64"),
    ],
)
def test_instance_types_are_told_apart(instance: str, gpu: bool, architecture: str) -> None:
    """The image depends on GPU and processor."""
    assert on_gpu(instance) is gpu
    assert endpoint.architecture(instance) == architecture


def test_the_pytorch_image_is_known_without_the_sdk() -> None:
    """In the regions of AWS's first account the address needs no SDK; CPU and GPU differ; a given image wins."""
    site = SITES[0]

    cpu, gpu = (training_image(site, OWN, instance) for instance in ("ml.m5.xlarge", "ml.g5.xlarge"))

    assert cpu == "763104351884.dkr.ecr.eu-central-1.amazonaws.com/pytorch-training:2.10.0-cpu-py313"
    assert gpu.endswith(":2.10.0-gpu-py313")
    assert training_image(site, BUILTIN, "ml.g4dn.xlarge", "mine:1") == "mine:1"


def test_long_names_stay_apart() -> None:
    """A name that AWS would not take is cut and marked with a hash, so two long ones never meet."""
    names = {clipped("x" * 70 + end, 63) for end in ("a", "b")}

    assert len(names) == 2
    assert {len(name) for name in names} == {63}
