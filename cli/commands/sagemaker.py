"""The `sagemaker` commands: what they ask, tell and print; the work is done by lifecycle."""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import typer

from cli import target as targets
from cli.display import command, notes, output, print_json, printable
from cli.errors import FAILURE, INTERRUPTED, USAGE, CommandError
from cli.target import Target
from lifecycle import deploy as deploying
from lifecycle import (
    endpoint,
    foundation,
    images,
    jobs,
    prices,
    registry,
    runs,
    serving_image,
    source,
    teardown,
)
from lifecycle.endpoint import Hosting
from lifecycle.errors import NothingFoundError
from lifecycle.images import BUILTIN, OWN
from lifecycle.jobs import Data, Training
from lifecycle.place import Aws, Place, Request
from lifecycle.registry import Version
from training.data.load import DEFAULT_PREFIX
from training.data.manifest import read_manifest

SUCCESS: Final = 0
JOBS_SHOWN: Final = 10


@dataclass(frozen=True)
class Where:
    """Which account and region, and how it is worked in."""

    stack: str | None = None
    region: str | None = None
    profile: str | None = None
    aws: bool = False
    kms_key: str | None = None

    @property
    def options(self) -> str:
        """What to add to the next command so that it works in the same place."""
        given = {"--stack": self.stack, "--region": self.region, "--profile": self.profile}
        words = [f" {name} {value}" for name, value in given.items() if value]
        return "".join([" --aws" if self.aws else "", *words])


@dataclass(frozen=True)
class Connected:
    """The account, and our place in it."""

    where: Where
    target: Target
    aws: Aws


@dataclass(frozen=True)
class How:
    """How a command talks."""

    yes: bool = False
    as_json: bool = False
    print_requests: bool = False


@dataclass(frozen=True)
class Wanted:
    """What `train` and `tune` were asked for."""

    algorithm: str = OWN
    data: str = ""
    quick: bool = False
    spot: bool = True
    instance_type: str = ""
    image: str | None = None
    incremental: bool = False
    again: bool = False
    wait: bool = True


def train(at: Connected, wanted: Wanted, how: How) -> int:
    """Train a model."""
    target, aws = at.target, at.aws
    training = _training(target, aws, wanted, how)
    if how.print_requests:
        return _print_requests(_with_foundation(aws, [jobs.training_job(aws.place, training)]))
    cost = prices.price(training.instance, prices.TRAINING, aws.place.region, _price_list(target))
    _confirm(target, how, prices.training_words(training.instance, jobs.MAX_HOURS, spot=training.spot, found=cost))
    foundation.ensure(aws)
    name = runs.start(aws, _staged(aws, training, wanted), again=wanted.again)
    if not wanted.wait:
        return _tell(how, {"training_job": name}, f"{name} is started. Follow it with the same command.")
    try:
        done = runs.follow(aws, name)
    except KeyboardInterrupt:
        return _left_alone(name)
    measured = {each["MetricName"]: each["Value"] for each in done.get("FinalMetricDataList", [])}
    model_url = done["ModelArtifacts"]["S3ModelArtifacts"]
    facts = {"training_job": name, "model_url": model_url, "metrics": measured}
    return _tell(how, facts, f"{name} is done.", _next(at.where, "register --latest"))


