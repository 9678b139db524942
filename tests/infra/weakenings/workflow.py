"""The state machine, made worse."""

from tests.infra.project import Project
from tests.infra.weakenings.planting import rewritten, states, weakens

_ERRORS = "functions/vehiclevision/errors.py"


@weakens("every_task_catches_all_last")
def a_step_without_catch(project: Project) -> None:
    del states(project)["Classify image"]["Catch"]


@weakens("every_task_catches_all_last")
def a_catch_without_states_all(project: Project) -> None:
    del states(project)["Serialize image"]["Catch"][-1]


@weakens("every_task_retries")
def a_step_without_retry(project: Project) -> None:
    del states(project)["Filter inferences"]["Retry"]


@weakens("every_task_retries")
def throttling_not_retried(project: Project) -> None:
    states(project)["Filter inferences"]["Retry"][1]["ErrorEquals"].remove("Lambda.TooManyRequestsException")


@weakens("every_task_has_a_time_limit")
def a_step_without_a_time_limit(project: Project) -> None:
    del states(project)["Record outcome"]["TimeoutSeconds"]


@weakens("every_retry_backs_off")
def a_retry_without_jitter(project: Project) -> None:
    del states(project)["Classify image"]["Retry"][1]["JitterStrategy"]


@weakens("every_retry_backs_off")
def a_retry_without_a_bound(project: Project) -> None:
    del states(project)["Classify image"]["Retry"][1]["MaxDelaySeconds"]


@weakens("every_retry_backs_off")
def a_retry_that_hammers(project: Project) -> None:
    states(project)["Serialize image"]["Retry"][1]["BackoffRate"] = 1


@weakens("patience_fits_the_error")
def a_restart_not_waited_for(project: Project) -> None:
    states(project)["Classify image"]["Retry"][1]["MaxAttempts"] = 2


@weakens("patience_fits_the_error")
def a_broken_model_waited_for(project: Project) -> None:
    states(project)["Classify image"]["Retry"][3]["MaxAttempts"] = 9


@weakens("every_caught_error_is_recorded")
def an_error_that_ends_as_a_success(project: Project) -> None:
    states(project)["Classify image"]["Catch"][-1]["Next"] = "Rejected"


@weakens("caught_faults_say_what_happened")
def an_error_without_a_reason(project: Project) -> None:
    del states(project)["Classify image"]["Catch"][-1]["Assign"]["reason"]


@weakens("caught_faults_say_what_happened")
def an_error_recorded_as_classified(project: Project) -> None:
    states(project)["Serialize image"]["Catch"][-1]["Assign"]["outcome"] = "CLASSIFIED"


@weakens("nothing_ends_classified_unannounced")
def a_vehicle_not_announced(project: Project) -> None:
    states(project)["Record vehicle"]["Next"] = "Which outcome"


@weakens("nothing_ends_classified_unannounced")
def announced_before_it_is_recorded(project: Project) -> None:
    states(project)["Filter inferences"]["Next"] = "Announce vehicle"


@weakens("nothing_ends_classified_unannounced")
def an_announcement_that_is_not_noted(project: Project) -> None:
    states(project)["Announce vehicle"]["Next"] = "Already noted"


@weakens("record_is_written_once")
def a_record_that_loses_the_order(project: Project) -> None:
    arguments = states(project)["Record vehicle"]["Arguments"]
    arguments["ConditionExpression"] = arguments["ConditionExpression"].replace(
        "#sequencer IN (:sequencer, :unknown) AND ", ""
    )


@weakens("record_is_written_once")
def a_note_on_whatever_stands_there(project: Project) -> None:
    del states(project)["Note announcement"]["Arguments"]["ConditionExpression"]


@weakens("record_is_written_once")
def a_record_written_over(project: Project) -> None:
    del states(project)["Record outcome"]["Arguments"]["ConditionExpression"]


@weakens("the_two_types_differ_in_patience_alone")
def a_fault_that_express_waits_for(project: Project) -> None:
    del states(project)["Announce vehicle"]["Retry"][0]


@weakens("the_two_types_differ_in_patience_alone")
def two_types_of_two_tables(project: Project) -> None:
    express = project.properties("ClassifyVehicleExpressStateMachine")
    express["DefinitionSubstitutions"]["ResultsTableName"] = "another"


@weakens("both_readings_of_the_trigger_agree")
def a_trigger_read_in_two_ways(project: Project) -> None:
    del states(project)["Read trigger"]["Assign"]["by_hand"]


@weakens("every_state_is_reachable")
def a_state_that_nothing_reaches(project: Project) -> None:
    states(project)["Announce vehicle"]["Next"] = "Rejected"


@weakens("every_failure_has_a_name")
def a_low_confidence_under_another_name(project: Project) -> None:
    states(project)["Needs review"]["Error"] = "LowConfidence"


@weakens("every_matched_error_exists")
def a_misspelt_error(project: Project) -> None:
    states(project)["Filter inferences"]["Catch"][0]["ErrorEquals"] = ["THRESHOLD_CONFIDENCE_NOT_MEET"]


@weakens("every_matched_error_exists")
def an_error_renamed_in_the_code(project: Project) -> Project:
    return rewritten(project, _ERRORS, "class EndpointModelError", "class EndpointContainerError")


@weakens("every_error_is_handled_where_it_arises")
def a_refusal_retried(project: Project) -> None:
    states(project)["Classify image"]["Retry"][1]["ErrorEquals"].append("EndpointRefusedError")


@weakens("every_error_is_handled_where_it_arises")
def a_retriable_error_not_retried(project: Project) -> None:
    states(project)["Classify image"]["Retry"][1]["ErrorEquals"].remove("EndpointThrottledError")


@weakens("every_error_is_handled_where_it_arises")
def a_handler_in_the_wrong_step(project: Project) -> None:
    states(project)["Filter inferences"]["Catch"][0]["ErrorEquals"].append("InvalidImageError")


@weakens("errors_are_drawn_in_the_tree")
def an_error_outside_the_tree(project: Project) -> Project:
    return rewritten(project, _ERRORS, "StorageRefusedError   ", "StorageError   ")


@weakens("substitutions_fit")
def a_substitution_not_given(project: Project) -> None:
    del project.properties("ClassifyVehicleStateMachine")["DefinitionSubstitutions"]["EventBusName"]


@weakens("machine_names_no_account")
def an_arn_in_the_workflow(project: Project) -> None:
    states(project)["Serialize image"]["Resource"] = "arn:aws:lambda:us-east-1:111122223333:function:x"


@weakens("expressions_are_jsonata")
def a_variable_that_is_never_set(project: Project) -> None:
    del states(project)["Read record"]["Assign"]["left_alone"]


@weakens("expressions_are_jsonata")
def an_expression_that_does_not_parse(project: Project) -> None:
    states(project)["Record outcome"]["Arguments"]["Item"]["s3_bucket"]["S"] = "{% $s3_bucket & %}"
