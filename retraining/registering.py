"""After the comparison: a better model is registered, and what deploys it is written down, as requests.

The state machine sends them. They are those of `vehiclevision sagemaker deploy`, so its commands know what they find.
"""

import hashlib
import io
import tarfile
from dataclasses import asdict, replace
from typing import Any, Final

from botocore.exceptions import ClientError

from lifecycle import deploy, endpoint, registry, source
from lifecycle.images import OWN
from lifecycle.registry import Candidate, Version
from lifecycle.site import OWNER_TAG, Aws
from retraining import staging
from retraining.errors import RetrainingError
from retraining.settings import StackParameters
from training import comparison as comparisons
from training.comparison import Comparison, OtherFormatError
from vehiclevision.storage import code_of

ARTEFACT: Final = "model.tar.gz"
COMPARISON: Final = "comparison.json"
MAX_OUTPUT_BYTES: Final = 256 * 1024 * 1024
MAX_MEMBER_BYTES: Final = {ARTEFACT: 64 * 1024 * 1024, COMPARISON: 4 * 1024 * 1024}


def register(settings: StackParameters, aws: Aws, job: str) -> dict[str, Any]:
    """What a run's comparison came to, as the state machine reads it; with a better model also all that deploys it."""
    members = output_of(aws, job)
    comparison = _read(members[COMPARISON])
    verdict = {
        "accepted": comparison.accepted,
        "code": comparison.reason,
        "reason": comparison.words,
        "figures": {"reviewed": asdict(comparison.reviewed), "base": asdict(comparison.base)},
        "model_version": comparison.challenger.version,
        "champion_version": comparison.champion.version,
        "threshold": comparison.rule.threshold,
        "cheapest_threshold": comparison.challenger.cheapest_threshold,
    }
    if not comparison.accepted:
        return verdict
    live = staging.serving(settings, aws)
    if live is None:
        raise RetrainingError("The endpoint is not in service.", "When it is again: vehiclevision retrain start")
    candidate = _candidate(aws, job, members[ARTEFACT], comparison, live.image or settings.serving_image)
    return {**verdict, **deployment(settings, aws, registry.register(aws, candidate), live.version)}


def output_of(aws: Aws, job: str) -> dict[str, bytes]:
    """The comparison and the artefact that was compared, out of a job's output; read within limits."""
    key = f"jobs/{job}/output/output.tar.gz"
    try:
        answer = aws.client("s3").get_object(Bucket=aws.site.bucket, Key=key)
    except ClientError as error:
        if code_of(error) not in ("NoSuchKey", "404", "AccessDenied"):
            raise
        raise RetrainingError(f"The job {job} left no output.", "Look at its log, then retrain again.") from error
    if answer["ContentLength"] > MAX_OUTPUT_BYTES:
        raise RetrainingError(f"The output of {job} is larger than {MAX_OUTPUT_BYTES} bytes.", "Look at the job.")
    try:
        members = source.members(io.BytesIO(answer["Body"].read()), MAX_MEMBER_BYTES)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise RetrainingError(f"The output of {job} is no archive.", "Look at its log, then retrain again.") from error
    if missing := MAX_MEMBER_BYTES.keys() - members.keys():
        raise RetrainingError(
            f"The output of {job} lacks {' and '.join(sorted(missing))}.", "Look at its log, then retrain again."
        )
    return members


def _read(content: bytes) -> Comparison:
    try:
        return comparisons.read(content)
    except OtherFormatError as error:
        raise RetrainingError("The job's comparison is of another release.", "Retrain again.") from error
    except ValueError as error:
        raise RetrainingError("The job's comparison cannot be read.", "Retrain again.") from error


def _candidate(aws: Aws, job: str, artefact: bytes, comparison: Comparison, image: str) -> Candidate:
    """What is registered: the very bytes that were compared, put into the bucket under their hash."""
    model, site = comparison.challenger, aws.site
    sha256 = hashlib.sha256(artefact).hexdigest()
    if sha256 != model.artefact_sha256:
        raise RetrainingError("The job's model is not the one that was compared.", "Retrain again.")
    prefix = f"models/{sha256[:16]}/"
    s3 = aws.client("s3")
    s3.put_object(Bucket=site.bucket, Key=f"{prefix}{ARTEFACT}", Body=artefact)
    s3.put_object(
        Bucket=site.bucket,
        Key=f"{prefix}evaluation.json",
        Body=registry.evaluation({**model.metrics, "comparison": {**comparison.as_json(), "challenger": None}}),
        ContentType="application/json",
    )
    return Candidate(
        algorithm=OWN,
        image=image,
        model_url=site.s3(f"{prefix}{ARTEFACT}"),
        model_sha256=sha256,
        data_hash=model.data_hash,
        threshold=model.threshold,
        metrics={
            **registry.metrics(model.metrics),
            "reviewed cost": comparison.reviewed.challenger,
            "reviewed cost before": comparison.reviewed.champion,
        },
        evaluation_url=site.s3(f"{prefix}evaluation.json"),
        training_job=job,
        model_version=model.version,
    )


def deployment(settings: StackParameters, aws: Aws, version: Version, former: Version | None) -> dict[str, Any]:
    """What deploys a version as the present one is served, what takes it back, and which alarms say that it must.

    The state machine sends each request as it stands here.
    """
    state = deploy.look(aws, f"{aws.site.application}-endpoint-failing")
    if state.endpoint is None or state.live is None:
        raise RetrainingError("The endpoint is gone.", "Deploy one: vehiclevision sagemaker deploy --latest")
    if OWNER_TAG not in registry.tags_of(aws, state.endpoint["EndpointArn"]):
        # An endpoint that was there before us becomes ours, so that teardown finds it.
        aws.client("sagemaker").add_tags(ResourceArn=state.endpoint["EndpointArn"], Tags=aws.site.tags)
    hosting = deploy.hosting_of(aws, state)
    if settings.site.kms_key is None and (key := state.live.get("KmsKeyId")):
        aws = replace(aws, site=replace(aws.site, kms_key=key))
    endpoint.check(version, hosting)
    site, names, live = aws.site, endpoint.names(aws.site, version, hosting), deploy.live_instances(state)
    model = registry.described_or_none(aws, "describe_model", ModelName=names.model)
    config = registry.described_or_none(aws, "describe_endpoint_config", EndpointConfigName=names.config)
    # What is not there cannot watch, and what rings already would take every update back.
    known = deploy.alarm_states(aws, [*state.alarms, *settings.watched_alarms])
    quiet = [name for name, alarm in known.items() if alarm != "ALARM"]
    watching = [name for name in quiet if name not in settings.watched_alarms]
    before = state.endpoint["EndpointConfigName"]
    return {
        "version": version.number,
        "version_arn": version.arn,
        "former_version": None if former is None else former.number,
        "endpoint": site.endpoint,
        "model": endpoint.model_request(site, version, names.model, hosting).parameters,
        "model_there": model is not None,
        "config_there": config is not None,
        "config": endpoint.config_request(site, names, hosting).parameters,
        "update": endpoint.update_request(site, names.config, hosting, watching, live).parameters,
        "restore": endpoint.update_request(site, before, hosting, [], live).parameters,
        # Alarms that say that it must be taken back; never none: without a name CloudWatch would tell of every alarm.
        "watch": sorted({*quiet, site.alarm("errors")}),
    }
