"""Alarms, runbooks, dashboard and metrics: four places that must say the same."""

import ast
import json
import re
from collections.abc import Iterable, Iterator
from functools import cache

import botocore.session
from botocore import xform_name
from botocore.exceptions import UnknownServiceError

from lifecycle.templates import parsed
from tests.infra.checks.names import kebab
from tests.infra.project import Json, Project, rendered

NAMESPACE = "VehicleVision"
# Options that the AWS command line knows for every operation, and a command that it adds itself.
_ANYWHERE = frozenset({"query", "output", "max-items", "region", "profile"})
_ADDED = {("logs", "tail"): frozenset({"since", "follow", "format"})}
_SECTIONS = ("## What it means", "## How to look", "## What to do", "## How to know it is over")


def alarms_and_runbooks_pair_up(project: Project) -> list[str]:
    """Each alarm names the runbook page of its own name, and each page belongs to an alarm."""
    complaints, pages = [], set()
    alarms = {
        name: body
        for application in (project, *project.beside().values())
        for name, body in application.resources("AWS::CloudWatch::Alarm").items()
    }
    for name, body in alarms.items():
        stem = kebab(name.removesuffix("Alarm"))
        page = f"docs/runbooks/{stem}.md"
        pages.add(page)
        if f"Runbook {page}" not in body["Properties"].get("AlarmDescription", ""):
            complaints.append(f"{name} names no runbook")
        if page not in project.files:
            complaints.append(f"{name} has no page {page}")
        # Retraining's one alarm bears the room's name already.
        if rendered(body["Properties"].get("AlarmName", "")) not in (f"AWS::StackName-{stem}", f"Application-{stem}"):
            complaints.append(f"{name} is called otherwise than its runbook")
    written = {path for path, _ in project.under("docs/runbooks/", ".md")}
    return complaints + [f"{page} belongs to no alarm" for page in sorted(written - pages)]


def runbooks_answer_the_four_questions(project: Project) -> list[str]:
    """Each runbook says what it means, how to look, what to do and how to know it is over, with a command."""
    return [
        f"{path} lacks {part!r}"
        for path, text in project.under("docs/runbooks/", ".md")
        for part in (*_SECTIONS, "```sh")
        if part not in text
    ]


def runbooks_use_outputs_that_exist(project: Project) -> list[str]:
    """Each stack output that a runbook asks for, of whichever application, is one that there is."""
    templates = {"output": project.template} | {room: each.template for room, each in project.beside().items()}
    return [
        f"{path} asks {word} for {name}"
        for path, text in project.under("docs/runbooks/", ".md")
        for word, template in templates.items()
        for name in re.findall(rf"\$\({word} (\w+)\)", text)
        if name not in template["Outputs"]
    ]


def runbook_commands_exist(project: Project) -> list[str]:
    """Each command of AWS's in a runbook exists, with its options and with all that it needs."""
    complaints = []
    for path, text in project.under("docs/runbooks/", ".md"):
        script = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
        for service, operation, rest in re.findall(r"\baws ([a-z-]+) ([a-z-]+)([^\n]*)", script):
            faults = _faults(service, operation, set(re.findall(r" --([a-z-]+)", rest)))
            complaints += [f"{path}: aws {service} {operation} {fault}" for fault in faults]
    return complaints


def every_alarm_reaches_someone(project: Project) -> list[str]:
    """Each alarm tells the topic when it starts and when it is over, and silence is no alarm."""
    complaints = []
    for name, body in project.resources("AWS::CloudWatch::Alarm").items():
        properties = body["Properties"]
        for when in ("AlarmActions", "OKActions"):
            if [rendered(action) for action in properties.get(when, [])] != ["AlarmTopic"]:
                complaints.append(f"{name} has no {when}")
        if properties.get("TreatMissingData") != "notBreaching":
            complaints.append(f"{name} takes silence for trouble")
    return complaints


def metric_names_agree(project: Project) -> list[str]:
    """Alarms and dashboard use the metrics of telemetry.py, each of those is shown, and the functions count it."""
    names = _metric_names(project)
    constants = set(names.values())
    watched = {metric for _, namespace, metric, _ in _alarm_metrics(project) if namespace == NAMESPACE}
    shown = {metric for namespace, metric, _ in _dashboard_metrics(project) if namespace == NAMESPACE}
    code = "\n".join(text for _, text in project.under("functions/", "/app.py"))
    complaints = [f"an alarm watches {name}, which nothing counts" for name in sorted(watched - constants)]
    complaints += [f"the dashboard shows {name}, which nothing counts" for name in sorted(shown - constants)]
    complaints += [f"{name} is on no dashboard" for name in sorted(constants - shown)]
    complaints += [f"no function counts {constant}" for constant in names if f"telemetry.{constant}" not in code]
    if _telemetry(project).get("NAMESPACE") != NAMESPACE:
        complaints.append("alarms and functions use different namespaces")
    return complaints


