"""Imports, locks and pipelines, made worse."""

from tests.infra.project import Project
from tests.infra.weakenings.planting import rewritten, weakens, with_file


@weakens("imports_run_one_way")
def the_product_imports_training(project: Project) -> Project:
    return with_file(project, "functions/vehiclevision/extra.py", "from training import recipe\n")


@weakens("imports_run_one_way")
def the_server_knows_the_emulator(project: Project) -> Project:
    return with_file(project, "serving/extra.py", "from local.sagemaker import runtime\n")


@weakens("imports_run_one_way")
def an_entry_point_imports_another(project: Project) -> Project:
    return with_file(project, "functions/filter_inferences/extra.py", "import classify_image.app\n")


@weakens("only_local_knows_of_local")
def the_product_knows_of_a_local_mode(project: Project) -> Project:
    return with_file(project, "functions/vehiclevision/extra.py", 'URL = "AWS_ENDPOINT_URL"\n')


@weakens("only_local_knows_of_local")
def the_template_knows_of_a_local_mode(project: Project) -> Project:
    return rewritten(project, "template.yaml", "POWERTOOLS_LOG_LEVEL:", "AWS_ENDPOINT_URL:")


@weakens("only_entry_points_read_the_environment")
def the_environment_read_deep_down(project: Project) -> Project:
    return with_file(project, "functions/vehiclevision/extra.py", "import os\nX = os.environ['X']\n")


@weakens("locks_hold_hashes_and_no_addresses")
def a_requirement_without_a_hash(project: Project) -> Project:
    return with_file(project, "functions/requirements.txt", "pillow==13.0.0\n")


@weakens("locks_hold_hashes_and_no_addresses")
def a_lock_with_an_address(project: Project) -> Project:
    return with_file(
        project,
        "requirements/app.txt",
        "--index-url https://example.org/simple\n" + project.files["requirements/app.txt"],
    )


@weakens("both_places_can_be_deployed_to")
def a_deployment_that_does_not_ask(project: Project) -> Project:
    return rewritten(project, "samconfig.toml", "confirm_changeset = true", "confirm_changeset = false")


@weakens("outputs_that_are_read_exist")
def an_output_that_the_command_reads_gone(project: Project) -> None:
    del project.template["Outputs"]["EventBusName"]


@weakens("the_pipeline_is_pinned_and_modest")
def an_action_by_its_tag(project: Project) -> Project:
    return rewritten(
        project,
        ".github/workflows/ci.yml",
        "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd",
        "actions/checkout@v6",
    )


@weakens("the_pipeline_is_pinned_and_modest")
def a_pipeline_with_every_right(project: Project) -> Project:
    return rewritten(project, ".github/workflows/deploy.yml", "permissions: {}", "permissions: write-all")


@weakens("the_pipeline_is_pinned_and_modest")
def tests_beside_a_token(project: Project) -> Project:
    return rewritten(project, ".github/workflows/deploy.yml", "make .venv-sam/.ready PYTHON=python", "make check")


@weakens("the_pipeline_is_pinned_and_modest")
def a_base_by_its_tag(project: Project) -> Project:
    return rewritten(project, "serving/Dockerfile", "@sha256:", "-")
