"""What is left where it is deployed leanly: few alarms, no dashboard, and still no failure without a witness."""

from typing import Final

from lifecycle import costs
from lifecycle.endpoint import ALARMS
from lifecycle.lean import given
from lifecycle.prices import HOURS_A_MONTH
from lifecycle.templates import resolved
from tests.infra.checks.watch import NAMESPACE
from tests.infra.project import Json, Project

MOST_METRICS: Final = 8
# How a photo is lost from sight, or how nobody would hear of it -> the alarms that tell, the earliest first.
WITNESSES: Final = {
    "a run left a letter": ("WorkflowFaultAlarm",),
    "a run was stopped or timed out": ("WorkflowStoppedAlarm", "ReconcileGapsAlarm"),
    "an event reached neither workflow nor queue": ("LettersUndeliveredAlarm", "ReconcileGapsAlarm"),
    "a letter expired unread": ("LettersExpiringAlarm", "WorkflowFaultAlarm", "ReconcileGapsAlarm"),
    "an event never came": ("ReconcileGapsAlarm",),
    "nobody looks for lost photos": ("ReconcileBehindAlarm",),
    "the endpoint gives no good answers for longer than a run waits": ("EndpointFailingAlarm", "WorkflowFaultAlarm"),
    "functions are throttled for longer than a run waits": ("FunctionsThrottledAlarm", "WorkflowFaultAlarm"),
    "pictures or answers drift": ("DriftAlarm",),
    "nobody looks for drift": ("CheckFailingAlarm", "DriftAlarm"),
}


def lean_parameters_are_known(project: Project) -> list[str]:
    """The environment lean of each samconfig.toml gives parameters that its template has, and values it allows."""
    complaints = []
    for room, application in _applications(project).items():
        for name, value in _given(project, room).items():
            parameter = application.template["Parameters"].get(name, {})
            if not parameter or value not in map(str, parameter.get("AllowedValues", [value])):
                complaints.append(f"{room or 'the application'} has no {name} {value}")
    return complaints if _given(project, "") else [*complaints, "nothing is given"]


def no_failure_is_without_a_witness(project: Project) -> list[str]:
    """Fully or leanly deployed, whatever loses a photo from sight has an alarm that tells of it; fully, one each."""
    complaints = []
    for way, templates in (("fully", _deployed(project, is_lean=False)), ("leanly", _deployed(project, is_lean=True))):
        there = {name for template in templates for name in _alarms(template)}
        complaints += [f"{way} nobody hears that {what}" for what, alarms in WITNESSES.items() if not there & {*alarms}]
        first = {alarms[0] for alarms in WITNESSES.values()}
        complaints += [f"fully there is no {name}" for name in sorted(first - there) if way == "fully"]
    return complaints


def lean_watches_with_little(project: Project) -> list[str]:
    """Leanly deployed, no more metrics are watched than the price allows, no dashboard shows them, and none of them is
    one that the functions no longer count."""
    templates = _deployed(project, is_lean=True)
    read = costs.alarm_metrics(templates)
    complaints = [f"alarms read {read} metrics"] if read + len(ALARMS) > MOST_METRICS else []
    kinds = [body["Type"] for template in templates for body in template["Resources"].values()]
    complaints += ["there is a dashboard"] if "AWS::CloudWatch::Dashboard" in kinds else []
    own = [name for name, properties in _alarms(templates[0]).items() if _is_ours(properties)]
    return complaints + [f"{name} waits for what is not counted" for name in own]


def silence_is_waited_for_longer_than_a_run(project: Project) -> list[str]:
    """Fully or leanly deployed, join and check come round before their alarms take them for dead."""
    complaints = []
    for is_lean in (False, True):
        for template in _deployed(project, is_lean=is_lean):
            parameters = template["Parameters"]
            for schedule, silence in (("JoinSchedule", "HoursWithoutJoin"), ("Schedule", "HoursWithoutCheck")):
                if silence not in parameters:
                    continue
                apart = HOURS_A_MONTH / costs.runs_a_month(parameters[schedule])
                if not apart < float(parameters[silence]):
                    complaints.append(f"{silence} is not longer than {schedule}")
    return complaints


def _applications(project: Project) -> dict[str, Project]:
    return {"": project, **project.beside()}


def _given(project: Project, room: str) -> dict[str, str]:
    return given(project.files[f"{room}/samconfig.toml".removeprefix("/")])


def _deployed(project: Project, *, is_lean: bool) -> list[Json]:
    """The templates as they are deployed, the application's first."""
    return [
        resolved(application.template, _given(project, room) if is_lean else {})
        for room, application in _applications(project).items()
    ]


def _alarms(template: Json) -> Json:
    return {
        name: body["Properties"]
        for name, body in template["Resources"].items()
        if body["Type"] == "AWS::CloudWatch::Alarm"
    }


def _is_ours(properties: Json) -> bool:
    return properties.get("Namespace") == NAMESPACE or any(
        metric.get("MetricStat", {}).get("Metric", {}).get("Namespace") == NAMESPACE
        for metric in properties.get("Metrics", [])
    )
