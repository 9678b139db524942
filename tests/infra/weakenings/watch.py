"""Alarms, runbooks, metrics and dashboard, made worse."""

from tests.infra.project import Project
from tests.infra.weakenings.planting import resources, rewritten, weakens, without_file


@weakens("alarms_and_runbooks_pair_up")
def an_alarm_without_a_runbook(project: Project) -> Project:
    return without_file(project, "docs/runbooks/workflow-slow.md")


@weakens("alarms_and_runbooks_pair_up")
def an_alarm_that_names_none(project: Project) -> None:
    project.properties("WorkflowSlowAlarm")["AlarmDescription"] = "Slow."


@weakens("alarms_and_runbooks_pair_up")
def a_runbook_without_an_alarm(project: Project) -> None:
    del resources(project)["ReviewShareAlarm"]


@weakens("runbooks_answer_the_four_questions")
def a_runbook_without_a_way_out(project: Project) -> Project:
    return rewritten(project, "docs/runbooks/workflow-slow.md", "## How to know it is over", "## Then")


@weakens("runbooks_use_outputs_that_exist")
def a_runbook_for_another_stack(project: Project) -> None:
    del project.template["Outputs"]["DeadLetterQueueUrl"]


@weakens("runbook_commands_exist")
def a_runbook_with_a_wrong_command(project: Project) -> Project:
    return rewritten(project, "docs/runbooks/workflow-fault.md", "aws sqs receive-message", "aws sqs read-message")


@weakens("runbook_commands_exist")
def a_runbook_with_a_wrong_option(project: Project) -> Project:
    return rewritten(project, "docs/runbooks/workflow-fault.md", "--max-number-of-messages", "--number")


@weakens("runbook_commands_exist")
def a_runbook_that_leaves_out_what_aws_needs(project: Project) -> Project:
    return rewritten(project, "docs/runbooks/workflow-fault.md", "--receipt-handle HANDLE", "")


@weakens("every_alarm_reaches_someone")
def an_alarm_that_tells_nobody(project: Project) -> None:
    del project.properties("EndpointFailingAlarm")["AlarmActions"]


@weakens("metric_names_agree")
def a_metric_renamed_on_the_dashboard(project: Project) -> Project:
    return rewritten(project, "dashboard.yaml", '"NeedsReview"', '"Review"')


@weakens("metric_names_agree")
def a_metric_renamed_in_the_code(project: Project) -> Project:
    return rewritten(project, "functions/vehiclevision/telemetry.py", '"PredictionFailed"', '"PredictionError"')


@weakens("metric_names_agree")
def a_metric_that_nothing_counts(project: Project) -> Project:
    return rewritten(project, "functions/filter_inferences/app.py", "telemetry.CONFIDENT)", "telemetry.NEEDS_REVIEW)")


@weakens("our_metrics_are_asked_for_by_service")
def an_alarm_on_all_services(project: Project) -> None:
    project.properties("EndpointFailingAlarm")["Dimensions"] = []


@weakens("sums_survive_silence")
def a_share_that_needs_both_metrics(project: Project) -> None:
    project.properties("ReviewShareAlarm")["Metrics"][0]["Expression"] = "review / (review + sure)"


@weakens("dashboard_points_at_this_stack")
def a_dashboard_of_another_workflow(project: Project) -> Project:
    return rewritten(project, "dashboard.yaml", "${ClassifyVehicleStateMachine}", "${Workflow}")


@weakens("dashboard_points_at_this_stack")
def a_dashboard_that_is_no_json(project: Project) -> Project:
    return rewritten(project, "dashboard.yaml", '"widgets": [', '"widgets": [,')