def tune(at: Connected, wanted: Wanted, how: How, search_jobs: int, at_once: int) -> int:
    """Search for good hyperparameters."""
    target, aws = at.target, at.aws
    training = _training(target, aws, replace(wanted, spot=False), how)
    if how.print_requests:
        return _print_requests(_with_foundation(aws, [jobs.tuning_job(aws.place, training, search_jobs, at_once)]))
    cost = prices.price(training.instance, prices.TRAINING, aws.place.region, _price_list(target))
    words = prices.training_words(training.instance, jobs.MAX_HOURS, spot=False, found=cost, jobs=search_jobs)
    _confirm(target, how, words)
    foundation.ensure(aws)
    name = runs.start_search(aws, _staged(aws, training, wanted), search_jobs, at_once, again=wanted.again)
    if not wanted.wait:
        return _tell(how, {"tuning_job": name}, f"{name} is started. Follow it with the same command.")
    try:
        done = runs.follow_search(aws, name)
    except KeyboardInterrupt:
        return _left_alone(name)
    best = done.get("BestTrainingJob", {})
    facts = {
        "tuning_job": name,
        "best_training_job": best.get("TrainingJobName"),
        "hyperparameters": best.get("TunedHyperParameters", {}),
        "value": best.get("FinalHyperParameterTuningJobObjectiveMetric", {}).get("Value"),
    }
    best_words = f"Best: {facts['best_training_job']}, {jobs.OBJECTIVE} {facts['value']}, {facts['hyperparameters']}"
    return _tell(how, facts, best_words, _next(at.where, f"register --job {facts['best_training_job']}"))


def register(at: Connected, how: How, model: Path | None, job: str | None, architecture: str) -> int:
    """Register a model: a file, a job's, or the newest job's."""
    target, aws = at.target, at.aws
    if model is not None and not model.is_file():
        raise CommandError(f"There is no {printable(str(model))}.", "Name a model.tar.gz with --model.", USAGE)
    files = serving_image.context()
    image = aws.place.image(serving_image.tag(files, architecture))
    if how.print_requests:
        example = registry.Candidate(OWN, image, aws.place.s3("models/HASH/model.tar.gz"), "HASH")
        return _print_requests(
            _with_foundation(aws, [registry.group_request(aws.place), registry.version_request(aws.place, example)])
        )
    foundation.ensure(aws)
    if model is not None:
        candidate = runs.candidate_of_file(aws, model, image, code_revision=runs.revision())
    else:
        candidate = runs.candidate_of_job(aws, job or runs.newest_job(aws), image)
    if candidate.algorithm == OWN and not target.is_local:
        if not serving_image.is_there(aws, serving_image.tag(files, architecture)):
            _confirm(target, how, "AWS CodeBuild builds the serving image, once: five minutes, a few cents.")
        serving_image.ensure(aws, files, architecture)
    version = registry.register(aws, candidate)
    words = f"Version {version.number} is registered and {version.status}: {_figures(version)}"
    return _tell(how, version.as_json(), words, _next(at.where, f"approve --version {version.number}"))


def approve(at: Connected, how: How, number: int | None, reason: str, *, reject: bool) -> int:
    """Approve a version, or reject it."""
    aws = at.aws
    version = registry.chosen(registry.versions(aws), number)
    status = registry.REJECTED if reject else registry.APPROVED
    request = registry.approval_request(version, status, reason)
    if how.print_requests:
        return _print_requests([request])
    if not how.as_json:
        output().print(f"Version {version.number}: {_figures(version)}")
    if not how.yes:
        _ask(f"Mark version {version.number} as {status}?")
    if version.status != status:
        aws.client(request.service).update_model_package(**request.parameters)
    approved = replace(version, status=status)
    following = "" if reject else _next(at.where, "deploy --latest")
    return _tell(how, approved.as_json(), f"Version {version.number} is {status}.", following)


def deploy(at: Connected, how: How, number: int | None, hosting: Hosting) -> int:
    """Deploy the newest approved version, or one by its number."""
    target, aws = at.target, at.aws
    version = registry.deployable(registry.versions(aws), number)
    return _deploy(target, aws, how, version, hosting)


def rollback(at: Connected, how: How, number: int | None) -> int:
    """Deploy an earlier version as the present one is served."""
    target, aws = at.target, at.aws
    found = registry.versions(aws)
    state = deploying.look(aws, _application_alarm(aws))
    live = deploying.live_version(aws, found, state)
    version = registry.before(found, live.number) if number is None else registry.deployable(found, number)
    aws.tell(f"From version {live.number} back to version {version.number}")
    return _deploy(target, aws, how, version, deploying.hosting_of(aws, state))


