"""The `monitor` commands: the scheduled check and retraining, deployed, asked, described and removed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import typer
from botocore.config import Config
from botocore.exceptions import ClientError

from cli.display import notes, output, print_json, printable, teller
from cli.display import typed as command
from cli.errors import USAGE, CommandError
from cli.sagemaker import SageMakerAccount
from cli.target import Target, state_directory
from lifecycle import foundation
from lifecycle.site import Aws
from local import deploy as local_deploy
from local import stack as local_stack
from local.sagemaker import runtime_process as local_sagemaker
from monitoring import check as checking
from monitoring.drift import baseline as baselines
from monitoring.drift.baseline import Baseline
from monitoring.errors import BaselineError
from monitoring.model_monitor import schedule
from retraining import parameters as retraining
from training.artefact import DEFAULT_MODEL

SUCCESS: Final = 0
DEFAULT_BASELINE: Final = DEFAULT_MODEL.with_name("baseline.json")
MONITORING: Final = local_deploy.MONITORING
RETRAINING: Final = local_deploy.RETRAINING
ALARMS: Final = ("drift", "silent-capture", "falling-coverage", "check-failing")
CHECK_SECONDS: Final = 620
# A run that is watched wants to end while somebody looks.
LOCAL_RETRAINING: Final = {"PollSeconds": "1", "WatchSeconds": "5"}
# What was a parameter once, and why it is none any more.
GONE: Final = {"SureShare": "one sure answer in twenty is put up for review, and a comparison counts with that."}


@dataclass(frozen=True)
class Where:
    """How AWS is reached, for commands that are not ours."""

    region: str | None = None
    profile: str | None = None


@dataclass(frozen=True)
class Wanted:
    """What `deploy` was asked for."""

    baseline: Path | None = None
    parameters: list[str] | tuple[str, ...] = ()
    data: str = ""
    model_monitor_image: str | None = None
    yes: bool = False


@dataclass(frozen=True)
class Captures:
    """Where the endpoint's requests are captured."""

    bucket: str
    prefix: str


# ---- deploy ----------------------------------------------------------------------------------------------------------


def deploy(target: Target, where: Where, wanted: Wanted, *, as_json: bool) -> int:
    """Put the baseline in its place, deploy monitoring and retraining, and check once."""
    given = _given(wanted.parameters)
    kept = given_before(target)
    aws = _aws(target, where)
    foundation.ensure(aws)
    stack = parameters_of(target)
    endpoint = stack["EndpointName"]
    captures = captures_of(target, aws, endpoint)
    room = checking.room_of(endpoint)
    version = put_baseline(target, captures.bucket, checking.baseline_key(endpoint), wanted.baseline)
    both = {
        "EventBusName": target.output("EventBusName"),
        "AlarmTopicArn": target.output("AlarmTopicArn"),
        "ConfidenceThreshold": stack["ConfidenceThreshold"],
        "EndpointName": endpoint,
        "KmsKeyArn": aws.site.kms_key or "",
        "LogRetentionDays": stack["LogRetentionDays"],
    }
    if not target.is_local:
        both |= {"PythonRuntime": stack["PythonRuntime"], "Architecture": stack["Architecture"]}
    parameters = {
        **both,
        "ResultsTableName": target.output("ResultsTableName"),
        "CaptureBucketName": captures.bucket,
        "CapturePrefix": captures.prefix,
    }
    of_retraining = {
        **kept,
        **both,
        "Application": target.stack,
        "UploadBucketName": target.output("BucketName"),
        "SageMakerBucketName": aws.site.bucket,
        "WatchedAlarms": f"{name_of(target)}-falling-coverage",
        **(LOCAL_RETRAINING if target.is_local else {}),
        **retraining.parameters(aws, data=wanted.data, shipped=DEFAULT_MODEL if target.is_local else None),
    }
    if wanted.model_monitor_image:
        parameters["ModelMonitorImage"] = wanted.model_monitor_image
        for name, content in schedule.objects().items():
            key = f"{room}/model-monitor/{name}"
            target.client("s3").put_object(Bucket=captures.bucket, Key=key, Body=content)
    outputs: dict[str, str] = {}
    for application, filled_in in ((MONITORING, parameters), (RETRAINING, of_retraining)):
        known = parameters_in(application)
        complete = {**filled_in, **{name: value for name, value in given.items() if name in known}}
        if target.is_local:
            outputs |= deploy_here(application, complete)
        else:
            outputs |= deploy_in_aws(application, target, where, complete, yes=wanted.yes, quiet=as_json)
    found = ask(target, outputs["CheckDriftFunctionName"], up_to_now(target))
    if as_json:
        print_json({"stack": name_of(target), "baseline": version, "outputs": outputs, "check": found})
        return SUCCESS
    output().print(f"The check is deployed: {name_of(target)}, baseline of model {version}.")
    _print_check(found)
    output().print(f"Check again at any time: {command()} monitor check{target.options}")
    return SUCCESS


