"""One stem everywhere: whoever knows the state's name finds folder, function, role, log, event and test."""

import re

from tests.infra.project import Project, rendered


def kebab(name: str) -> str:
    """SerializeImage -> serialize-image."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def stems_agree(project: Project) -> list[str]:
    """Each entry point's folder names its function, state, role, log group, event, test, substitution and outputs."""
    complaints = []
    resources, outputs = project.template["Resources"], project.template["Outputs"]
    for stem in sorted(_stems(project)):
        camel = "".join(word.capitalize() for word in stem.split("_"))
        function = project.properties(f"{camel}Function")
        state = project.machine["States"].get(stem.replace("_", " ").capitalize(), {})
        substitutions = project.properties("ClassifyVehicleStateMachine")["DefinitionSubstitutions"]
        group = project.properties(f"{camel}LogGroup").get("LogGroupName", "")
        dashed = stem.replace("_", "-")
        held = {
            f"function {camel}Function": bool(function),
            f"role {camel}Role": f"{camel}Role" in resources,
            "its own role": rendered(function.get("Role", "")) == f"{camel}Role.Arn",
            "its own log group": rendered(function.get("LoggingConfig", {}).get("LogGroup", "")) == f"{camel}LogGroup",
            "a log group of its name": rendered(group) == f"/aws/lambda/AWS::StackName-{dashed}",
            "a function name": rendered(function.get("FunctionName", "")) == f"AWS::StackName-{dashed}",
            "its handler": function.get("Handler") == f"{stem}.app.lambda_handler",
            "a state": state.get("Resource") == f"${{{camel}FunctionArn}}",
            "a substitution": rendered(substitutions.get(f"{camel}FunctionArn", "")) == f"{camel}Function.Arn",
            "an event": f"events/{stem}.json" in project.files,
            "a test": f"tests/unit/test_{stem}.py" in project.files,
            "an output": outputs.get(f"{camel}FunctionName", {}).get("Value") == {"Ref": f"{camel}Function"},
            "a log output": outputs.get(f"{camel}LogGroup", {}).get("Value") == {"Ref": f"{camel}LogGroup"},
        }
        complaints += [f"{stem} lacks {what}" for what, present in held.items() if not present]
    return complaints


def every_function_has_a_folder(project: Project) -> list[str]:
    """There is no function without an entry point, and no entry point without a function."""
    folders = {"".join(word.capitalize() for word in stem.split("_")) + "Function" for stem in _stems(project)}
    functions = set(project.resources("AWS::Serverless::Function"))
    return [f"{name} has no folder or no resource" for name in sorted(folders ^ functions)]


def one_artefact_serves_all(project: Project) -> list[str]:
    """All functions are built from functions/, once."""
    uris = {body["Properties"].get("CodeUri") for body in project.resources("AWS::Serverless::Function").values()}
    common = project.template["Globals"]["Function"].get("CodeUri")
    return [] if (common, uris) == ("functions/", {None}) else [f"code comes from {common} and {uris}"]


def _stems(project: Project) -> set[str]:
    return {path.split("/")[1] for path, _ in project.under("functions/", "/app.py")}
