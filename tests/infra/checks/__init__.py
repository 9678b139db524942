"""Each check is a pure function from the project to its complaints, so that a weakened copy can be shown to it.

A check's name is what a failure shows first; its docstring is the claim.
"""

from collections.abc import Callable
from typing import Final

from tests.infra.checks import access, errors, names, resources, sources, watch, workflow
from tests.infra.project import Project

Check = Callable[[Project], list[str]]

CHECKS: Final[tuple[Check, ...]] = (
    workflow.every_task_has_a_time_limit,
    workflow.every_task_retries,
    workflow.every_retry_backs_off,
    workflow.patience_fits_the_error,
    workflow.every_task_catches_all_last,
    workflow.every_caught_error_is_recorded,
    workflow.caught_faults_say_what_happened,
    workflow.nothing_ends_classified_unannounced,
    workflow.record_is_written_once,
    workflow.every_state_is_reachable,
    workflow.every_failure_has_a_name,
    workflow.every_matched_error_exists,
    workflow.every_error_is_handled_where_it_arises,
    workflow.substitutions_fit,
    workflow.machine_names_no_account,
    workflow.expressions_are_jsonata,
    errors.errors_are_drawn_in_the_tree,
    access.roles_may_do_exactly_this,
    access.nothing_is_granted_on_everything,
    access.no_action_is_a_wildcard,
    access.roles_have_no_other_source_of_rights,
    access.only_the_service_takes_the_role,
    access.every_function_has_its_own_role,
    access.guests_are_held_to_this_account,
    access.plain_text_is_denied,
    resources.there_are_exactly_three_functions,
    resources.photos_are_private_and_versioned,
    resources.photos_do_not_stay_for_ever,
    resources.records_survive_and_expire,
    resources.photos_and_records_outlive_the_stack,
    resources.letters_wait_long_enough,
    resources.no_event_is_dropped,
    resources.the_trigger_hears_our_uploads_only,
    resources.workflow_logs_hold_no_data,
    resources.every_log_ends,
    resources.time_limits_nest,
    resources.every_parameter_is_checked,
    resources.every_parameter_is_used,
    resources.template_holds_no_null,
    resources.template_names_no_account,
    watch.alarms_and_runbooks_pair_up,
    watch.runbooks_answer_the_four_questions,
    watch.runbooks_use_outputs_that_exist,
    watch.runbook_commands_exist,
    watch.every_alarm_reaches_someone,
    watch.metric_names_agree,
    watch.our_metrics_are_asked_for_by_service,
    watch.sums_survive_silence,
    watch.dashboard_points_at_this_stack,
    names.stems_agree,
    names.every_function_has_a_folder,
    names.one_artefact_serves_all,
    sources.imports_run_one_way,
    sources.only_local_knows_of_local,
    sources.only_entry_points_read_the_environment,
    sources.locks_hold_hashes_and_no_addresses,
    sources.both_places_can_be_deployed_to,
    sources.outputs_that_are_read_exist,
    sources.the_pipeline_is_pinned_and_modest,
)
