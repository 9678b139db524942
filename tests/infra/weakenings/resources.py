"""Bucket, table, queue, logs and limits, made worse."""

import copy

from tests.infra.project import Project
from tests.infra.weakenings.planting import resources, rewritten, weakens


@weakens("there_are_exactly_three_functions")
def a_fourth_function(project: Project) -> None:
    resources(project)["ResizeImageFunction"] = copy.deepcopy(resources(project)["FilterInferencesFunction"])


@weakens("photos_are_private_and_versioned")
def a_public_bucket(project: Project) -> None:
    project.properties("UploadBucket")["PublicAccessBlockConfiguration"]["BlockPublicPolicy"] = False


@weakens("photos_are_private_and_versioned")
def a_bucket_without_versions(project: Project) -> None:
    project.properties("UploadBucket")["VersioningConfiguration"] = {"Status": "Suspended"}


@weakens("photos_are_private_and_versioned")
def a_bucket_that_tells_nobody(project: Project) -> None:
    del project.properties("UploadBucket")["NotificationConfiguration"]


@weakens("photos_do_not_stay_for_ever")
def photos_kept_for_ever(project: Project) -> None:
    del project.properties("UploadBucket")["LifecycleConfiguration"]


@weakens("photos_do_not_stay_for_ever")
def delete_markers_kept_for_ever(project: Project) -> None:
    del project.properties("UploadBucket")["LifecycleConfiguration"]["Rules"][2]["ExpiredObjectDeleteMarker"]


@weakens("photos_do_not_stay_for_ever")
def reviewed_pictures_kept_for_ever(project: Project) -> None:
    del project.properties("UploadBucket")["LifecycleConfiguration"]["Rules"][1]


@weakens("records_survive_and_expire")
def a_table_without_a_way_back(project: Project) -> None:
    del project.properties("ResultsTable")["PointInTimeRecoverySpecification"]


@weakens("records_survive_and_expire")
def records_kept_for_ever(project: Project) -> None:
    project.properties("ResultsTable")["TimeToLiveSpecification"]["Enabled"] = False


@weakens("photos_and_records_outlive_the_stack")
def records_that_go_with_the_stack(project: Project) -> None:
    resources(project)["ResultsTable"]["DeletionPolicy"] = "Delete"


@weakens("letters_wait_long_enough")
def letters_that_wait_for_four_days(project: Project) -> None:
    del project.properties("DeadLetterQueue")["MessageRetentionPeriod"]


@weakens("letters_wait_long_enough")
def letters_in_plain_text(project: Project) -> None:
    project.properties("DeadLetterQueue")["SqsManagedSseEnabled"] = False


@weakens("no_event_is_dropped")
def a_rule_without_dead_letters(project: Project) -> None:
    del project.properties("UploadRule")["Targets"][0]["DeadLetterConfig"]


@weakens("the_trigger_hears_our_uploads_only")
def a_trigger_for_every_bucket(project: Project) -> None:
    del project.properties("UploadRule")["EventPattern"]["detail"]["bucket"]


@weakens("workflow_logs_hold_no_data")
def pictures_in_the_log(project: Project) -> None:
    project.properties("ClassifyVehicleStateMachine")["Logging"]["IncludeExecutionData"] = True


@weakens("workflow_logs_hold_no_data")
def a_workflow_that_logs_nothing(project: Project) -> None:
    project.properties("ClassifyVehicleStateMachine")["Logging"]["Level"] = "OFF"


@weakens("every_log_ends")
def logs_kept_for_ever(project: Project) -> None:
    del project.properties("ClassifyImageLogGroup")["RetentionInDays"]


@weakens("time_limits_nest")
def a_function_that_outlives_its_step(project: Project) -> None:
    project.properties("ClassifyImageFunction")["Timeout"] = 90


@weakens("time_limits_nest")
def a_call_that_outlives_its_function(project: Project) -> Project:
    return rewritten(
        project, "functions/vehiclevision/settings.py", "READ_TIMEOUT_SECONDS = 20", "READ_TIMEOUT_SECONDS = 60"
    )


@weakens("every_parameter_is_checked")
def a_threshold_of_any_size(project: Project) -> None:
    del project.template["Parameters"]["ConfidenceThreshold"]["MinValue"]


@weakens("every_parameter_is_used")
def a_parameter_without_use(project: Project) -> None:
    project.template["Parameters"]["Unused"] = {
        "Type": "String",
        "Default": "a",
        "AllowedValues": ["a"],
        "Description": "d",
    }


@weakens("template_holds_no_null")
def a_null_which_cloudformation_refuses(project: Project) -> None:
    project.properties("WorkflowFaultRule")["EventPattern"]["detail"]["error"] = [None]


@weakens("template_names_no_account")
def a_region_in_the_template(project: Project) -> Project:
    return rewritten(project, "template.yaml", "${AWS::Region}", "us-east-1")