def describe(at: Connected, how: How) -> int:
    """What there is: endpoint, versions, jobs."""
    target, aws = at.target, at.aws
    place = aws.place
    live = registry.found_or_none(aws, "describe_endpoint", EndpointName=place.endpoint)
    state = deploying.State(live, _config_of(aws, live), (), ())
    found = registry.versions(aws)
    serving = _serving(aws, found, state)
    alarms = deploying.alarm_states(aws, [*map(place.alarm, endpoint.ALARMS), _application_alarm(aws)])
    stack = foundation.describe(aws)
    facts = {
        "application": place.application,
        "region": place.region,
        "bucket": place.bucket if stack else None,
        "endpoint": place.endpoint,
        "endpoint_status": live["EndpointStatus"] if live else None,
        "version": serving.number if serving else None,
        "threshold": serving.threshold if serving else None,
        "capture": bool(state.live and state.live.get("DataCaptureConfig", {}).get("EnableCapture")),
        "alarms": alarms,
        "versions": [version.as_json() for version in found],
        "training_jobs": _jobs(aws),
    }
    if how.as_json:
        print_json(facts)
        return SUCCESS
    _print_facts(facts, found, target)
    return SUCCESS


def take_down(at: Connected, how: How, *, dry_run: bool, endpoint_only: bool, application: bool) -> int:
    """Take everything away, then look again."""
    target, aws = at.target, at.aws
    items = teardown.find(aws, endpoint_only=endpoint_only, application=application)
    if not how.as_json:
        for item in items:
            output().print(f"  {item.kind} {printable(item.name)}")
    if dry_run or not items:
        words = "Nothing was deleted." if items else "There is nothing of ours to delete."
        return _tell(how, {"found": [item.as_json() for item in items], "deleted": []}, words)
    if not how.yes:
        _ask(f"Delete these {len(items)} in {_where_words(target)}? What is in the bucket cannot be brought back.")
    teardown.remove(aws, items)
    left = teardown.find(aws, endpoint_only=endpoint_only, application=application)
    tagged = None if endpoint_only else teardown.still_tagged(aws)
    facts = {
        "found": [item.as_json() for item in items],
        "deleted": [item.as_json() for item in items if item not in left],
        "left": [item.as_json() for item in left],
        "still_tagged": tagged,
    }
    if how.as_json:
        print_json(facts)
    else:
        _print_left(left, tagged)
    return FAILURE if left else SUCCESS


# ---- how a place is reached ------------------------------------------------------------------------------------------


def connect(where: Where) -> Connected:
    """The account, and the place in it; each client is made once."""
    target = targets.find_account(where.stack, where.region, where.profile, aws=where.aws)
    identity = target.client("sts").get_caller_identity()
    partition = str(identity["Arn"]).split(":")[1]
    place = Place(target.stack, str(identity["Account"]), target.region, partition, where.kms_key)
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = target.client(service)
        return made[service]

    console = notes()
    aws = Aws(place, client, lambda text: console.print(printable(text)))
    if where.kms_key is None:
        # The key that the first step was given holds for all that follow.
        aws = replace(aws, place=replace(place, kms_key=foundation.key_of(foundation.describe(aws))))
    return Connected(where, target, aws)


def _price_list(target: Target) -> Any | None:
    """AWS's price list, which is in one region for all; the local AWS has none."""
    if target.is_local:
        return None
    return target.session.client("pricing", region_name=prices.PRICE_LIST_REGION)


# ---- training --------------------------------------------------------------------------------------------------------


