"""Names that no longer agree."""

from tests.infra.project import Project
from tests.infra.weakenings.planting import states, weakens, with_file, without_file


@weakens("stems_agree")
def a_folder_under_another_name(project: Project) -> None:
    project.properties("ClassifyImageFunction")["Handler"] = "classify.app.lambda_handler"


@weakens("stems_agree")
def an_event_without_a_home(project: Project) -> Project:
    return without_file(project, "events/classify_image.json")


@weakens("stems_agree")
def a_state_under_another_name(project: Project) -> None:
    states(project).update({"Classify": states(project).pop("Classify image")})


@weakens("every_function_has_a_folder")
def an_entry_point_without_a_function(project: Project) -> Project:
    return with_file(project, "functions/resize_image/app.py", "")


@weakens("one_artefact_serves_all")
def a_function_with_its_own_artefact(project: Project) -> None:
    project.properties("FilterInferencesFunction")["CodeUri"] = "functions/filter_inferences/"