def parameters_of(target: Target) -> dict[str, str]:
    """The application's parameters."""
    return _parameters(described(target, target.stack) or {})


def given_before(target: Target) -> dict[str, str]:
    """What retraining was given by a person while it was a part of monitoring's stack, as in earlier releases.

    There the update takes it away, so it is refused while a run is on its way.
    """
    stack = described(target, name_of(target)) or {}
    machine = _outputs(stack).get("RetrainModelStateMachineArn")
    if machine is None:
        return {}
    runs = target.client("stepfunctions").list_executions(stateMachineArn=machine, statusFilter="RUNNING", maxResults=1)
    if runs["executions"]:
        raise CommandError(
            f"Retraining moves out of {name_of(target)} into a stack of its own, and a run is on its way there.",
            "Let it end, or stop it in the Step Functions console; then the same command goes on: "
            f"{runs['executions'][0]['executionArn']}",
        )
    notes().print(f"Retraining moves out of {name_of(target)} into the stack {retraining_name_of(target)}.")
    return {name: value for name, value in _parameters(stack).items() if name in parameters_in(RETRAINING)}


def parameters_in(application: local_deploy.Application) -> frozenset[str]:
    """The names of a template's parameters."""
    text = (application.folder / "template.yaml").read_text("utf-8")
    section = text.partition("\nParameters:\n")[2].partition("\nConditions:\n")[0]
    return frozenset(re.findall(r"^  (\w+):$", section, re.MULTILINE))


def captures_of(target: Target, aws: Aws, endpoint: str) -> Captures:
    """Where the endpoint captures; if there is none yet, where `sagemaker deploy` will have it capture."""
    try:
        found = target.client("sagemaker").describe_endpoint(EndpointName=endpoint)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ValidationException":
            raise
        notes().print(f"There is no endpoint {printable(endpoint)} yet; it is checked once it captures.")
        return Captures(aws.site.bucket, "capture")
    capture = found.get("DataCaptureConfig") or {}
    if not capture.get("EnableCapture"):
        notes().print(
            f"The endpoint {printable(endpoint)} captures nothing. Deploy it with capture, or checks see none."
        )
    destination = capture.get("DestinationS3Uri") or aws.site.s3("capture")
    bucket, _, prefix = destination.removeprefix("s3://").partition("/")
    if not prefix.strip("/"):
        raise CommandError(
            f"The endpoint {printable(endpoint)} captures into the whole bucket {bucket}.",
            "Deploy it with: vehiclevision sagemaker deploy",
        )
    return Captures(bucket, prefix.strip("/"))


