"""The lean way to deploy, made worse."""

from tests.infra.project import Project
from tests.infra.weakenings.planting import resources, rewritten, weakens


@weakens("lean_parameters_are_known")
def a_lean_parameter_that_nobody_has(project: Project) -> Project:
    return rewritten(project, "samconfig.toml", "Watch=lean", "Watching=lean")


@weakens("lean_parameters_are_known")
def a_processor_that_lambda_does_not_have(project: Project) -> Project:
    return rewritten(
        project, "monitoring/samconfig.toml", "Watch=lean Architecture=arm64", "Watch=lean Architecture=arm"
    )


@weakens("no_failure_is_without_a_witness")
def letters_that_only_full_watching_sees(project: Project) -> None:
    resources(project)["WorkflowFaultAlarm"]["Condition"] = "IsFull"


@weakens("no_failure_is_without_a_witness")
def a_letter_that_expires_unheard(project: Project) -> None:
    del resources(project)["LettersExpiringAlarm"]


@weakens("lean_watches_with_little")
def a_share_that_is_watched_leanly_too(project: Project) -> None:
    del resources(project)["ReviewShareAlarm"]["Condition"]


@weakens("lean_watches_with_little")
def a_dashboard_that_is_always_there(project: Project) -> None:
    del resources(project)["Dashboard"]["Condition"]


@weakens("silence_is_waited_for_longer_than_a_run")
def a_join_that_is_dead_between_its_runs(project: Project) -> Project:
    return rewritten(project, "reconciling/samconfig.toml", "HoursWithoutJoin=26", "HoursWithoutJoin=20")
