"""What the `sagemaker` commands share: how they reach an account, ask, and tell. The work is done by lifecycle."""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Annotated, Any

import typer

from cli.display import notes, on_interrupt, printable, tell, typed
from cli.errors import SUCCESS, USAGE, CommandError
from cli.options import WHERE, Account, AsJson, NoWait, flag, option
from cli.target import Target, state_directory
from lifecycle import deploy, endpoint, foundation, images, jobs, prices, runs, source
from lifecycle.endpoint import Hosting
from lifecycle.images import BUILTIN, OWN
from lifecycle.jobs import Training
from lifecycle.registry import Version
from lifecycle.site import Aws, Request, Site
from lifecycle.standing import application_alarm
from local import stack as local_stack

Yes = Annotated[bool, flag("--yes -y", "Do not ask, whatever it costs.")]
KmsKey = Annotated[
    str | None, option("--kms-key", "ARN", "Encrypt with this key instead of AWS's own.", rich_help_panel=WHERE)
]
Latest = Annotated[bool, flag("--latest", "The newest: what is done without this option too.")]


class Algorithm(StrEnum):
    """What trains."""

    OWN = OWN
    BUILTIN = BUILTIN


@dataclass(frozen=True)
class Dialogue:
    """How a command talks."""

    yes: Yes = False
    as_json: AsJson = False
    print_requests: Annotated[
        bool, flag("--print-requests", "Print what would be sent to AWS, one request a line, and send nothing.")
    ] = False

    def ask(self, question: str) -> None:
        """Go on only if somebody agrees."""
        if self.yes:
            return
        if not sys.stdin.isatty():
            raise CommandError(f"{question} Nobody can answer here.", "Add --yes.", USAGE)
        if not typer.confirm(question, err=True):
            raise CommandError("Nothing was done.", "Run it again when you want it.")

    def tell(self, facts: Mapping[str, Any], *lines: str) -> int:
        """Say what was done."""
        return tell(self.as_json, facts, *lines)


@dataclass(frozen=True)
class TrainingOptions:
    """What is trained, on what, and where."""

    algorithm: Annotated[
        Algorithm,
        flag("--algorithm", "own: our training in AWS's PyTorch container. builtin: SageMaker's image classification."),
    ] = Algorithm.OWN
    data: Annotated[
        str,
        option(
            "--data", "DIR|S3", "A folder of `data transform`, or where `data load` put it; else what was loaded last."
        ),
    ] = ""
    quick: Annotated[bool, flag("--quick", "A small model, soon done: to see that it works.")] = False
    instance_type: Annotated[
        str, option("--instance-type", "TYPE", "Else ml.m5.xlarge for own, ml.g4dn.xlarge for builtin.")
    ] = ""
    image: Annotated[str | None, option("--image", "URI", "Another training container.")] = None
    again: Annotated[bool, flag("--again", "Run once more, though the same was done already.")] = False
    no_wait: NoWait = False


@dataclass(frozen=True)
class Connection:
    """Our site in an account, and what to add to the next command so that it works there too."""

    target: Target
    aws: Aws
    options: str

    @property
    def words(self) -> str:
        """Where it is."""
        return "the local AWS" if self.target.is_local else f"AWS, {self.target.region}"

    def next(self, arguments: str) -> str:
        """Which command comes next."""
        return f"Next: {typed()} sagemaker {arguments}{self.options}"

    def price(self, instance_type: str, use: str) -> prices.Price:
        """What an instance costs, by AWS's price list, which is in one region for all; the local AWS has none."""
        price_list = None
        if not self.target.is_local:
            price_list = self.target.session.client("pricing", region_name=prices.PRICE_LIST_REGION)
        return prices.price(instance_type, use, self.aws.site.region, price_list)

    def confirm(self, costs: str, dialogue: Dialogue) -> None:
        """Say what it costs, and ask; the local AWS costs nothing."""
        if not self.target.is_local:
            notes().print(costs)
            dialogue.ask(f"Go on in {self.words}?")

    def print_requests(self, requests: Iterable[Request], *, first: bool = True) -> int:
        """Print what would be sent, one request a line; before the `first` step, the stack that all else needs."""
        if first and not foundation.described(self.aws):
            requests = [foundation.request(self.aws.site), *requests]
        for request in requests:
            sys.stdout.write(json.dumps(request.as_json(), default=str) + "\n")
        return SUCCESS


