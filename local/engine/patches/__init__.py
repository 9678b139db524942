"""Everything changed in MiniStack, a file a service, each change with its reason.

A patch is a last resort: whatever an environment variable or a public interface can do is done there.
Each has a test that shows the defect in MiniStack as it is published, and so fails when it is mended.
"""

from pathlib import Path

from local.credentials import Credentials
from local.engine.journal import Journal
from local.engine.patches import (
    cloudformation,
    cloudwatch,
    dynamodb,
    eventbridge,
    iam,
    lambda_functions,
    logs,
    map_runs,
    s3,
    sagemaker,
    sqs,
    stepfunctions,
)


def apply(workers_per_function: int, journal: Journal, root: Credentials, directory: Path) -> None:
    """Change this process's MiniStack, which must be of the version in local/place.py."""
    dynamodb.write_items_through(journal)
    stepfunctions.write_executions_through(journal)
    stepfunctions.give_expressions_time()
    stepfunctions.parse_once()
    stepfunctions.read_plain_paths()
    stepfunctions.end_once()
    stepfunctions.know_which_execution_runs()
    stepfunctions.fail_when_an_event_is_refused()
    stepfunctions.hold_tasks_to_their_role()
    map_runs.run_distributed_maps_in_batches()
    sqs.write_messages_through(journal)
    eventbridge.keep_what_is_not_delivered()
    eventbridge.ask_before_delivering(journal)
    s3.write_events_through(journal)
    s3.name_versions_in_object_events()
    s3.encode_listed_keys()
    logs.leave_logs_to_the_journal()
    lambda_functions.answer_runtime_api_at_once()
    lambda_functions.end_logs_at_the_mark()
    lambda_functions.keep_unpacked_code()
    lambda_functions.hash_code_once()
    lambda_functions.queue_invocations(workers_per_function)
    lambda_functions.name_throttling()
    lambda_functions.keep_functions_keys_secret(root)
    lambda_functions.ask_workers_for_their_secret(root)
    cloudformation.accept_metric_math_alarms()
    cloudformation.settle_interrupted_stacks()
    cloudwatch.gather_points()
    cloudwatch.count_what_happens()
    cloudwatch.count_executions()
    cloudwatch.take_alarms_over_several_metrics()
    cloudwatch.evaluate_alarms()
    iam.count_loopback_as_tls()
    iam.match_line_breaks_in_policies()
    iam.tell_policies_the_namespace()
    sagemaker.reach_sagemaker(directory, root)