def put_baseline(target: Target, bucket: str, key: str, given: Path | None) -> str:
    """Have the baseline in the bucket; the version of the model that it is of.

    One that is there is of the model that is served, and stays unless another is named or it is an older state of ours.
    """
    s3 = target.client("s3")
    present = _present_baseline(s3, bucket, key)
    path = given or DEFAULT_BASELINE
    if given is None and present is not None and (not path.exists() or not _same_model(present, path)):
        return present.model_version
    found = baselines.load(path)
    s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes(), ContentType="application/json")
    return found.model_version


def _present_baseline(s3: Any, bucket: str, key: str) -> Baseline | None:
    try:
        return baselines.load(s3.get_object(Bucket=bucket, Key=key)["Body"].read(baselines.MAX_BYTES + 1))
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in ("NoSuchKey", "404"):
            raise
    except BaselineError as error:
        notes().print(f"{error.message} What is there cannot be used.")
    return None


def _same_model(present: Baseline, path: Path) -> bool:
    return present.model_version == baselines.load(path).model_version


def deploy_here(application: local_deploy.Application, parameters: Mapping[str, str]) -> dict[str, str]:
    """Build and deploy into the local AWS; quick when nothing changed."""
    return local_deploy.deploy(application, state_directory(), _environment(), teller(notes()), parameters)


def _environment() -> dict[str, str]:
    running = local_stack.running(state_directory())
    if running is None:
        raise CommandError("The local AWS is not running.", f"Start it with: {command()} up --detach")
    return running.environment()


def deploy_in_aws(
    application: local_deploy.Application,
    target: Target,
    where: Where,
    parameters: Mapping[str, str],
    *,
    yes: bool,
    quiet: bool,
) -> dict[str, str]:
    """Run `sam build` and `sam deploy` as one would by hand, and say so."""
    name = name_of(target) if application is MONITORING else retraining_name_of(target)
    build = [f"PythonRuntime={parameters['PythonRuntime']}", f"Architecture={parameters['Architecture']}"]
    arguments = ["--stack-name", name, "--region", target.region]
    if where.profile:
        arguments += ["--profile", where.profile]
    if yes:
        arguments.append("--no-confirm-changeset")
    overrides = local_deploy.overrides(parameters)
    _sam(application, ["build", "--parameter-overrides", *build], quiet=quiet)
    _sam(application, ["deploy", *arguments, "--parameter-overrides", *overrides], quiet=quiet)
    return _outputs(described(target, name) or {})


def _sam(application: local_deploy.Application, arguments: list[str], *, quiet: bool) -> None:
    line = " ".join(["sam", *arguments])
    notes().print(f"In {application.folder}: {printable(line)}")
    # A person may have to answer; only with --json does SAM's own talk go to standard error.
    done = subprocess.run(  # noqa: S603 - our own words and the application's outputs
        [str(local_deploy.sam_executable()), *arguments],
        cwd=application.folder,
        env={**os.environ, "SAM_CLI_TELEMETRY": "0"},
        stdout=sys.stderr if quiet else None,
        check=False,
    )
    if done.returncode != 0:
        raise CommandError(f"`sam {arguments[0]}` failed.", "What it said stands above.")


def _given(parameters: list[str] | tuple[str, ...]) -> dict[str, str]:
    known = parameters_in(MONITORING) | parameters_in(RETRAINING)
    given = {}
    for text in parameters:
        name, equals, value = text.partition("=")
        if not name.isalnum() or not equals:
            raise CommandError(
                f"{printable(text)[:60]} is no parameter.",
                "Write --parameter NAME=VALUE, such as AlarmRate=0.005.",
                USAGE,
            )
        if name in GONE:
            raise CommandError(f"{name} is no parameter any more: {GONE[name]}", "Leave it out.", USAGE)
        if name not in known:
            raise CommandError(
                f"There is no parameter {printable(name)[:60]}.",
                "monitoring/template.yaml and retraining/template.yaml list those that there are.",
                USAGE,
            )
        given[name] = value
    return given


