"""Train a model in a training job and follow it.

The job's name follows from data, code and settings: the same command finds the same job again, and follows it.
"""

from typing import Annotated

from cli.display import on_interrupt
from cli.errors import USAGE, CommandError
from cli.options import flag
from cli.sagemaker import Dialogue, KmsKey, SageMakerAccount, TrainingOptions, left_alone, planned
from lifecycle import foundation, jobs, prices, registry, runs
from lifecycle.images import BUILTIN


def command(
    *,
    training: TrainingOptions,
    dialogue: Dialogue,
    account: SageMakerAccount,
    spot: Annotated[bool, flag("--spot/--no-spot", "On spare capacity, which may be interrupted.")] = True,
    incremental: Annotated[
        bool, flag("--incremental", "builtin only: go on from the newest approved builtin version.")
    ] = False,
    kms_key: KmsKey = None,
) -> int:
    """Train a model in a training job and follow it."""
    connection = account.connect(kms_key)
    aws = connection.aws
    former = registry.newest_approved(registry.versions(aws), BUILTIN) if incremental else None
    if incremental and former is None:
        raise CommandError(
            "There is no approved version of the built-in algorithm to go on from.", "Leave --incremental out.", USAGE
        )
    plan = planned(connection, training, spot=spot, model=former.model_url if former else None)
    if dialogue.print_requests:
        return connection.print_requests([jobs.training_job(aws.site, plan)])
    cost = connection.price(plan.instance, prices.TRAINING)
    connection.confirm(prices.training_words(plan.instance, jobs.MAX_HOURS, spot=plan.spot, price=cost), dialogue)
    foundation.ensure(aws)
    name = runs.start(aws, runs.stage(aws, plan, training.data), again=training.again)
    if training.no_wait:
        return dialogue.tell({"training_job": name}, f"{name} is started. Follow it with the same command.")
    with on_interrupt(left_alone(name)):
        done = runs.follow(aws, name)
    metrics = {each["MetricName"]: each["Value"] for each in done.get("FinalMetricDataList", [])}
    facts = {"training_job": name, "model_url": done["ModelArtifacts"]["S3ModelArtifacts"], "metrics": metrics}
    return dialogue.tell(facts, f"{name} is done.", connection.next("register --latest"))
