"""Search for good hyperparameters.

Several training jobs, each with other settings; the best by accuracy on the validation part is named.
"""

from typing import Annotated

from cli.display import on_interrupt
from cli.options import option
from cli.sagemaker import Dialogue, KmsKey, SageMakerAccount, TrainingOptions, left_alone, planned
from lifecycle import foundation, jobs, prices, runs


def command(
    *,
    training: TrainingOptions,
    dialogue: Dialogue,
    account: SageMakerAccount,
    search_jobs: Annotated[int, option("--jobs", "N", "So many jobs in all.", min=1, max=50)] = 8,
    at_once: Annotated[int, option("--at-once", "N", "So many at a time.", min=1, max=10)] = 2,
    kms_key: KmsKey = None,
) -> int:
    """Search for good hyperparameters."""
    connection = account.connect(kms_key)
    aws = connection.aws
    plan = planned(connection, training)
    if dialogue.print_requests:
        return connection.print_requests([jobs.tuning_job(aws.site, plan, search_jobs, at_once)])
    cost = connection.price(plan.instance, prices.TRAINING)
    words = prices.training_words(plan.instance, jobs.MAX_HOURS, spot=False, price=cost, jobs=search_jobs)
    connection.confirm(words, dialogue)
    foundation.ensure(aws)
    staged = runs.stage(aws, plan, training.data)
    name = runs.start_search(aws, staged, search_jobs, at_once, again=training.again)
    if training.no_wait:
        return dialogue.tell({"tuning_job": name}, f"{name} is started. Follow it with the same command.")
    with on_interrupt(left_alone(name)):
        done = runs.follow_search(aws, name)
    best = done.get("BestTrainingJob", {})
    job, settings = best.get("TrainingJobName"), best.get("TunedHyperParameters", {})
    value = best.get("FinalHyperParameterTuningJobObjectiveMetric", {}).get("Value")
    facts = {"tuning_job": name, "best_training_job": job, "hyperparameters": settings, "value": value}
    words = f"Best: {job}, {jobs.OBJECTIVE} {value}, {settings}"
    return dialogue.tell(facts, words, connection.next(f"register --job {job}"))
