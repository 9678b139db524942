"""Start training and tuning jobs, follow them, and take their models.

A job's name follows from what it does. So a run that was interrupted finds its job again, and goes on to follow it.
"""

import hashlib
import itertools
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from lifecycle import registry
from lifecycle.errors import NothingFoundError, SageMakerStepError
from lifecycle.images import BUILTIN, OWN
from lifecycle.jobs import Data, Training, training_job, tuning_job
from lifecycle.registry import Candidate, tags_of
from lifecycle.site import OWNER_TAG, TRAINING_LOG_GROUP, Aws, Request, send
from lifecycle.source import CHECKOUT, Source, members, pack
from training.artefact import MANIFEST_MEMBER, MEMBERS, MODEL_MEMBER, Artefact, load_model, write_artefact
from training.data.load import Destination, load
from training.data.manifest import EARLIER_FORMAT, MANIFEST, read_manifest
from vehiclevision.results import ADDRESS, bucket_and_key
from vehiclevision.storage import code_of, listed

DATA_PREFIX: Final = "training-data/"
POLL_SECONDS: Final = 5.0
MAX_MODEL_BYTES: Final = 512 * 1024 * 1024
MAX_MEMBER_BYTES: Final = 64 * 1024 * 1024
MAX_DATA_MANIFEST_BYTES: Final = 200_000_000
RUNNING: Final = frozenset({"InProgress", "Stopping"})
COMPLETED: Final = "Completed"
_JOB: Final = ("describe_training_job", "TrainingJobName", "TrainingJobStatus")
_SEARCH: Final = (
    "describe_hyper_parameter_tuning_job",
    "HyperParameterTuningJobName",
    "HyperParameterTuningJobStatus",
)


# ---- data and code ---------------------------------------------------------------------------------------------------


def planned_data(aws: Aws, given: str) -> Data:
    """The data that a job will read: S3's, or a folder's, whose address is known before it is loaded."""
    if not given or given.startswith(ADDRESS):
        return data_at(aws, given)
    manifest = read_manifest(Path(given))
    return Data(aws.site.s3(f"{DATA_PREFIX}{manifest.version}/"), manifest.data_hash, manifest.facts["builtin"])


def stage(aws: Aws, training: Training, given: str) -> Training:
    """The same training, with its data and code in the bucket."""
    if given and not given.startswith(ADDRESS):
        aws.tell(f"Loading the data to {training.data.prefix}")
        load(Path(given), aws.client("s3"), Destination(aws.site.bucket, DATA_PREFIX), lambda done, total: None)
    if training.source is not None:
        upload_source(aws, pack())
    return training


def data_at(aws: Aws, address: str) -> Data:
    """The data that was loaded to this address, or where none is given, the data that was loaded last."""
    if address and not address.startswith(ADDRESS):
        raise SageMakerStepError(f"{address[:200]!r} is no address in S3.", "Write it as s3://BUCKET/PREFIX/.")
    bucket, prefix = bucket_and_key(address) if address else (aws.site.bucket, _newest_data(aws))
    if bucket != aws.site.bucket:
        raise SageMakerStepError(
            f"Training jobs read the bucket {aws.site.bucket} only.",
            f"Load the data there: vehiclevision data load DIR --bucket {aws.site.bucket}, or give --data DIR.",
        )
    prefix = prefix.rstrip("/") + "/"
    try:
        answer = aws.client("s3").get_object(Bucket=bucket, Key=f"{prefix}{MANIFEST}")
    except ClientError as error:
        if code_of(error) not in ("NoSuchKey", "NoSuchBucket", "404"):
            raise
        raise NothingFoundError(
            f"There is no complete data at s3://{bucket}/{prefix}.", "Give --data DIR, a folder of `data transform`."
        ) from error
    manifest = json.loads(answer["Body"].read(MAX_DATA_MANIFEST_BYTES))
    if manifest.get("format") == EARLIER_FORMAT:
        raise NothingFoundError(
            f"The data at s3://{bucket}/{prefix} was made by an earlier release, for a model that saw 32 x 32 pixels.",
            "Make it anew with `vehiclevision data transform`, and give that folder with --data DIR.",
        )
    return Data(f"s3://{bucket}/{prefix}", str(manifest["data_hash"]), manifest["builtin"])


def _newest_data(aws: Aws) -> str:
    manifests = [
        entry
        for entry in listed(aws.client("s3"), "list_objects_v2", "Contents", Bucket=aws.site.bucket, Prefix=DATA_PREFIX)
        if entry["Key"].count("/") == 2 and entry["Key"].endswith(f"/{MANIFEST}")
    ]
    if not manifests:
        raise NothingFoundError(
            "No training data is loaded yet.", "Give --data DIR, a folder of `vehiclevision data transform`."
        )
    newest: str = max(manifests, key=lambda entry: entry["LastModified"])["Key"]
    return newest.removesuffix(MANIFEST)


def upload_source(aws: Aws, source: Source) -> str:
    """The packed code into the bucket, unless it is there; its address."""
    put_once(aws, source.key, source.content)
    return aws.site.s3(source.key)


