"""Deploy the check, or bring it up to date, and check once.

Retraining, and the join that looks for lost photos every hour, are deployed beside it. The parameters come from the
application's stack, from its endpoint and from SageMaker's side of it.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import typer

from cli.checks import ask, told
from cli.display import notes, printable, tell, typed
from cli.errors import CommandError
from cli.options import Application, AsJson, BaselineFile, YesToQuestions, option
from cli.sagemaker import Connection, SageMakerAccount
from cli.sam import Deployer, given_parameters, parameters_in, taken_over, template_of
from cli.target import Target
from lifecycle import foundation, prices, stacks
from lifecycle import lean as thrift
from lifecycle.images import OWN
from lifecycle.jobs import DEFAULT_INSTANCES
from lifecycle.site import CAPTURES, Aws
from local.deploy import MONITORING, RECONCILING, RETRAINING
from monitoring import watched
from monitoring.last_check import room_of
from monitoring.model_monitor import schedule
from retraining.parameters import parameters as retraining_parameters
from training.artefact import DEFAULT_MODEL
from vehiclevision.results import bucket_and_key

DEFAULT_BASELINE: Final = DEFAULT_MODEL.with_name("baseline.json")
EVERY_PHOTO: Final = "100"
# A run that is watched wants to end while somebody looks.
LOCAL_RETRAINING: Final = {"PollSeconds": "1", "WatchSeconds": "5"}
# What was a parameter once, and why it is none any more.
GONE: Final = {"SureShare": "one sure answer in twenty is put up for review, and a comparison counts with that."}


def command(
    *,
    application: Application,
    baseline: BaselineFile = None,
    parameters: Annotated[
        list[str] | None,
        option(
            "--parameter",
            "NAME=VALUE",
            "A parameter of the template of monitoring, retraining or reconciling; repeatable.",
        ),
    ] = None,
    data: Annotated[str, option("--data", "S3", "Retrain with this training data; else with the last loaded.")] = "",
    model_monitor_image: Annotated[
        str | None,
        typer.Option(
            "--model-monitor-image",
            metavar="URI",
            help="Also run SageMaker Model Monitor's own schedule, with its image of your region. New customers "
            "cannot have it.",
        ),
    ] = None,
    yes: YesToQuestions = False,
    as_json: AsJson = False,
) -> int:
    """Put the baseline in its place, deploy monitoring, retraining and reconciling, and check once."""
    target, given = application.target(), given_to_all(parameters or [])
    kept = given_before(target)
    connection = _sagemaker(target, application)
    aws = connection.aws
    foundation.ensure(aws)
    stack = stacks.parameters(stacks.described(target.client, target.stack))
    endpoint, s3 = stack["EndpointName"], target.client("s3")
    # An application of an earlier release has no such parameter, and is watched as it always was.
    watch = stack.get("Watch", "full")
    bucket, prefix, percent = captures_of(target, aws, stack)
    version = watched.put_baseline(s3, bucket, endpoint, baseline, shipped=DEFAULT_BASELINE, tell=notes().print)
    # Each application takes of these what its own template names.
    values = {
        **taken_over(target),
        **as_often(watch, stacks.parameters(stacks.described(target.client, target.beside("reconciling")))),
        "Application": target.stack,
        "Watch": watch,
        "UploadBucketName": target.output("BucketName"),
        "ResultsTableName": target.output("ResultsTableName"),
        "EventBusName": target.output("EventBusName"),
        "AlarmTopicArn": target.output("AlarmTopicArn"),
        "EndpointName": endpoint,
        "ConfidenceThreshold": stack["ConfidenceThreshold"],
        "CaptureBucketName": bucket,
        "CapturePrefix": prefix,
        "CapturePercent": percent,
        "SageMakerBucketName": aws.site.bucket,
        "KmsKeyArn": aws.site.kms_key or "",
        # What the photos themselves say within the watch; coverage is known once a day, so it counts in a long one.
        "WatchedAlarms": f"{target.stack}-review-share,{target.beside('monitoring')}-falling-coverage",
        **(LOCAL_RETRAINING if target.is_local else {}),
        **retraining_parameters(
            aws,
            cost=connection.price(DEFAULT_INSTANCES[OWN], prices.TRAINING),
            data=data,
            shipped=DEFAULT_MODEL if target.is_local else None,
        ),
    }
    if model_monitor_image:
        values["ModelMonitorImage"] = model_monitor_image
        for name, content in schedule.objects().items():
            s3.put_object(Bucket=bucket, Key=f"{room_of(endpoint)}/model-monitor/{name}", Body=content)
    deployer = Deployer(target, application.profile, yes, quiet=as_json)
    outputs: dict[str, str] = {}
    for each, room, before in (
        (MONITORING, "monitoring", {}),
        (RETRAINING, "retraining", kept),
        (RECONCILING, "reconciling", {}),
    ):
        own = _own({**values, **given}, parameters_in(each))
        outputs |= deployer.deploy(each, target.beside(room), {**before, **own})
    check = ask(target, outputs["CheckDriftFunctionName"])
    return tell(
        as_json,
        {"stack": target.beside("monitoring"), "baseline": version, "outputs": outputs, "check": check},
        f"The check is deployed: {target.beside('monitoring')}, baseline of model {version}.",
        *told(check),
        f"Check again at any time: {typed()} monitor check{target.options}",
    )


def given_to_all(texts: Sequence[str]) -> dict[str, str]:
    """The parameters of monitoring, retraining and reconciling that were typed, by their names."""
    known = parameters_in(MONITORING) | parameters_in(RETRAINING) | parameters_in(RECONCILING)
    return given_parameters(texts, known, "The template.yaml in monitoring, retraining and reconciling lists", GONE)


def as_often(watch: str, before: Mapping[str, str]) -> dict[str, str]:
    """How often the join goes on, as the application is watched: what `lean` has, or where that ends, as at first."""
    lean, defaults = thrift.parameters(RECONCILING.folder), template_of(RECONCILING)["Parameters"]
    names = lean.keys() & {"JoinSchedule", "HoursWithoutJoin"}
    if watch == "lean":
        return {name: lean[name] for name in names}
    return {name: str(defaults[name]["Default"]) for name in names if before.get(name) == lean[name]}


def given_before(target: Target) -> dict[str, str]:
    """What retraining was given by a person while it was a part of monitoring's stack, as in earlier releases.

    There the update takes it away, so it is refused while a run is on its way.
    """
    stack = stacks.described(target.client, target.beside("monitoring")) or {}
    machine = stacks.outputs(stack).get("RetrainModelStateMachineArn")
    if machine is None:
        return {}
    runs = target.client("stepfunctions").list_executions(stateMachineArn=machine, statusFilter="RUNNING", maxResults=1)
    if runs["executions"]:
        raise CommandError(
            f"Retraining moves out of {stack['StackName']} into its own stack, and a run is on its way there.",
            "Let it end, or stop it in the Step Functions console; then the same command goes on: "
            f"{runs['executions'][0]['executionArn']}",
        )
    notes().print(
        f"Retraining moves out of {target.beside('monitoring')} into the stack {target.beside('retraining')}."
    )
    return _own(stacks.parameters(stack), parameters_in(RETRAINING))


def captures_of(target: Target, aws: Aws, stack: Mapping[str, str]) -> tuple[str, str, str]:
    """Bucket and prefix of the endpoint's captures, and how many photos in a hundred are captured; without an endpoint,
    of what `sagemaker deploy` will capture."""
    endpoint = stack["EndpointName"]
    settings = watched.capture_settings(target.client, endpoint, stack)
    if settings is None:
        notes().print(f"There is no endpoint {printable(endpoint)} yet; it is checked once it captures.")
        return aws.site.bucket, CAPTURES, EVERY_PHOTO
    if not settings.get("EnableCapture"):
        notes().print(
            f"The endpoint {printable(endpoint)} captures nothing. Deploy it with capture, or checks see none."
        )
    destination = settings.get("DestinationS3Uri") or aws.site.s3(CAPTURES)
    bucket, prefix = bucket_and_key(destination)
    if not prefix.strip("/"):
        raise CommandError(
            f"The endpoint {printable(endpoint)} captures into the whole bucket {bucket}.",
            "Deploy it with: vehiclevision sagemaker deploy",
        )
    return bucket, prefix.strip("/"), str(settings.get("InitialSamplingPercentage") or EVERY_PHOTO)


def _sagemaker(target: Target, application: Application) -> Connection:
    """SageMaker's side of the application."""
    if target.is_local:
        return SageMakerAccount().connect()
    return SageMakerAccount(stack=target.stack, region=target.region, profile=application.profile).connect()


def _own(values: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name in names}