@dataclass(frozen=True)
class SageMakerAccount(Account):
    """The account that the commands work in."""

    def connect(self, kms_key: str | None = None) -> Connection:
        """Our site in the account; each client is made once."""
        target = self.target()
        site, console = site_of(target, kms_key), notes()
        aws = Aws(site, cache(target.client), lambda text: console.print(printable(text)))
        if kms_key is None:
            # The key that the first step was given holds for all that follow.
            aws = replace(aws, site=replace(site, kms_key=foundation.key_of(foundation.described(aws))))
        return Connection(target, aws, self.options)


def site_of(target: Target, kms_key: str | None = None) -> Site:
    """SageMaker's side of an application: what its parts are called."""
    identity = target.client("sts").get_caller_identity()
    return Site(target.stack, str(identity["Account"]), target.region, str(identity["Arn"]).split(":")[1], kms_key)


def planned(
    connection: Connection, options: TrainingOptions, *, spot: bool = False, model: str | None = None
) -> Training:
    """The training that was asked for, if it can be had there."""
    algorithm = options.algorithm.value
    instance = options.instance_type or jobs.DEFAULT_INSTANCES[algorithm]
    if algorithm == BUILTIN and connection.target.is_local:
        raise CommandError(
            "SageMaker's built-in algorithm runs in a container of AWS's, which the local AWS does not have.",
            "Train with --algorithm own here, or in AWS with --aws.",
            USAGE,
        )
    if algorithm == BUILTIN and not images.on_gpu(instance):
        raise CommandError(
            f"SageMaker's built-in algorithm trains on a GPU only, and {instance} has none.",
            f"Leave --instance-type out for {jobs.DEFAULT_INSTANCES[BUILTIN]}.",
            USAGE,
        )
    site = connection.aws.site
    return Training(
        algorithm=algorithm,
        data=runs.planned_data(connection.aws, options.data),
        image=images.training_image(site, algorithm, instance, options.image),
        source=site.s3(source.pack().key) if algorithm == OWN else None,
        quick=options.quick,
        spot=spot,
        instance_type=instance,
        model=model,
        revision=runs.revision(),
    )


def left_alone(name: str) -> str:
    """What Ctrl-C says while a job is followed."""
    return f"{name} goes on without this command. Follow it by running the same command again."


def deploy_version(connection: Connection, dialogue: Dialogue, version: Version, hosting: Hosting) -> int:
    """Put a version behind the endpoint as it is to be hosted."""
    target, aws = connection.target, connection.aws
    endpoint.check(version, hosting)
    state = deploy.look(aws, application_alarm(aws))
    requests = deploy.plan(aws, version, hosting, state)
    if dialogue.print_requests:
        return connection.print_requests(requests, first=False)
    for name in state.ringing:
        aws.tell(f"The alarm {name} is on already, so it does not watch this update.")
    cost = connection.price(hosting.instance_type, prices.HOSTING)
    connection.confirm(prices.hosting_words(hosting, cost), dialogue)
    with on_interrupt("SageMaker goes on without this command. Run the same command again to see how it ends."):
        done = deploy.deploy(aws, version, hosting, state)
    if target.is_local:
        local_stack.start(state_directory(), aws.tell)
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
    words = f"The endpoint {done.endpoint} serves version {done.version}, model {version.model}."
    if target.is_local and done.threshold is not None:
        words += f" The application's threshold is that version's, {done.threshold:g}."
    following = f"The application asks it, with its threshold, after: {typed()} deploy{connection.options}"
    return dialogue.tell(facts, words, "" if target.is_local else following)


def figures(version: Version) -> str:
    """A version's metrics on one line."""
    metrics = {name.removeprefix("metric "): value for name, value in version.properties.items() if "metric " in name}
    words = ", ".join(f"{name} {value}" for name, value in sorted(metrics.items()))
    return f"{version.algorithm or 'unknown'} model {version.model}, {words or 'no metrics'}"


def exclusive(latest: bool, name: str | None) -> None:
    """Refuse two ways to name a version."""
    if latest and name is not None:
        raise CommandError("--latest and --version exclude each other.", "Give one of them.", USAGE)