def put_once(aws: Aws, key: str, content: bytes) -> None:
    """An object whose key follows from its content: where it is, it is right."""
    s3 = aws.client("s3")
    if s3.list_objects_v2(Bucket=aws.site.bucket, Prefix=key, MaxKeys=1).get("KeyCount", 0) == 0:
        s3.put_object(Bucket=aws.site.bucket, Key=key, Body=content)


def revision(checkout: Path = CHECKOUT) -> str:
    """The code's commit, with a mark where files differ from it; empty where there is no git."""
    try:
        head = _git(checkout, "rev-parse", "HEAD")
        changed = _git(checkout, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return ""
    return f"{head}+changes" if changed else head


def _git(checkout: Path, *arguments: str) -> str:
    command = ["git", "-C", str(checkout), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()  # noqa: S603


# ---- jobs ------------------------------------------------------------------------------------------------------------


def start(aws: Aws, training: Training, *, again: bool = False) -> str:
    """The name of the job that does this: the one that runs or is done, or a new one."""
    return _start(aws, lambda attempt: training_job(aws.site, training, attempt), _JOB, again=again)


def start_search(aws: Aws, training: Training, runs: int, at_once: int, *, again: bool = False) -> str:
    """The name of the tuning job that does this: the one that runs or is done, or a new one."""
    return _start(aws, lambda attempt: tuning_job(aws.site, training, runs, at_once, attempt), _SEARCH, again=again)


def _start(aws: Aws, request_of: Callable[[int], Request], kind: tuple[str, str, str], *, again: bool) -> str:
    describe, name_field, status_field = kind
    for attempt in itertools.count(1):
        request = request_of(attempt)
        name = str(request.parameters[name_field])
        job = registry.described_or_none(aws, describe, **{name_field: name})
        if job is None:
            send(aws, request)
            return name
        status = job[status_field]
        if status in RUNNING or (status == COMPLETED and not again):
            aws.tell(f"{name} is there already: {status}")
            return name
    raise AssertionError("never reached")


def follow(aws: Aws, name: str) -> dict[str, Any]:
    """Tell what a training job says until it ends; SageMakerStepError unless it leaves a model."""
    lines = LogLines(aws, name)
    return _follow(aws, name, _JOB, lambda job: job.get("SecondaryStatus", job["TrainingJobStatus"]), lines.new)


def follow_search(aws: Aws, name: str) -> dict[str, Any]:
    """Tell how far a tuning job is until it ends."""

    def step_of(search: Mapping[str, Any]) -> str:
        counts = search.get("TrainingJobStatusCounters", {})
        return f"{counts.get('Completed', 0)} done, {counts.get('InProgress', 0)} running"

    return _follow(aws, name, _SEARCH, step_of)


def _follow(
    aws: Aws,
    name: str,
    kind: tuple[str, str, str],
    step_of: Callable[[Mapping[str, Any]], str],
    new_lines: Callable[[], Iterable[str]] = tuple,
) -> dict[str, Any]:
    (describe, name_field, status_field), said = kind, ""
    while True:
        job: dict[str, Any] = getattr(aws.client("sagemaker"), describe)(**{name_field: name})
        if (step := step_of(job)) != said:
            aws.tell(f"{name}: {step}")
            said = step
        for line in new_lines():
            aws.tell(f"  {line}")
        if job[status_field] not in RUNNING:
            return _ended(job, name, job[status_field])
        aws.sleep(POLL_SECONDS)


def _ended(job: dict[str, Any], name: str, status: str) -> dict[str, Any]:
    if status == COMPLETED:
        return job
    reason = " ".join(str(job.get("FailureReason", "")).split())[:400]
    hint = (
        "The account's quota for this instance type is used up or 0; see: vehiclevision doctor"
        if "ResourceLimitExceeded" in reason or "CapacityError" in reason
        else "Mend that and run the same command again; what was trained so far is kept."
    )
    raise SageMakerStepError(f"The job {name} ended as {status}. {reason}".rstrip(), hint)


class LogLines:
    """What a job's containers wrote since one last looked."""

    def __init__(self, aws: Aws, job: str) -> None:
        self._logs, self._job = aws.client("logs"), job
        self._tokens: dict[str, str] = {}

    def new(self) -> Iterator[str]:
        """The new lines; none as long as there is no log."""
        try:
            streams = self._logs.describe_log_streams(
                logGroupName=TRAINING_LOG_GROUP, logStreamNamePrefix=f"{self._job}/"
            ).get("logStreams", [])
        except self._logs.exceptions.ResourceNotFoundException:
            return
        for stream in streams:
            yield from self._read(stream["logStreamName"])

    def _read(self, stream: str) -> Iterator[str]:
        while True:
            token = {"nextToken": self._tokens[stream]} if stream in self._tokens else {}
            answer = self._logs.get_log_events(
                logGroupName=TRAINING_LOG_GROUP, logStreamName=stream, startFromHead=True, **token
            )
            for event in answer["events"]:
                yield event["message"]
            before, self._tokens[stream] = self._tokens.get(stream), answer["nextForwardToken"]
            # AWS: "Partially full or empty pages don't necessarily mean that pagination is finished."
            if before == self._tokens[stream]:
                return


# ---- models ----------------------------------------------------------------------------------------------------------


def newest_job(aws: Aws) -> str:
    """The training job that was completed last and is ours."""
    newest_first = {"StatusEquals": COMPLETED, "SortBy": "CreationTime", "SortOrder": "Descending"}
    completed = {"NameContains": aws.site.application, **newest_first}
    for job in listed(aws.client("sagemaker"), "list_training_jobs", "TrainingJobSummaries", **completed):
        if tags_of(aws, job["TrainingJobArn"]).get(OWNER_TAG) == aws.site.application:
            return str(job["TrainingJobName"])
    raise NothingFoundError(
        "No training job has been completed yet.",
        "Train with: vehiclevision sagemaker train, or register a file with --model.",
    )


def candidate_of_job(aws: Aws, name: str, serving_image: str) -> Candidate:
    """The model of a completed job, checked; our own is put into the bucket as an artefact of its own."""
    job = registry.described_or_none(aws, "describe_training_job", TrainingJobName=name)
    if job is None:
        raise NothingFoundError(f"There is no training job {name}.", "List them with: vehiclevision sagemaker describe")
    if job["TrainingJobStatus"] != COMPLETED:
        raise SageMakerStepError(f"The job {name} is {job['TrainingJobStatus']}.", "Wait for it, or train again.")
    tags = tags_of(aws, job["TrainingJobArn"])
    url = job["ModelArtifacts"]["S3ModelArtifacts"]
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / "job.tar.gz"
        download(aws, url, packed)
        if tags.get("vehiclevision:algorithm", OWN) == BUILTIN:
            measured = {each["MetricName"]: float(each["Value"]) for each in job.get("FinalMetricDataList", [])}
            figures = {f"validation {key.rpartition(':')[2]}": value for key, value in measured.items()}
            return Candidate(
                algorithm=BUILTIN,
                image=job["AlgorithmSpecification"]["TrainingImage"],
                model_url=url,
                model_sha256=hashlib.sha256(packed.read_bytes()).hexdigest(),
                data_hash=tags.get("vehiclevision:data", ""),
                code_revision=tags.get("vehiclevision:revision", ""),
                metrics=figures,
                evaluation_url=_put_evaluation(aws, url.removesuffix("model.tar.gz"), figures),
                training_job=name,
            )
        artefact = Path(folder) / "model.tar.gz"
        write_artefact(artefact_of_job(packed), artefact)
        return candidate_of_file(
            aws, artefact, serving_image, code_revision=tags.get("vehiclevision:revision", ""), training_job=name
        )


def candidate_of_file(
    aws: Aws, path: Path, serving_image: str, *, code_revision: str, training_job: str = ""
) -> Candidate:
    """An artefact of ours, checked as whoever serves it will check it, and put into the bucket under its hash."""
    manifest = load_model(path).manifest
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    key = f"models/{sha256[:16]}/model.tar.gz"
    put_once(aws, key, content)
    return Candidate(
        algorithm=OWN,
        image=serving_image,
        model_url=aws.site.s3(key),
        model_sha256=sha256,
        data_hash=str(manifest.fields.get("data_hash", "")),
        code_revision=code_revision,
        threshold=manifest.threshold,
        metrics=registry.metrics(manifest.fields.get("metrics", {})),
        evaluation_url=_put_evaluation(
            aws, aws.site.s3(f"models/{sha256[:16]}/"), dict(manifest.fields.get("metrics", {}))
        ),
        training_job=training_job,
        model_version=manifest.version,
    )


def artefact_of_job(packed: Path) -> Artefact:
    """Our two members out of what SageMaker packed; it names them its own way, and other files may lie beside them."""
    try:
        with packed.open("rb") as file:
            contents = members(file, dict.fromkeys(MEMBERS, MAX_MEMBER_BYTES))
        manifest = json.loads(contents[MANIFEST_MEMBER])
        return Artefact(contents[MODEL_MEMBER], manifest)
    except (tarfile.TarError, OSError, EOFError, KeyError, ValueError) as error:
        raise SageMakerStepError(
            "The job's model.tar.gz holds no model of ours.", "Look at the job's log, then train again."
        ) from error


def _put_evaluation(aws: Aws, prefix: str, figures: dict[str, Any]) -> str:
    address = f"{prefix}evaluation.json"
    bucket, key = bucket_and_key(address)
    body = registry.evaluation(figures)
    aws.client("s3").put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
    return address


def download(aws: Aws, url: str, path: Path) -> None:
    """A model's artefact out of S3, read within limits."""
    bucket, key = bucket_and_key(url)
    answer = aws.client("s3").get_object(Bucket=bucket, Key=key)
    if answer["ContentLength"] > MAX_MODEL_BYTES:
        raise SageMakerStepError(f"The model {url} is larger than {MAX_MODEL_BYTES} bytes.", "Train a smaller one.")
    with path.open("wb") as file:
        for piece in answer["Body"].iter_chunks(1024 * 1024):
            file.write(piece)
