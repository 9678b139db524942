"""Commands for SageMaker, here and in AWS."""
# ruff: noqa: PLC0415, PLR0917 - imports are late on purpose; typer calls by name, however many options there are

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.app import MODEL, Application, AsJson, InAws, Profile, Region, app
from cli.errors import USAGE, CommandError

sagemaker = typer.Typer(
    help="Train, register, deploy, roll back and tear down a model with SageMaker.\n\n"
    "The commands work on the local AWS of this machine, or on an account in AWS when --aws, --stack, --region or "
    "--profile is given. In their order: train, register, approve, deploy.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(sagemaker, name="sagemaker", rich_help_panel=MODEL)


class Algorithm(StrEnum):
    """What trains."""

    OWN = "own"
    BUILTIN = "builtin"


class Architecture(StrEnum):
    """Processors that a model can be served on."""

    X86_64 = "x86_64"
    ARM64 = "arm64"


KmsKey = Annotated[
    str | None,
    typer.Option(
        "--kms-key", metavar="ARN", help="Encrypt with this key instead of AWS's own.", rich_help_panel="Where"
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, whatever it costs.")]
PrintRequests = Annotated[
    bool,
    typer.Option("--print-requests", help="Print what would be sent to AWS, one request a line, and send nothing."),
]
VersionNumber = Annotated[
    int | None, typer.Option("--version", metavar="N", min=1, help="This registered version; else the newest.")
]
Latest = Annotated[bool, typer.Option("--latest", help="The newest: what is done without this option too.")]
ALGORITHM = typer.Option(
    "--algorithm", help="own: our training in AWS's PyTorch container. builtin: SageMaker's image classification."
)
TrainingData = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="DIR|S3",
        help="A folder of `data transform`, or where `data load` put it; else what was loaded last.",
    ),
]
InstanceType = Annotated[
    str, typer.Option("--instance-type", metavar="TYPE", help="Else ml.m5.xlarge for own, ml.g4dn.xlarge for builtin.")
]
Image = Annotated[str | None, typer.Option("--image", metavar="URI", help="Another training container.")]
Quick = Annotated[bool, typer.Option("--quick", help="A small model, soon done: to see that it works.")]
Again = Annotated[bool, typer.Option("--again", help="Run once more, though the same was done already.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Start it and return.")]


@sagemaker.command(
    "train",
    help="Train a model in a training job and follow it.\n\n"
    "The job's name follows from data, code and settings: the same command finds the same job again, and follows it.",
)
def sagemaker_train(
    algorithm: Annotated[Algorithm, ALGORITHM] = Algorithm.OWN,
    data_source: TrainingData = "",
    quick: Quick = False,
    spot: Annotated[bool, typer.Option("--spot/--no-spot", help="On spare capacity, which may be interrupted.")] = True,
    instance_type: InstanceType = "",
    image: Image = None,
    incremental: Annotated[
        bool, typer.Option("--incremental", help="builtin only: go on from the newest approved builtin version.")
    ] = False,
    again: Again = False,
    no_wait: NoWait = False,
    yes: Yes = False,
    as_json: AsJson = False,
    print_requests: PrintRequests = False,
    aws: InAws = False,
    stack: Application = None,
    region: Region = None,
    profile: Profile = None,
    kms_key: KmsKey = None,
) -> int:
    """Train a model in a training job and follow it."""
    from cli.commands import sagemaker as commands

    wanted = commands.Wanted(
        algorithm.value, data_source, quick, spot, instance_type, image, incremental, again, wait=not no_wait
    )
    at = commands.connect(commands.Where(stack, region, profile, aws, kms_key))
    return commands.train(at, wanted, commands.How(yes, as_json, print_requests))


@sagemaker.command(
    "tune",
    help="Search for good hyperparameters.\n\n"
    "Several training jobs, each with other settings; the best by accuracy on the validation part is named.",
)
def sagemaker_tune(
    algorithm: Annotated[Algorithm, ALGORITHM] = Algorithm.OWN,
    data_source: TrainingData = "",
    quick: Quick = False,
    search_jobs: Annotated[int, typer.Option("--jobs", metavar="N", min=1, max=50, help="So many jobs in all.")] = 8,
    at_once: Annotated[int, typer.Option("--at-once", metavar="N", min=1, max=10, help="So many at a time.")] = 2,
    instance_type: InstanceType = "",
    image: Image = None,
    again: Again = False,
    no_wait: NoWait = False,
    yes: Yes = False,
    as_json: AsJson = False,
    print_requests: PrintRequests = False,
    aws: InAws = False,
    stack: Application = None,
    region: Region = None,
    profile: Profile = None,
    kms_key: KmsKey = None,
) -> int:
    """Search for good hyperparameters."""
    from cli.commands import sagemaker as commands

    wanted = commands.Wanted(
        algorithm.value, data_source, quick, False, instance_type, image, again=again, wait=not no_wait
    )
    at = commands.connect(commands.Where(stack, region, profile, aws, kms_key))
    return commands.tune(at, wanted, commands.How(yes, as_json, print_requests), search_jobs, at_once)


@sagemaker.command(
    "register",
    help="Register a model as a new version, which waits for approval.\n\n"
    "The newest completed job's, a job's by its name, or a model.tar.gz. A model is registered once.",
)
def sagemaker_register(
    latest: Latest = False,
    job: Annotated[str | None, typer.Option("--job", metavar="NAME", help="This training job's model.")] = None,
    model: Annotated[
        Path | None,
        typer.Option("--model", metavar="FILE", help="This model.tar.gz; the default model lies in training/model."),
    ] = None,
    architecture: Annotated[
        Architecture, typer.Option("--architecture", help="The processor it is to be served on; arm64 is Graviton.")
    ] = Architecture.X86_64,
    yes: Yes = False,
    as_json: AsJson = False,
    print_requests: PrintRequests = False,
    aws: InAws = False,
    stack: Application = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Register a model as a new version."""
    from cli.commands import sagemaker as commands

    if sum([latest, job is not None, model is not None]) > 1:
        raise CommandError("--latest, --job and --model exclude each other.", "Give one of them.", USAGE)
    at = commands.connect(commands.Where(stack, region, profile, aws))
    how = commands.How(yes, as_json, print_requests)
    return commands.register(at, how, model, job, architecture.value)


@sagemaker.command("approve", help="Approve a version for deployment, or reject it.")
def sagemaker_approve(
    latest: Latest = False,
    number: VersionNumber = None,
    reject: Annotated[bool, typer.Option("--reject", help="Reject it instead.")] = False,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Kept with the version.")] = "",
    yes: Yes = False,
    as_json: AsJson = False,
    print_requests: PrintRequests = False,
    aws: InAws = False,
    stack: Application = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Approve a version for deployment, or reject it."""
    from cli.commands import sagemaker as commands

    if latest and number is not None:
        raise CommandError("--latest and --version exclude each other.", "Give one of them.", USAGE)
    at = commands.connect(commands.Where(stack, region, profile, aws))
    how = commands.How(yes, as_json, print_requests)
    return commands.approve(at, how, number, reason, reject=reject)


@sagemaker.command(
    "deploy",
    help="Put an approved version behind the endpoint, without a gap.\n\n"
    "A second fleet starts beside the first, the traffic moves, and an alarm meanwhile takes it back. "
    "The exit code is 0 if the version serves.",
)
def sagemaker_deploy(
    latest: Latest = False,
    number: VersionNumber = None,
    instance_type: Annotated[
        str, typer.Option("--instance-type", metavar="TYPE", help="ml.c7g.large and other g types are Graviton.")
    ] = "ml.m5.xlarge",
    instances: Annotated[int, typer.Option("--instances", metavar="N", min=1, max=100, help="At least so many.")] = 1,
    max_instances: Annotated[
        int | None,
        typer.Option("--max-instances", metavar="N", min=1, max=100, help="At most so many under load; else one more."),
    ] = None,
    capture: Annotated[
        int, typer.Option("--capture", metavar="PERCENT", min=0, max=100, help="Keep so many of the requests.")
    ] = 100,
    serverless: Annotated[
        bool, typer.Option("--serverless", help="Pay by request; nothing is captured, so drift cannot be watched.")
    ] = False,
    memory: Annotated[
        int, typer.Option("--memory", metavar="MB", min=1024, max=6144, help="serverless only: its memory.")
    ] = 2048,
    yes: Yes = False,
    as_json: AsJson = False,
    print_requests: PrintRequests = False,
    aws: InAws = False,
    stack: Application = None,
    region: Region = None,
    profile: Profile = None,
    kms_key: KmsKey = None,
) -> int:
    """Put an approved version behind the endpoint."""
    from cli.commands import sagemaker as commands
    from lifecycle.endpoint import Hosting, Serverless

    if latest and number is not None:
        raise CommandError("--latest and --version exclude each other.", "Give one of them.", USAGE)
    most = instances + 1 if max_instances is None else max_instances
    hosting = Hosting(instance_type, instances, most, capture, Serverless(memory) if serverless else None)
    at = commands.connect(commands.Where(stack, region, profile, aws, kms_key))
    return commands.deploy(at, commands.How(yes, as_json, print_requests), number, hosting)


@sagemaker.command("rollback", help="Put the approved version before the present one back, or one by its number.")
def sagemaker_rollback(
    number: Annotated[
        int | None, typer.Option("--version", metavar="N", min=1, help="This version instead of the one before.")
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
    print_requests: PrintRequests = False,
    aws: InAws = False,
    stack: Application = None,
    region: Region = None,
    profile: Profile = None,
    kms_key: KmsKey = None,
) -> int:
    """Put an earlier version back."""
    from cli.commands import sagemaker as commands

    at = commands.connect(commands.Where(stack, region, profile, aws, kms_key))
    return commands.rollback(at, commands.How(yes, as_json, print_requests), number)


@sagemaker.command("describe", help="Show endpoint, versions and training jobs.")
def sagemaker_describe(
    as_json: AsJson = False,
    aws: InAws = False,
    stack: Application = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Show endpoint, versions and training jobs."""
    from cli.commands import sagemaker as commands

    return commands.describe(
        commands.connect(commands.Where(stack, region, profile, aws)), commands.How(as_json=as_json)
    )


@sagemaker.command(
    "teardown",
    help="Delete everything that these commands made, and look again whether it is gone.\n\n"
    "The application stays, with its photos and results, unless --application is given. "
    "The exit code is 0 if nothing is left.",
)
def sagemaker_teardown(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be deleted, and delete nothing.")] = False,
    endpoint_only: Annotated[
        bool, typer.Option("--endpoint-only", help="Only the endpoint, which is what costs; models and data stay.")
    ] = False,
    application: Annotated[
        bool, typer.Option("--application", help="The application as well: its stack, all photos and all results.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
    aws: InAws = False,
    stack: Application = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Delete everything that these commands made."""
    from cli.commands import sagemaker as commands

    at = commands.connect(commands.Where(stack, region, profile, aws))
    return commands.take_down(
        at, commands.How(yes, as_json), dry_run=dry_run, endpoint_only=endpoint_only, application=application
    )
