"""The `vehiclevision` command: what can be typed, and nothing of how it is done.

Everything else is imported by the command that needs it: `--help` must not wait for an SDK.
"""
# ruff: noqa: PLC0415, PLR0917 - imports are late on purpose; typer calls by name, however many options there are

import os
import signal
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import FAILURE, INTERRUPTED, USAGE, CommandError

if TYPE_CHECKING:
    from cli.target import Target

DEBUG_VARIABLE = "VEHICLEVISION_DEBUG"
SUCCESS = 0

app = typer.Typer(
    name="vehiclevision",
    help="Is it a bicycle or a motorcycle, how sure is that, and where does the rider go?\n\n"
    "The commands work on the local AWS of this machine, or with --stack on a stack in AWS.",
    epilog="VEHICLEVISION_DIRECTORY names another folder for the state of the local AWS than .local in the checkout.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_LOCAL = "The local AWS"
_IMAGES = "Images"
_MODEL = "The model"

data = typer.Typer(
    help="Fetch, transform and load training data.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data, name="data", rich_help_panel=_MODEL)
sagemaker = typer.Typer(
    help="Train, register, deploy, roll back and tear down a model with SageMaker.\n\n"
    "The commands work on the local AWS of this machine, or on an account in AWS when --aws, --stack, --region or "
    "--profile is given. In their order: train, register, approve, deploy.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(sagemaker, name="sagemaker", rich_help_panel=_MODEL)


class Split(StrEnum):
    """Which part of the training data is measured."""

    VALIDATION = "validation"


class Outcome(StrEnum):
    """How an image can end."""

    CLASSIFIED = "CLASSIFIED"
    NEEDS_REVIEW = "NEEDS_REVIEW"
    REJECTED = "REJECTED"
    FAILED = "FAILED"


Stack = Annotated[
    str | None,
    typer.Option(
        "--stack", metavar="NAME", help="Work on this stack in AWS instead of the local AWS.", rich_help_panel="Where"
    ),
]
Region = Annotated[
    str | None,
    typer.Option("--region", metavar="REGION", help="AWS region of the stack.", rich_help_panel="Where"),
]
Profile = Annotated[
    str | None,
    typer.Option("--profile", metavar="PROFILE", help="AWS profile to sign in with.", rich_help_panel="Where"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object a line and nothing else.")]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout", metavar="SECONDS", min=1, help="Stop waiting when nothing has ended for so many seconds."
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"vehiclevision {version('vehiclevision')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command(
    rich_help_panel=_LOCAL,
    help="Start the local AWS with the application in it.\n\n"
    "It takes no account and no Docker. Without --detach it runs until Ctrl-C. "
    "What it holds is kept for the next start.",
)
def up(
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when it is up; `vehiclevision down` stops it.")
    ] = False,
) -> int:
    """Start the local AWS; without --detach, keep it up until Ctrl-C."""
    from cli.commands import run

    return run.up(detach=detach)


@app.command(rich_help_panel=_LOCAL)
def down() -> int:
    """Stop the local AWS; what it holds is kept."""
    from cli.commands import run

    return run.down()


@app.command(
    rich_help_panel=_LOCAL,
    help="Show what runs, and where.\n\nThe exit code is 0 if images can be dropped, else 1.",
)
def status(as_json: AsJson = False, stack: Stack = None, region: Region = None, profile: Profile = None) -> int:
    """Show what runs; the exit code is 0 if images can be dropped, else 1."""
    from cli.commands import look

    return look.status(stack, region, profile, as_json=as_json)


@app.command(
    rich_help_panel=_LOCAL,
    help="Classify sample pictures end to end here.\n\n"
    "Starts the local AWS, drops the pictures, shows what became of each and which events were announced, "
    "and stops the local AWS again if it was not up before. "
    "The exit code is 0 if every picture came through, and of the drawn samples at least one was classified.",
)
def demo(
    images: Annotated[
        list[Path] | None,
        typer.Argument(metavar="IMAGES", help="Your own pictures or folders of them, instead of the drawn samples."),
    ] = None,
) -> int:
    """Classify pictures end to end; 0 if every one came through."""
    from cli.commands import demo as demo_command

    return demo_command.run(images or [])


@app.command(
    "open",
    rich_help_panel=_LOCAL,
    help="Open the workflow in the AWS console.\n\n"
    "The local AWS has no web console: there it prints where bucket, table and the others are.",
)
def open_(stack: Stack = None, region: Region = None, profile: Profile = None) -> int:
    """Open the workflow in the AWS console, or say where things are."""
    from cli.commands import look

    return look.open_console(_target(stack, region, profile))


@app.command(
    rich_help_panel=_IMAGES,
    help="Upload images and print what becomes of each.\n\n"
    "A file of a folder keeps its path from there; files that would get the same key also get the names of folders "
    "above. Links out of a folder are left out. "
    "The exit code is 0 if each file ended with a record other than FAILED, else 1.",
)
def drop(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files, or folders with all that is in them.")],
    as_json: AsJson = False,
    timeout: Timeout = 600,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Upload images and print what becomes of each; 0 if all ended well."""
    from cli.commands import drop as drop_command

    missing = [path for path in paths if not os.path.lexists(path)]
    if missing:
        from cli.display import printable

        names = ", ".join(printable(str(path)) for path in missing[:3])
        raise CommandError(f"There is no {names}.", "Nothing was uploaded. Check the path.", USAGE)
    return drop_command.drop(lambda: _target(stack, region, profile), paths, timeout, as_json=as_json)


@app.command(rich_help_panel=_IMAGES)
def start(
    bucket: Annotated[str, typer.Argument(metavar="BUCKET", help="The bucket that holds the image.")],
    key: Annotated[str, typer.Argument(metavar="KEY", help="The image's whole key.")],
    version_id: Annotated[
        str | None, typer.Option("--version-id", metavar="V", help="This version of it; else the newest.")
    ] = None,
    as_json: AsJson = False,
    timeout: Timeout = 600,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Run the workflow by hand for one object."""
    from cli.commands import drop as drop_command

    return drop_command.start(_target(stack, region, profile), bucket, key, version_id, timeout, as_json=as_json)


@app.command(rich_help_panel=_IMAGES)
def results(
    key: Annotated[
        str | None, typer.Argument(metavar="KEY", help="A whole key, for all its versions, or the end of one.")
    ] = None,
    outcome: Annotated[
        Outcome | None,
        typer.Option(
            "--outcome",
            metavar="OUTCOME",
            case_sensitive=False,
            help="Only CLASSIFIED, NEEDS_REVIEW, REJECTED or FAILED.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")] = 20,
    as_json: AsJson = False,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """List what became of images, newest first."""
    from cli.commands import read

    return read.results(
        _target(stack, region, profile), key, outcome.value if outcome else None, limit, as_json=as_json
    )


@app.command(rich_help_panel=_IMAGES)
def logs(
    key: Annotated[str, typer.Argument(metavar="KEY", help="A whole key, or a file name: its newest run.")],
    as_json: AsJson = False,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Tell the story of one image: its run and its log lines."""
    from cli.commands import read

    return read.logs(_target(stack, region, profile), key, as_json=as_json)


@app.command(
    rich_help_panel=_MODEL,
    help="Train a model; it takes PyTorch, which `make setup-training` installs.\n\n"
    "The data is a folder with a folder of pictures per class, `bicycle` and `motorcycle` among them, or CIFAR-100's "
    "binary archive. Ctrl-C saves where it is; the same command goes on from there.",
)
def train(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="A folder per class, or the archive.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where model, run record and checkpoints go.")],
    quick: Annotated[bool, typer.Option("--quick", help="A small network and few epochs: minutes.")] = False,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Another draw of everything random.")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", metavar="N", min=1, help="Passes over the data.")] = None,
    photos: Annotated[
        Path | None, typer.Option("--photos", metavar="DIR", help="Real photos: measured, never learnt from.")
    ] = None,
    wrong_cost: Annotated[
        float | None, typer.Option("--wrong-cost", metavar="X", help="What a wrong route costs.")
    ] = None,
    review_cost: Annotated[
        float | None, typer.Option("--review-cost", metavar="Y", help="What a look by a person costs.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", metavar="T", help="The threshold, instead of the cheapest.")
    ] = None,
) -> int:
    """Train a model with the Python that has PyTorch."""
    from cli.commands import train as train_command

    return train_command.train(
        {
            "data": data,
            "out": out,
            "quick": quick,
            "seed": seed,
            "epochs": epochs,
            "photos": photos,
            "wrong_cost": wrong_cost,
            "review_cost": review_cost,
            "threshold": threshold,
        }
    )


@data.command(
    "fetch",
    help="Download CIFAR-100's official binary archive (169 MB).\n\n"
    "It goes on where an earlier try stopped, and the archive gets its name when its checksums are right.",
)
def data_fetch(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder that gets the archive.")],
    mirrors: Annotated[
        list[str] | None,
        typer.Option("--mirror", metavar="URL", help="Fetch it from here; several are tried in their order."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Download the official archive."""
    from cli.commands import data as data_commands

    return data_commands.fetch(out, mirrors or [], as_json=as_json)


@data.command(
    "transform",
    help="Make the folder that training and SageMaker read.\n\n"
    "SOURCE is a folder with a folder of pictures per class, or CIFAR-100's binary archive. Every picture goes through "
    "the image gate. The folder gets small PNGs, lists for SageMaker's built-in algorithm, and a manifest. "
    "A second run writes only what changed.",
)
def data_transform(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A folder per class, or the archive.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder, or one that this command made.")],
    all_classes: Annotated[
        bool, typer.Option("--all-classes", help="Name all classes in SageMaker's lists, not only the two vehicles.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Make the folder that training and SageMaker read."""
    from cli.commands import data as data_commands

    return data_commands.transform(source, out, all_classes=all_classes, as_json=as_json)


@data.command(
    "load",
    help="Send a transformed folder to S3.\n\n"
    "It goes under a prefix with its version, and only what is not there yet is sent. The manifest goes last: "
    "a prefix with a manifest.json is complete.",
)
def data_load(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `vehiclevision data transform` made.")],
    bucket: Annotated[str, typer.Option("--bucket", metavar="BUCKET", help="The bucket; it must exist.")],
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="P", help="What the keys begin with, before the version.")
    ] = "training-data",
    kms_key: Annotated[
        str | None,
        typer.Option("--kms-key", metavar="KEY", help="Encrypt with this KMS key, not as the bucket does by itself."),
    ] = None,
    bucket_owner: Annotated[
        str | None, typer.Option("--bucket-owner", metavar="ACCOUNT", help="Only if the bucket is this account's.")
    ] = None,
    as_json: AsJson = False,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Send a transformed folder to S3."""
    from cli.commands import data as data_commands
    from training.data.load import Place

    place = Place(bucket, prefix, kms_key, bucket_owner)
    return data_commands.load(_target(stack, region, profile), folder, place, as_json=as_json)


@app.command(
    rich_help_panel=_MODEL,
    help="Measure a model on pictures it never saw.\n\n"
    "FOLDER has a folder per class; those not named bicycle or motorcycle count as neither. "
    "It answers by the shipped model, by --model, or by --endpoint of the local AWS or of an account. "
    "It writes a page and JSON beside it; with --json it prints the JSON, and writes only with --out.",
)
def evaluate(
    folder: Annotated[Path | None, typer.Argument(metavar="FOLDER", help="Pictures, a folder per class.")] = None,
    split: Annotated[
        Split | None, typer.Option("--split", metavar="validation", help="This part of --data instead of a folder.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="The data that the model was trained on.")
    ] = None,
    model: Annotated[Path | None, typer.Option("--model", metavar="FILE", help="A model.tar.gz.")] = None,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", metavar="NAME", help="Ask this SageMaker endpoint.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", metavar="X", min=0, max=1, help="Confidence that counts; else the model's."),
    ] = None,
    wrong_cost: Annotated[
        float | None, typer.Option("--wrong-cost", metavar="X", min=0, help="What a wrong route costs.")
    ] = None,
    review_cost: Annotated[
        float | None, typer.Option("--review-cost", metavar="Y", min=0, help="What a manual review costs.")
    ] = None,
    vehicle_share: Annotated[
        float, typer.Option("--vehicle-share", metavar="S", min=0, max=1, help="Share of uploads with a vehicle.")
    ] = 0.5,
    robustness: Annotated[
        bool | None,
        typer.Option("--robustness/--no-robustness", help="Worsened pictures as well; by default with a model file."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="PAGE", help="Where the page goes; else evaluation.html.")
    ] = None,
    as_json: AsJson = False,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Measure a model file or an endpoint."""
    if (folder is None) == (split is None) or (split is None) != (data is None):
        raise CommandError(
            "It is not clear what to measure.", "Give FOLDER, or --split validation with --data DIR.", USAGE
        )
    if model is not None and endpoint is not None:
        raise CommandError("--model and --endpoint exclude each other.", "Give one of them.", USAGE)
    if (wrong_cost is None) != (review_cost is None):
        raise CommandError("--wrong-cost and --review-cost go together.", "Give both, or neither.", USAGE)
    if endpoint is None and (stack or region or profile):
        raise CommandError("--stack, --region and --profile belong to --endpoint.", "Add --endpoint NAME.", USAGE)
    from cli.commands import evaluate as evaluate_command

    request = evaluate_command.request(
        folder, data, model, threshold, (wrong_cost, review_cost, vehicle_share), robustness=robustness
    )
    return evaluate_command.run(request, lambda: _target(stack, region, profile), endpoint, out, as_json=as_json)


class Algorithm(StrEnum):
    """What trains."""

    OWN = "own"
    BUILTIN = "builtin"


class Architecture(StrEnum):
    """Processors that a model can be served on."""

    X86_64 = "x86_64"
    ARM64 = "arm64"


Application = Annotated[
    str | None,
    typer.Option(
        "--stack",
        metavar="NAME",
        help="The application in AWS whose endpoint this is, deployed already or not.",
        rich_help_panel="Where",
    ),
]
InAws = Annotated[bool, typer.Option("--aws", help="Work in AWS instead of the local AWS.", rich_help_panel="Where")]
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
    how = commands.How(as_json=as_json, print_requests=print_requests)
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
    from training.sagemaker.endpoint import Hosting, Serverless

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


@app.command(
    rich_help_panel=_LOCAL,
    help="Look whether this machine, and with --aws the account, have what is needed.\n\n"
    "Each finding is a sentence and a remedy. The exit code is 1 if something stands in the way.",
)
def doctor(
    as_json: AsJson = False,
    aws: InAws = False,
    stack: Application = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Look whether what is needed is there; 1 if something stands in the way."""
    from cli.commands import doctor as doctor_command

    return doctor_command.run(
        aws=bool(aws or stack or region or profile), region=region, profile=profile, as_json=as_json
    )


def _target(stack: str | None, region: str | None, profile: str | None) -> "Target":
    from cli import target

    return target.find(stack, region, profile)


def main(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; whatever goes wrong becomes a sentence."""
    try:
        code = app(args=list(arguments), prog_name="vehiclevision", standalone_mode=False)
    except typer.Abort:
        return INTERRUPTED
    except Exception as error:  # the outermost handler: it ends the command, in words
        return _report(error)
    return code if isinstance(code, int) else SUCCESS


def _report(error: Exception) -> int:
    from typer.rich_utils import rich_format_error

    from cli.display import notes, printable
    from cli.explanations import explain

    if hasattr(error, "format_message"):
        rich_format_error(error)  # type: ignore[arg-type]
        return USAGE
    if os.environ.get(DEBUG_VARIABLE):
        raise error
    console, explained = notes(), explain(error)
    if explained is None:
        console.print(
            f"Error: vehiclevision itself is at fault ({type(error).__name__}: {printable(str(error))[:200]})."
        )
        console.print(f"Run it again with {DEBUG_VARIABLE}=1 to see where, and report that.")
        return FAILURE
    console.print(f"Error: {printable(explained.message)}", style="bold red")
    if explained.hint:
        console.print(printable(explained.hint))
    return explained.exit_code


def run() -> None:
    """The entry point of the installed command."""
    # Asked to end in another way, a command cleans up just as it does on Ctrl-C; nohup's ignoring is left alone.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