def _training(target: Target, aws: Aws, wanted: Wanted, how: How) -> Training:
    if wanted.algorithm == BUILTIN and target.is_local:
        raise CommandError(
            "SageMaker's built-in algorithm runs in a container of AWS's, which the local AWS does not have.",
            "Train with --algorithm own here, or in AWS with --aws.",
            USAGE,
        )
    instance = wanted.instance_type or jobs.DEFAULT_INSTANCES[wanted.algorithm]
    if wanted.algorithm == BUILTIN and not images.on_gpu(instance):
        raise CommandError(
            f"SageMaker's built-in algorithm trains on a GPU only, and {instance} has none.",
            f"Leave --instance-type out for {jobs.DEFAULT_INSTANCES[BUILTIN]}.",
            USAGE,
        )
    packed = source.pack() if wanted.algorithm == OWN else None
    return Training(
        algorithm=wanted.algorithm,
        data=_data(aws, wanted.data),
        image=images.training_image(aws.place, wanted.algorithm, instance, wanted.image),
        source=aws.place.s3(packed.key) if packed else None,
        quick=wanted.quick,
        spot=wanted.spot,
        instance_type=instance,
        model=_current_model(aws) if wanted.incremental else None,
        revision=runs.revision(),
    )


def _data(aws: Aws, given: str) -> Data:
    """The data, before it is loaded: a folder's address in the bucket follows from its manifest."""
    if given and not given.startswith("s3://"):
        manifest = read_manifest(Path(given))
        address = aws.place.s3(f"{DEFAULT_PREFIX}/{manifest.version}/")
        return Data(address, manifest.data_hash, manifest.facts["builtin"])
    return runs.data_at(aws, given)


def _staged(aws: Aws, training: Training, wanted: Wanted) -> Training:
    """The same training, with its data and code in the bucket."""
    if wanted.data and not wanted.data.startswith("s3://"):
        aws.tell(f"Loading the data to {training.data.prefix}")
        runs.load_data(aws, Path(wanted.data), lambda done, total: None)
    if training.algorithm == OWN:
        runs.upload_source(aws, source.pack())
    return training


def _current_model(aws: Aws) -> str:
    """The newest approved version that the built-in algorithm trained: it goes on from its own models only."""
    for version in registry.versions(aws):
        if version.algorithm == BUILTIN and version.status == registry.APPROVED:
            return version.model_url
    raise CommandError(
        "There is no approved version of the built-in algorithm to go on from.", "Leave --incremental out.", USAGE
    )


def _left_alone(name: str) -> int:
    notes().print(f"{name} goes on without this command. Follow it by running the same command again.")
    return INTERRUPTED


# ---- deploying -------------------------------------------------------------------------------------------------------


def _deploy(target: Target, aws: Aws, how: How, version: Version, hosting: Hosting) -> int:
    endpoint.check(version, hosting)
    state = deploying.look(aws, _application_alarm(aws))
    planned = deploying.plan(aws, version, hosting, state)
    if how.print_requests:
        return _print_requests(planned)
    for name in state.ringing:
        aws.tell(f"The alarm {name} is on already, so it does not watch this update.")
    cost = prices.price(hosting.instance_type, prices.HOSTING, aws.place.region, _price_list(target))
    _confirm(target, how, prices.hosting_words(hosting, cost))
    try:
        # The local AWS has no auto scaling: one server answers for the endpoint.
        done = deploying.deploy(aws, version, hosting, state, scaling=not target.is_local)
    except KeyboardInterrupt:
        notes().print("SageMaker goes on without this command. Run the same command again to see how it ends.")
        return INTERRUPTED
    overrides = f"EndpointName={done.endpoint}"
    if done.threshold is not None:
        overrides += f" ConfidenceThreshold={done.threshold}"
    facts = {
        "endpoint": done.endpoint,
        "version": done.version,
        "threshold": done.threshold,
        "changed": done.changed,
        "capture": hosting.serverless is None and hosting.capture_percent > 0,
        "parameter_overrides": overrides,
    }
    words = f"The endpoint {done.endpoint} serves version {done.version}."
    following = f"The application asks it after: sam deploy --parameter-overrides {overrides}"
    return _tell(how, facts, words, "" if target.is_local else following)


def _application_alarm(aws: Aws) -> str:
    """The alarm of template.yaml that hears what the workflow thinks of the endpoint."""
    return f"{aws.place.application}-endpoint-failing"


