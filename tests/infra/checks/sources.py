"""Rules that hold between files: who imports whom, what is locked, and what the pipeline may do."""

import ast
import re
import tomllib
from collections.abc import Iterator

from lifecycle.templates import parsed
from tests.infra.project import Project

_ENTRY_POINTS = frozenset({"serialize_image", "classify_image", "filter_inferences"})
_BESIDE = ("monitoring", "retraining", "reconciling", "backfilling", "console")
_ROOMS = frozenset(
    {
        *("training", "lifecycle", *_BESIDE, "erasing"),
        *("local", "serving", "cli", "tests", "bench"),
    }
)
_LOCAL = re.compile(r"AWS_ENDPOINT_URL|endpoint_url|ministack|localstack|127\.0\.0\.1|localhost", re.IGNORECASE)
_PRODUCT = (
    "functions/", "statemachine/", "training/", "lifecycle/", "monitoring/", "retraining/", "reconciling/",
    "backfilling/", "erasing/", "console/", "events/",
)  # fmt: skip
SAM_CONFIGS = ("samconfig.toml", *(f"{room}/samconfig.toml" for room in _BESIDE))
# What a job that can have a token for AWS may run.
_DEPLOYS = re.compile(r"^(make \.venv-sam/\.ready PYTHON=python|\.venv-sam/bin/sam deploy( --[\w-]+)*)$")
_PINNED = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40}$")

# What `vehiclevision` and the runbooks read from a deployed stack.
OUTPUTS = frozenset(
    {
        "BucketName",
        "StateMachineArn",
        "ResultsTableName",
        "EventBusName",
        "DeadLetterQueueUrl",
        "SerializeImageFunctionName",
        "ClassifyImageFunctionName",
        "FilterInferencesFunctionName",
        "SerializeImageLogGroup",
        "ClassifyImageLogGroup",
        "FilterInferencesLogGroup",
    }
)


def imports_run_one_way(project: Project) -> list[str]:
    """The product imports none of the other rooms, and an entry point imports the product only."""
    complaints = []
    for path, text in project.under("functions/", ".py"):
        forbidden = _ROOMS | _ENTRY_POINTS
        complaints += [f"{path} imports {name}" for name in sorted(set(_imports(text)) & forbidden)]
    for room in ("training", "lifecycle", *_BESIDE, "erasing"):
        for path, text in project.under(f"{room}/", ".py"):
            forbidden = _ENTRY_POINTS | {"local", "cli", "tests", "bench"}
            complaints += [f"{path} imports {name}" for name in sorted(set(_imports(text)) & forbidden)]
    for path, text in project.under("serving/", ".py"):
        forbidden = _ENTRY_POINTS | (_ROOMS - {"serving", "training"})
        complaints += [f"{path} imports {name}" for name in sorted(set(_imports(text)) & forbidden)]
    for path, text in project.under("local/", ".py"):
        complaints += [f"{path} imports cli" for name in _imports(text) if name in ("cli", "tests", "bench")]
    return complaints


def only_local_knows_of_local(project: Project) -> list[str]:
    """Nothing outside local and cli knows that it may run on one machine: the endpoint is set from outside."""
    paths = [path for path in project.files if path.startswith(_PRODUCT) and not path.endswith((".txt", ".in"))]
    paths += ["template.yaml", "dashboard.yaml"]
    return [
        f"{path} mentions {found.group()}"
        for path in sorted(paths)
        if (found := _LOCAL.search(project.files[path])) is not None
    ]


def only_entry_points_read_the_environment(project: Project) -> list[str]:
    """Below the entry points nothing reads os.environ."""
    return [
        f"{path} reads the environment"
        for path, text in project.under("functions/vehiclevision/", ".py")
        if re.search(r"\bos\.(environ|getenv)\b|\bfrom os import\b", text)
    ]


def locks_hold_hashes_and_no_addresses(project: Project) -> list[str]:
    """Each requirement of each lock is one version with hashes, and no lock says where to download."""
    complaints = []
    rooms = (("requirements/", ".txt"), ("functions/", "requirements.txt"), ("monitoring/", "requirements.txt"))
    locks = {path: text for room, suffix in rooms for path, text in project.under(room, suffix)}
    for path, text in locks.items():
        if re.search(r"https?://|--(extra-)?index-url|--find-links|--trusted-host| @ ", text):
            complaints.append(f"{path} names an address")
        for block in re.split(r"\n(?=\S)", text.strip()):
            if not re.match(r"[\w.-]+(\[[^\]]*\])?==\S+", block) or "--hash=sha256:" not in block:
                complaints.append(f"{path}: {block.splitlines()[0]} is not locked")
    return complaints


def both_places_can_be_deployed_to(project: Project) -> list[str]:
    """Each samconfig.toml knows AWS (default, which asks first) and this machine (local, which does not)."""
    return [each for path in SAM_CONFIGS for each in _places(project, path)]


def _places(project: Project, path: str) -> list[str]:
    config = tomllib.loads(project.files[path])
    deploys = {place: config.get(place, {}).get("deploy", {}).get("parameters", {}) for place in ("default", "local")}
    held = {
        "default asks first": deploys["default"].get("confirm_changeset") is True,
        "local does not ask": deploys["local"].get("confirm_changeset") is False,
        "both deploy the same": all(
            {"CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"} == set(deploy.get("capabilities", "").split())
            for deploy in deploys.values()
        ),
    }
    return [f"{path}: not so that {what}" for what, present in held.items() if not present]


def outputs_that_are_read_exist(project: Project) -> list[str]:
    """Each output that the command, the local AWS or a runbook reads is one of the template."""
    asked = {
        name
        for room in ("cli/", "local/", "training/", "lifecycle/", "console/")
        for _, text in project.under(room, ".py")
        for name in re.findall(r"""\.outputs?(?:\[|\.get\(|\()["'](\w+)["']""", text)
    }
    return [f"there is no output {name}" for name in sorted((OUTPUTS | asked) - set(project.template["Outputs"]))]


def the_pipeline_is_pinned_and_modest(project: Project) -> list[str]:
    """Each action is pinned to a commit, each job says which rights it needs, and where a token is nothing is built.

    The container's base is pinned as well.
    """
    complaints = []
    workflows = dict(project.under(".github/workflows/", ".yml"))
    for path, text in workflows.items():
        body = parsed(text)
        if body.get("permissions") != {}:
            complaints.append(f"{path} starts with rights")
        for name, job in body["jobs"].items():
            if "permissions" not in job or "timeout-minutes" not in job:
                complaints.append(f"{path}: {name} does not say what it needs")
            uses = [step["uses"] for step in job.get("steps", []) if "uses" in step]
            complaints += [f"{path}: {action} is not pinned" for action in uses if not _PINNED.match(action)]
            runs = [step["run"] for step in job.get("steps", []) if "run" in step]
            if "id-token" in job.get("permissions", {}):
                complaints += [f"{path}: {name} runs {run} where a token is" for run in runs if not _DEPLOYS.match(run)]
        if "secrets." in text or "pull_request_target" in text:
            complaints.append(f"{path} holds a secret or runs strangers' code with rights")
    if not re.search(r"^ARG BASE=\S+@sha256:[0-9a-f]{64}$", project.files["serving/Dockerfile"], re.MULTILINE):
        complaints.append("the container's base is not named by its digest")
    wanted = {".github/workflows/ci.yml", ".github/workflows/deploy.yml"}
    return complaints + [f"there is no {path}" for path in sorted(wanted - set(workflows))]


def _imports(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]
