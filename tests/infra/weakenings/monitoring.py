"""The second application, made worse."""

from tests.infra.project import Json, Project
from tests.infra.weakenings.planting import rewritten, weakens


def properties(project: Project, name: str) -> Json:
    found: Json = project.monitoring["Resources"][name]["Properties"]
    return found


def statement(project: Project, role: str, number: int) -> Json:
    found: Json = properties(project, role)["Policies"][0]["PolicyDocument"]["Statement"][number]
    return found


@weakens("monitoring_roles_may_do_exactly_this")
def a_check_that_may_write_captures(project: Project) -> None:
    statement(project, "CheckDriftRole", 1)["Resource"] = {
        "Fn::Sub": "arn:${AWS::Partition}:s3:::${CaptureBucketName}/*"
    }


@weakens("monitoring_roles_may_do_exactly_this")
def a_schedule_that_calls_any_function(project: Project) -> None:
    statement(project, "CheckScheduleRole", 0)["Resource"] = "*"


@weakens("monitoring_grants_nothing_on_everything")
def a_check_that_reads_every_table(project: Project) -> None:
    statement(project, "CheckDriftRole", 3)["Resource"] = "*"


@weakens("monitoring_grants_nothing_on_everything")
def metrics_in_any_namespace(project: Project) -> None:
    del statement(project, "CheckDriftRole", 5)["Condition"]


@weakens("monitoring_roles_are_taken_by_one_service")
def a_check_s_role_for_other_accounts(project: Project) -> None:
    del properties(project, "CheckDriftRole")["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]


@weakens("monitoring_functions_are_of_one_kind")
def a_check_that_logs_for_ever(project: Project) -> None:
    del properties(project, "CheckDriftLogGroup")["RetentionInDays"]


@weakens("monitoring_functions_are_of_one_kind")
def a_check_with_another_handler(project: Project) -> None:
    properties(project, "CheckDriftFunction")["Handler"] = "drift.app.lambda_handler"


@weakens("monitoring_is_asked_for_on_time")
def a_schedule_that_gives_up_at_once(project: Project) -> None:
    del properties(project, "CheckSchedule")["Target"]["RetryPolicy"]


@weakens("monitoring_is_asked_for_on_time")
def a_missing_check_that_nobody_misses(project: Project) -> None:
    properties(project, "CheckFailingAlarm")["MetricName"] = "RecordsRead"


@weakens("monitoring_alarms_reach_someone")
def drift_that_tells_nobody(project: Project) -> None:
    properties(project, "DriftAlarm")["AlarmActions"] = []


@weakens("monitoring_alarms_reach_someone")
def drift_that_ends_by_silence(project: Project) -> None:
    properties(project, "DriftAlarm")["TreatMissingData"] = "notBreaching"


@weakens("monitoring_metric_names_agree")
def a_drift_metric_renamed_in_the_code(project: Project) -> Project:
    return rewritten(project, "monitoring/telemetry.py", '"DriftFound"', '"Drifted"')


@weakens("monitoring_metric_names_agree")
def an_alarm_on_all_endpoints(project: Project) -> None:
    properties(project, "SilentCaptureAlarm")["Dimensions"] = []


@weakens("monitoring_dashboard_points_at_this_stack")
def a_dashboard_of_another_endpoint(project: Project) -> Project:
    return rewritten(project, "monitoring/dashboard.yaml", "${CheckDriftFunction}", "${Check}")


@weakens("monitoring_parameters_have_a_use")
def a_parameter_asked_for_in_vain(project: Project) -> None:
    project.monitoring["Parameters"]["Wish"] = {"Type": "String", "Description": "Nothing hears it."}


@weakens("monitoring_parameters_have_a_use")
def a_default_schedule_that_is_none(project: Project) -> None:
    project.monitoring["Parameters"]["Schedule"]["Default"] = "daily"


@weakens("model_monitor_runs_only_where_asked")
def a_model_monitor_for_everybody(project: Project) -> None:
    del project.monitoring["Resources"]["ModelMonitorSchedule"]["Condition"]


@weakens("runbooks_use_outputs_that_exist")
def a_runbook_for_another_monitoring(project: Project) -> None:
    del project.monitoring["Outputs"]["CheckDriftFunctionName"]


@weakens("alarms_and_runbooks_pair_up")
def a_drift_alarm_without_a_runbook(project: Project) -> None:
    properties(project, "DriftAlarm")["AlarmDescription"] = "Drift."


@weakens("the_join_is_asked_for_on_time")
def a_join_that_nobody_asks_for(project: Project) -> None:
    del project.reconciling["Resources"]["FindGapsSchedule"]


@weakens("the_join_is_asked_for_on_time")
def gaps_that_no_alarm_watches(project: Project) -> None:
    del project.reconciling["Resources"]["ReconcileGapsAlarm"]


@weakens("monitoring_roles_may_do_exactly_this")
def a_join_that_may_read_photos(project: Project) -> None:
    policies = project.reconciling["Resources"]["FindGapsRole"]["Properties"]["Policies"]
    policies[0]["PolicyDocument"]["Statement"][0]["Action"] = ["s3:ListBucketVersions", "s3:GetObjectVersion"]
