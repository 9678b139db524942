"""The serving image: its name follows from what goes into it, and AWS builds it when it is not there.

CodeBuild builds it, so nobody needs Docker; who has it builds the same with `docker build -f serving/Dockerfile .`
"""

import hashlib
import io
import zipfile
from functools import partial
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from lifecycle.errors import SageMakerStepError
from lifecycle.runs import put_once
from lifecycle.site import Aws, Request, Site, send
from lifecycle.source import CHECKOUT
from lifecycle.stacks import or_none
from vehiclevision.storage import code_of

DOCKERFILE: Final = "serving/Dockerfile"
BUILDSPEC: Final = "serving/buildspec.yml"
COPY: Final = "COPY "
BUILD_POLL_SECONDS: Final = 5.0
IN_PROGRESS: Final = "IN_PROGRESS"
SUCCEEDED: Final = "SUCCEEDED"
# CodeBuild's own images, by processor.
BUILDERS: Final = {
    "x86_64": ("LINUX_CONTAINER", "aws/codebuild/amazonlinux-x86_64-standard:5.0"),
    "arm64": ("ARM_CONTAINER", "aws/codebuild/amazonlinux-aarch64-standard:3.0"),
}
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def context(checkout: Path = CHECKOUT) -> dict[str, bytes]:
    """Everything that the image is built from, by its path: what the Dockerfile copies, itself, and how AWS builds."""
    lines = (checkout / DOCKERFILE).read_text("utf-8").splitlines()
    sources = [source for line in lines if line.startswith(COPY) for source in line.split()[1:-1]]
    paths = [path for source in (DOCKERFILE, BUILDSPEC, *sources) for path in sorted(checkout.glob(source))]
    files = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    return {
        file.relative_to(checkout).as_posix(): file.read_bytes()
        for file in files
        if file.is_file() and "__pycache__" not in file.parts
    }


def tag(files: dict[str, bytes], architecture: str) -> str:
    """The image's tag: what goes into it, and for which processor."""
    parts = hashlib.sha256()
    for name in sorted(files):
        parts.update(f"{name}\0{len(files[name])}\0".encode())
        parts.update(files[name])
    return f"{parts.hexdigest()[:16]}-{architecture.replace('_', '-')}"


def archive(files: dict[str, bytes]) -> bytes:
    """The build's source as CodeBuild takes it: a zip, the same bytes from the same files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(files):
            packed.writestr(zipfile.ZipInfo(name, _EPOCH), files[name])
    return stream.getvalue()


def build_request(site: Site, image_tag: str, architecture: str) -> Request:
    """One build of the image."""
    kind, image = BUILDERS[architecture]
    return Request(
        "codebuild",
        "start_build",
        {
            "projectName": site.builder,
            "sourceTypeOverride": "S3",
            "sourceLocationOverride": f"{site.bucket}/build/{image_tag}.zip",
            "environmentTypeOverride": kind,
            "imageOverride": image,
            "privilegedModeOverride": True,
            "environmentVariablesOverride": [{"name": "TAG", "value": image_tag, "type": "PLAINTEXT"}],
        },
    )


def ensure(aws: Aws, files: dict[str, bytes], architecture: str) -> str:
    """The address of the image of these files, once it is there."""
    image_tag = tag(files, architecture)
    if not is_there(aws, image_tag):
        put_once(aws, f"build/{image_tag}.zip", archive(files))
        build = _running(aws, image_tag)
        if build is None:
            aws.tell("Building the serving image in AWS CodeBuild: five minutes")
            build = _start(aws, image_tag, architecture)
        _await(aws, build)
        if not is_there(aws, image_tag):
            raise SageMakerStepError(
                f"The build {build} made no image {image_tag}.", f"Its log is /aws/codebuild/{aws.site.builder}"
            )
    return aws.site.image(image_tag)


def _start(aws: Aws, image_tag: str, architecture: str) -> str:
    try:
        return str(send(aws, build_request(aws.site, image_tag, architecture))["build"]["id"])
    except ClientError as error:
        if code_of(error) != "AccountLimitExceededException":
            raise
        # New accounts may have to ask AWS's support for their first build.
        image = aws.site.image(image_tag)
        platform = "linux/arm64" if architecture == "arm64" else "linux/amd64"
        build = f"docker build --provenance=false --platform {platform} -f serving/Dockerfile -t {image} ."
        raise SageMakerStepError(
            "This account may not run builds in AWS CodeBuild yet.",
            f"Ask AWS's support for it, or with Docker: {build} && docker push {image}",
        ) from error


def is_there(aws: Aws, image_tag: str) -> bool:
    """Whether our repository holds an image of this tag."""
    image = {"repositoryName": aws.site.repository, "imageIds": [{"imageTag": image_tag}]}
    return or_none({"ImageNotFoundException"}, partial(aws.client("ecr").describe_images, **image)) is not None


def _running(aws: Aws, image_tag: str) -> str | None:
    """The build of this image that an interrupted run started."""
    codebuild = aws.client("codebuild")
    ids = codebuild.list_builds_for_project(projectName=aws.site.builder, sortOrder="DESCENDING").get("ids", [])[:10]
    builds: list[Any] = codebuild.batch_get_builds(ids=ids)["builds"] if ids else []
    for build in builds:
        variables = {each["name"]: each["value"] for each in build["environment"]["environmentVariables"]}
        if build["buildStatus"] == IN_PROGRESS and variables.get("TAG") == image_tag:
            return str(build["id"])
    return None


def _await(aws: Aws, build: str) -> None:
    while True:
        described = aws.client("codebuild").batch_get_builds(ids=[build])["builds"][0]
        if described["buildStatus"] == SUCCEEDED:
            return
        if described["buildStatus"] != IN_PROGRESS:
            raise SageMakerStepError(
                f"The build {build} ended as {described['buildStatus']}.",
                f"Its log is /aws/codebuild/{aws.site.builder}; then run the same command again.",
            )
        aws.sleep(BUILD_POLL_SECONDS)
