"""Register a model as a new version, which waits for approval.

The newest completed job's, a job's by its name, or a model.tar.gz. A model is registered once.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from cli.display import printable
from cli.errors import USAGE, CommandError
from cli.options import flag, option
from cli.sagemaker import Dialogue, Latest, SageMakerAccount, figures
from lifecycle import foundation, registry, runs, serving_image
from lifecycle.images import OWN


class Architecture(StrEnum):
    """Processors that a model can be served on."""

    X86_64 = "x86_64"
    ARM64 = "arm64"


def command(
    *,
    dialogue: Dialogue,
    account: SageMakerAccount,
    latest: Latest = False,
    job: Annotated[str | None, option("--job", "NAME", "This training job's model.")] = None,
    model: Annotated[
        Path | None, option("--model", "FILE", "This model.tar.gz; the default model lies in training/model.")
    ] = None,
    architecture: Annotated[
        Architecture, flag("--architecture", "The processor it is to be served on; arm64 is Graviton.")
    ] = Architecture.X86_64,
) -> int:
    """Register a model: a file, a job's, or the newest job's."""
    if sum([latest, job is not None, model is not None]) > 1:
        raise CommandError("--latest, --job and --model exclude each other.", "Give one of them.", USAGE)
    if model is not None and not model.is_file():
        raise CommandError(f"There is no {printable(str(model))}.", "Name a model.tar.gz with --model.", USAGE)
    connection = account.connect()
    aws, files = connection.aws, serving_image.context()
    tag = serving_image.tag(files, architecture.value)
    image = aws.site.image(tag)
    if dialogue.print_requests:
        example = registry.Candidate(OWN, image, aws.site.s3("models/HASH/model.tar.gz"), "HASH")
        return connection.print_requests(
            [registry.group_request(aws.site), registry.version_request(aws.site, example)]
        )
    foundation.ensure(aws)
    if model is not None:
        candidate = runs.candidate_of_file(aws, model, image, code_revision=runs.revision())
    else:
        candidate = runs.candidate_of_job(aws, job or runs.newest_job(aws), image)
    if candidate.algorithm == OWN and not connection.target.is_local:
        if not serving_image.is_there(aws, tag):
            connection.confirm(
                "AWS CodeBuild builds the serving image, once: five minutes, at $0.005 a minute in us-east-1.", dialogue
            )
        serving_image.ensure(aws, files, architecture.value)
    version = registry.register(aws, candidate)
    words = f"Version {version.number} is registered and {version.status}: {figures(version)}"
    return dialogue.tell(version.as_json(), words, connection.next(f"approve --version {version.number}"))