def _config_of(aws: Aws, live: Any) -> Any:
    name = (live or {}).get("EndpointConfigName")
    return registry.found_or_none(aws, "describe_endpoint_config", EndpointConfigName=name) if name else None


def _serving(aws: Aws, found: list[Version], state: deploying.State) -> Version | None:
    try:
        return deploying.live_version(aws, found, state)
    except NothingFoundError:
        return None


# ---- what is printed -------------------------------------------------------------------------------------------------


def _with_foundation(aws: Aws, requests: list[Request]) -> list[Request]:
    """Before the first step: the stack that everything else needs."""
    return requests if foundation.describe(aws) else [foundation.request(aws.place), *requests]


def _print_requests(requests: Iterable[Request]) -> int:
    """Exactly what would be sent, one request a line."""
    for request in requests:
        sys.stdout.write(json.dumps(request.as_json(), default=str) + "\n")
    return SUCCESS


def _confirm(target: Target, how: How, words: str) -> None:
    """Say what it costs, and ask; the local AWS costs nothing."""
    if target.is_local:
        return
    notes().print(words)
    if not how.yes:
        _ask(f"Go on in {_where_words(target)}?")


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise CommandError(f"{question} Nobody can answer here.", "Add --yes.", USAGE)
    if not typer.confirm(question, err=True):
        raise CommandError("Nothing was done.", "Run it again when you want it.")


def _where_words(target: Target) -> str:
    return "the local AWS" if target.is_local else f"AWS, {target.region}"


def _next(where: Where, words: str) -> str:
    return f"Next: {command()} sagemaker {words}{where.options}"


def _tell(how: How, facts: Mapping[str, Any], *lines: str) -> int:
    if how.as_json:
        print_json(facts)
    else:
        for line in filter(None, lines):
            output().print(printable(line))
    return SUCCESS


def _figures(version: Version) -> str:
    """A version's metrics on one line."""
    found = {name.removeprefix("metric "): value for name, value in version.properties.items() if "metric " in name}
    said = ", ".join(f"{name} {value}" for name, value in sorted(found.items()))
    return f"{version.algorithm or 'unknown'} model {version.model_sha256[:12]}, {said or 'no metrics'}"


def _jobs(aws: Aws) -> list[dict[str, str]]:
    answer = aws.client("sagemaker").list_training_jobs(
        NameContains=aws.place.application, SortBy="CreationTime", SortOrder="Descending", MaxResults=JOBS_SHOWN
    )
    return [
        {"name": job["TrainingJobName"], "status": job["TrainingJobStatus"]} for job in answer["TrainingJobSummaries"]
    ]


def _print_facts(facts: Mapping[str, Any], found: list[Version], target: Target) -> None:
    console = output()
    status = facts["endpoint_status"] or "not there"
    console.print(f"{facts['application']} in {_where_words(target)}")
    console.print(f"  endpoint    {facts['endpoint']}: {status}")
    if facts["version"]:
        captured = "captured" if facts["capture"] else "not captured"
        console.print(f"  serves      version {facts['version']}, threshold {facts['threshold']}, requests {captured}")
    for name, state in facts["alarms"].items():
        console.print(f"  alarm       {name}: {state}")
    for version in found:
        console.print(f"  version {version.number:<3} {version.status}: {printable(_figures(version))}")
    for job in facts["training_jobs"]:
        console.print(f"  job         {job['name']}: {job['status']}")


def _print_left(left: list[teardown.Item], tagged: list[str] | None) -> None:
    if not left:
        output().print("Looked again: nothing of ours is left.")
    for item in left:
        output().print(f"Still there: {item.kind} {printable(item.name)}. Run the same command again.")
    if tagged is None:
        output().print("The search by tag could not be asked; everything was looked up by its name.")
    elif tagged:
        output().print("The search by tag, which lags behind by some minutes, still names:")
        for arn in tagged:
            output().print(f"  {printable(arn)}")