def our_metrics_are_asked_for_by_service(project: Project) -> list[str]:
    """Powertools counts by service, which is the stack's name: alarms and dashboard ask for exactly that."""
    variables = project.template["Globals"]["Function"]["Environment"]["Variables"]
    service = rendered(variables.get("POWERTOOLS_SERVICE_NAME", ""))
    complaints = [] if service == "AWS::StackName" else [f"the functions count as {service}"]
    for alarm, namespace, metric, dimensions in _alarm_metrics(project):
        if namespace == NAMESPACE and dimensions != [("service", service)]:
            complaints.append(f"{alarm} asks for {metric} of {dimensions}")
    for namespace, metric, row in _dashboard_metrics(project):
        if namespace == NAMESPACE and row != ["service", f"${{{service}}}"]:
            complaints.append(f"the dashboard asks for {metric} of {row}")
    return complaints


def sums_survive_silence(project: Project) -> list[str]:
    """Math over several metrics fills each one: a metric that was not counted once has no data, not 0."""
    complaints = []
    for name, body in project.resources("AWS::CloudWatch::Alarm").items():
        metrics = body["Properties"].get("Metrics", [])
        measured = [metric["Id"] for metric in metrics if "MetricStat" in metric]
        for expression in (metric["Expression"] for metric in metrics if "Expression" in metric):
            bare = re.sub(r"FILL\(\w+, 0\)", "", expression)
            unfilled = set(measured) & set(re.findall(r"\w+", bare))
            complaints += [f"{name} goes blind without {metric}" for metric in sorted(unfilled)]
    return complaints


def dashboard_points_at_this_stack(project: Project) -> list[str]:
    """The dashboard is JSON once its names are filled in, and each name is one of the template."""
    text = _dashboard_text(project)
    known = {*project.template["Resources"], *project.template["Parameters"], "AWS"}
    names = re.findall(r"\$\{([A-Za-z]+)[^}]*\}", text)
    complaints = [f"the dashboard names {name}, which is not in the template" for name in names if name not in known]
    try:
        _dashboard(project)
    except ValueError as error:
        complaints.append(f"the dashboard is no JSON: {error}")
    location = project.properties("Dashboard").get("DashboardBody", {}).get("Fn::Transform", {})
    if location != {"Name": "AWS::Include", "Parameters": {"Location": "dashboard.yaml"}}:
        complaints.append("the template does not include dashboard.yaml")
    return complaints


def _faults(service: str, operation: str, options: set[str]) -> list[str]:
    if (service, operation) in _ADDED:
        known, needed = _ADDED[service, operation], frozenset[str]()
    elif operation in _operations(service):
        known, needed = _operations(service)[operation]
    else:
        return ["does not exist"]
    unknown = [option for option in options - _ANYWHERE if option.removeprefix("no-") not in known]
    return [f"has no --{option}" for option in sorted(unknown)] + [f"lacks --{name}" for name in needed - options]


@cache
def _operations(service: str) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """The operations of an AWS service, their options and those that each needs, as AWS's command line spells them."""
    try:
        model = botocore.session.get_session().get_service_model(service)
    except UnknownServiceError:
        return {}
    inputs = {name: model.operation_model(name).input_shape for name in model.operation_names}
    return {
        xform_name(name, "-"): (_spelt(shape.members if shape else ()), _spelt(shape.required_members if shape else ()))
        for name, shape in inputs.items()
    }


def _spelt(members: Iterable[str]) -> frozenset[str]:
    return frozenset(xform_name(member, "-") for member in members)


def _dashboard_text(project: Project) -> str:
    return str(parsed(project.files["dashboard.yaml"])["Fn::Sub"])


def _dashboard(project: Project) -> Json:
    # A number stands for each name: it is valid inside and outside of quotes. AWS:: names stay, checks compare them.
    text = re.sub(r"\$\{(?!AWS::)[^}]+\}", "1", _dashboard_text(project))
    body: Json = json.loads(text)
    return body


def _dashboard_metrics(project: Project) -> Iterator[tuple[str, str, list[str]]]:
    for widget in _dashboard(project)["widgets"]:
        for row in widget["properties"].get("metrics", []):
            words = [part for part in row if isinstance(part, str)]
            yield words[0], words[1], words[2:]


def _alarm_metrics(project: Project) -> Iterator[tuple[str, str, str, list[tuple[str, str]]]]:
    for name, body in project.resources("AWS::CloudWatch::Alarm").items():
        properties = body["Properties"]
        found = [m["MetricStat"]["Metric"] for m in properties.get("Metrics", []) if "MetricStat" in m] or [properties]
        for metric in found:
            dimensions = [(d["Name"], rendered(d["Value"])) for d in metric.get("Dimensions", [])]
            yield name, metric["Namespace"], metric["MetricName"], dimensions


def _metric_names(project: Project) -> dict[str, str]:
    return {name: value for name, value in _telemetry(project).items() if name != "NAMESPACE"}


def _telemetry(project: Project) -> dict[str, str]:
    body = ast.parse(project.files["functions/vehiclevision/telemetry.py"]).body
    return {
        ast.unparse(node.target): str(node.value.value)
        for node in body
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant)
    }