def _aws(target: Target, where: Where) -> Aws:
    """SageMaker's side of the application."""
    if target.is_local:
        return SageMakerAccount().connect().aws
    account = SageMakerAccount(stack=target.stack, region=where.region or target.region, profile=where.profile)
    return account.connect().aws


# ---- check -----------------------------------------------------------------------------------------------------------


def check(target: Target, hours: int | None, *, as_json: bool) -> int:
    """Ask the function for a check up to now."""
    function = outputs_of(target)["CheckDriftFunctionName"]
    found = ask(target, function, {**up_to_now(target), **({"hours": hours} if hours else {})})
    if as_json:
        print_json(found)
        return SUCCESS
    _print_check(found)
    return SUCCESS


def up_to_now(target: Target) -> dict[str, Any]:
    """A window that ends now, with what the local endpoint was asked a second ago in it."""
    if target.is_local:
        local_sagemaker.flush(state_directory())
    return {"to": datetime.now(UTC).isoformat()}


def ask(target: Target, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Call the function once, however long it takes; a check that fails is an error here."""
    config = Config(connect_timeout=5, read_timeout=CHECK_SECONDS, retries={"total_max_attempts": 1})
    client = target.session.client("lambda", endpoint_url=target.endpoint_url, config=config)
    answer = client.invoke(FunctionName=function, Payload=json.dumps(event).encode())
    found: dict[str, Any] = json.loads(answer["Payload"].read() or b"{}")
    if answer.get("FunctionError"):
        raise CommandError(
            f"The check failed: {printable(str(found.get('errorMessage') or 'it ran out of time or memory'))[:300]}",
            "See docs/runbooks/check-failing.md",
        )
    return found


def _print_check(found: Mapping[str, Any]) -> None:
    console = output()
    window = found["window"]
    console.print(f"Checked {found['records']:,} records from {window['from'][:16]} to {window['to'][:16]} UTC.")
    if found["records_unreadable"]:
        console.print(f"  {found['records_unreadable']:,} lines could not be read: {_counts(found['unreadable'])}")
    console.print(f"  {'DRIFT. ' if found['drifted'] else ''}{printable(found['words'])}")
    if found["silent"]:
        console.print("  SILENT. The endpoint answers, and nothing is captured: docs/runbooks/silent-capture.md")
    if found["coverage"] is not None:
        before = f"in the baseline {found['coverage_before']:.0%}"
        console.print(f"  {found['coverage']:.0%} of the answers reach the threshold; {before}.")
    accuracy = found.get("estimated_accuracy")
    if accuracy and accuracy["holds"]:
        interval = f"{accuracy['low']:.0%} to {accuracy['high']:.0%}"
        console.print(f"  {accuracy['accuracy']:.0%} of those are right, as estimated without labels ({interval}).")
    if found.get("announced"):
        console.print("  DriftDetected was announced.")
    if found.get("report"):
        console.print(f"  {printable(found['report'])}")


def _counts(found: Mapping[str, int]) -> str:
    return ", ".join(f"{printable(name)} {count:,}" for name, count in found.items())


# ---- describe and remove ---------------------------------------------------------------------------------------------


def describe(target: Target, *, as_json: bool) -> int:
    """Schedule, alarms, baseline, last check."""
    name = name_of(target)
    outputs_of(target)
    stack = described(target, name) or {}
    parameters = _parameters(stack)
    bucket, endpoint = parameters["CaptureBucketName"], parameters["EndpointName"]
    s3 = target.client("s3")
    baseline = _present_baseline(s3, bucket, checking.baseline_key(endpoint))
    states = target.client("cloudwatch").describe_alarms(AlarmNames=[f"{name}-{alarm}" for alarm in ALARMS])
    facts = {
        "stack": name,
        "status": stack["StackStatus"],
        "endpoint": endpoint,
        "captures": f"s3://{bucket}/{parameters['CapturePrefix']}/{endpoint}/",
        "schedule": parameters["Schedule"],
        "window_hours": int(parameters["WindowHours"]),
        "alarm_rate": float(parameters["AlarmRate"]),
        "baseline": baseline.model_version if baseline else None,
        "alarms": {each["AlarmName"]: each["StateValue"] for each in states["MetricAlarms"]},
        "last_check": last_check(s3, bucket, endpoint),
    }
    if as_json:
        print_json(facts)
        return SUCCESS
    console = output()
    console.print(f"{name}: {facts['status']}")
    console.print(f"  checks      {facts['captures']}")
    console.print(
        f"  when        {facts['schedule']}, {facts['window_hours']} hours back, alarm rate {facts['alarm_rate']}"
    )
    console.print(f"  baseline    {'of model ' + baseline.model_version if baseline else 'none'}")
    for alarm, state in sorted(facts["alarms"].items()):
        console.print(f"  alarm       {alarm}: {state}")
    if facts["last_check"]:
        _print_check(facts["last_check"])
    return SUCCESS


def last_check(s3: Any, bucket: str, endpoint: str) -> dict[str, Any] | None:
    """What the newest check found; one level of folders after the other, as there are few a level."""
    prefix = f"{checking.room_of(endpoint)}/"
    for _ in range(4):
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, Delimiter="/")
        below = [each["Prefix"] for each in listed.get("CommonPrefixes", [])]
        numbered = [each for each in below if each.removeprefix(prefix).strip("/").isdigit()]
        if not numbered:
            return None
        prefix = max(numbered)
    try:
        found: dict[str, Any] = json.loads(s3.get_object(Bucket=bucket, Key=prefix + checking.RESULT)["Body"].read())
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in ("NoSuchKey", "404"):
            raise
        return None
    return found


def remove(target: Target, *, yes: bool, as_json: bool) -> int:
    """Delete retraining's stack and monitoring's."""
    names = {RETRAINING: retraining_name_of(target), MONITORING: name_of(target)}
    if target.is_local:
        removed = {names[each]: local_deploy.remove(each, state_directory(), _environment()) for each in names}
    else:
        outputs_of(target)
        question = f"Delete the stacks {' and '.join(names.values())}?"
        if not yes and not (sys.stdin.isatty() and typer.confirm(question, err=True)):
            raise CommandError("Nothing was deleted.", "Add --yes.", USAGE)
        removed = {name: _deleted(target, name) for name in names.values()}
    if as_json:
        print_json({"stack": name_of(target), "removed": removed[name_of(target)], "stacks": removed})
        return SUCCESS
    for name, was_there in removed.items():
        output().print(f"{name} is gone." if was_there else f"There is no {name}.")
    return SUCCESS


def _deleted(target: Target, name: str) -> bool:
    if described(target, name) is None:
        return False
    client = target.client("cloudformation")
    client.delete_stack(StackName=name)
    client.get_waiter("stack_delete_complete").wait(StackName=name)
    return True


def name_of(target: Target) -> str:
    """What monitoring's stack of the application is called."""
    return f"{target.stack}-monitoring"


def retraining_name_of(target: Target) -> str:
    """What retraining's stack of the application is called."""
    return f"{target.stack}-retraining"


def described(target: Target, name: str) -> dict[str, Any] | None:
    """CloudFormation's description of a stack; None if there is none."""
    try:
        return dict(target.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0])
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ValidationError":
            raise
        return None


def _parameters(stack: Mapping[str, Any]) -> dict[str, str]:
    return {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", [])}


def _outputs(stack: Mapping[str, Any]) -> dict[str, str]:
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}


def outputs_of(target: Target) -> dict[str, str]:
    """The outputs of monitoring's stack; CommandError while it is not deployed."""
    outputs = _outputs(described(target, name_of(target)) or {})
    if "CheckDriftFunctionName" not in outputs:
        raise CommandError(
            f"Monitoring of {target.stack} is not deployed.", f"Deploy it: {command()} monitor deploy{target.options}"
        )
    return outputs
