"""Commands for training data, training and evaluation."""
# ruff: noqa: PLC0415, PLR0917 - imports are late on purpose; typer calls by name, however many options there are

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.app import MODEL, AsJson, Profile, Region, Stack, app, target_of
from cli.errors import USAGE, CommandError

data = typer.Typer(
    help="Fetch, transform and load training data.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data, name="data", rich_help_panel=MODEL)


class Start(StrEnum):
    """Where a network's weights begin."""

    PUBLISHED = "published"
    RANDOM = "random"


class Terms(StrEnum):
    """What the licence of a photo may rest on."""

    UPSTREAM = "upstream"
    ANY = "any"


class Split(StrEnum):
    """Which part of the training data is measured."""

    VALIDATION = "validation"


@app.command(
    rich_help_panel=MODEL,
    help="Train a model; it takes PyTorch, which `make setup-training` installs.\n\n"
    "The data is a folder with a folder of pictures per class, `bicycle` and `motorcycle` among them, or CIFAR-100's "
    "binary archive. Ctrl-C saves where it is; the same command goes on from there.",
)
def train(
    data: Annotated[
        list[Path],
        typer.Option("--data", metavar="DIR", help="A folder per class, or the archive; again for another set."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where model, run record and checkpoints go.")],
    quick: Annotated[
        bool, typer.Option("--quick", help="A head of your own on the network as published: minutes.")
    ] = False,
    backbone: Annotated[
        str | None, typer.Option("--backbone", metavar="NAME", help="Any network that timm has.")
    ] = None,
    start: Annotated[
        Start, typer.Option("--start", help="Begin from weights published for ImageNet, or from random ones.")
    ] = Start.PUBLISHED,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Another draw of everything random.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", metavar="N", min=0, help="Steps of tuning.")] = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option("--leave-out", metavar="SOURCE", help="Measure on photos of this source, never learn from them."),
    ] = None,
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
            "backbone": backbone,
            "start": start.value,
            "seed": seed,
            "steps": steps,
            "leave_out": leave_out,
            "photos": photos,
            "wrong_cost": wrong_cost,
            "review_cost": review_cost,
            "threshold": threshold,
        }
    )


@data.command(
    "fetch",
    help="Download CIFAR-100's official binary archive (169 MB), or with --photos real photos.\n\n"
    "It goes on where an earlier try stopped. The archive gets its name when its checksums are right. A photo of the "
    "list is taken when it shows what the list says; the folder's ATTRIBUTION.csv says whose it is.",
)
def data_fetch(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder that gets the archive or the photos.")],
    photos: Annotated[
        bool, typer.Option("--photos", help="4,157 photos under open licences instead, in a folder per class.")
    ] = False,
    licence_basis: Annotated[
        Terms,
        typer.Option("--licence-basis", help="upstream: none whose licence is only their uploader's word."),
    ] = Terms.ANY,
    mirrors: Annotated[
        list[str] | None,
        typer.Option("--mirror", metavar="URL", help="Fetch from here; several are tried in their order."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Download the official archive, or the listed photos."""
    if photos and len(mirrors or []) > 1:
        raise CommandError("Photos come from one place.", "Give --mirror once, as the address before OWNER/.", USAGE)
    if licence_basis is not Terms.ANY and not photos:
        raise CommandError("--licence-basis belongs to --photos.", "Add --photos.", USAGE)
    from cli.commands import data as data_commands

    if photos:
        listed = data_commands.listed_photos(upstream_only=licence_basis is Terms.UPSTREAM)
        return data_commands.photos(out, listed, mirrors[0] if mirrors else None, as_json=as_json)
    return data_commands.fetch(out, mirrors or [], as_json=as_json)


@data.command(
    "transform",
    help="Make the folder that training and SageMaker read.\n\n"
    "SOURCE is a folder with a folder of pictures per class, or CIFAR-100's binary archive. Every picture goes through "
    "the image gate. The folder gets JPEGs of the model's size, lists for SageMaker's built-in algorithm, and a "
    "manifest. A second run writes only what changed.",
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
    return data_commands.load(target_of(stack, region, profile), folder, place, as_json=as_json)


@app.command(
    rich_help_panel=MODEL,
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
    return evaluate_command.run(request, lambda: target_of(stack, region, profile), endpoint, out, as_json=as_json)
