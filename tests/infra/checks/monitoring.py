"""The applications beside the first: what the check and retraining may do, what watches them, and that they agree."""

import ast
import json
import re
from collections.abc import Iterator

from lifecycle.templates import parsed
from tests.infra.checks import access, resources
from tests.infra.checks.names import kebab
from tests.infra.project import Json, Project, as_list, rendered

_BUCKET = "arn:AWS::Partition:s3:::CaptureBucketName"
_HERE = "AWS::Region:AWS::AccountId"
_RESULTS = f"arn:AWS::Partition:dynamodb:{_HERE}:table/ResultsTableName"
_ROOM = f"{_BUCKET}/monitoring/EndpointName"
_MODEL_MONITOR = f"{_ROOM}/model-monitor"
_PROCESSING_LOGS = f"arn:AWS::Partition:logs:{_HERE}:log-group:/aws/sagemaker/ProcessingJobs"
_LOGGED = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams")
_ECR = "arn:AWS::Partition:ecr:AWS::Region:*:repository/sagemaker-model-monitor-analyzer"

# role -> what it may do, and on what
EXPECTED_ACCESS: dict[str, set[tuple[str, str]]] = {
    "CheckDriftRole": {
        ("s3:GetObject", f"{_BUCKET}/CapturePrefix/EndpointName/*"),
        ("s3:GetObject", f"{_ROOM}/*"),
        ("s3:PutObject", f"{_ROOM}/*"),
        ("s3:ListBucket", _BUCKET),
        ("dynamodb:Query", f"{_RESULTS}/index/by_outcome"),
        ("events:PutEvents", f"arn:AWS::Partition:events:{_HERE}:event-bus/EventBusName"),
        ("cloudwatch:PutMetricData", "*"),
        ("logs:CreateLogStream", "CheckDriftLogGroup.Arn"),
        ("logs:PutLogEvents", "CheckDriftLogGroup.Arn"),
        ("kms:Decrypt", "KmsKeyArn"),
        ("kms:GenerateDataKey", "KmsKeyArn"),
    },
    "CheckScheduleRole": {("lambda:InvokeFunction", "CheckDriftFunction.Arn")},
    "FindGapsRole": {
        ("s3:ListBucketVersions", "arn:AWS::Partition:s3:::UploadBucketName"),
        ("dynamodb:BatchGetItem", _RESULTS),
        ("dynamodb:GetItem", _RESULTS),
        ("dynamodb:Query", _RESULTS),
        ("dynamodb:Query", f"{_RESULTS}/index/by_outcome"),
        *((f"dynamodb:{action}", "LedgerTable.Arn") for action in ("GetItem", "PutItem", "DeleteItem", "Query")),
        ("logs:CreateLogStream", "FindGapsLogGroup.Arn"),
        ("logs:PutLogEvents", "FindGapsLogGroup.Arn"),
    },
    "FindGapsScheduleRole": {("lambda:InvokeFunction", "FindGapsFunction.Arn")},
    "ModelMonitorRole": {
        ("s3:GetObject", f"{_BUCKET}/CapturePrefix/EndpointName/*"),
        ("s3:GetObject", f"{_MODEL_MONITOR}/*"),
        ("s3:PutObject", f"{_MODEL_MONITOR}/reports/*"),
        ("s3:ListBucket", _BUCKET),
        ("sagemaker:DescribeEndpoint", f"arn:AWS::Partition:sagemaker:{_HERE}:endpoint/EndpointName"),
        ("sagemaker:DescribeEndpointConfig", f"arn:AWS::Partition:sagemaker:{_HERE}:endpoint-config/*"),
        *((action, f"{_PROCESSING_LOGS}{end}") for action in _LOGGED for end in ("", ":*")),
        ("cloudwatch:PutMetricData", "*"),
        ("ecr:GetAuthorizationToken", "*"),
        ("ecr:BatchCheckLayerAvailability", _ECR),
        ("ecr:BatchGetImage", _ECR),
        ("ecr:GetDownloadUrlForLayer", _ECR),
        *((action, "KmsKeyArn") for action in ("kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey")),
    },
}
_SERVICES = frozenset(f"{name}.amazonaws.com" for name in ("lambda", "states", "events", "scheduler", "sagemaker"))
# Beside what the workflow needs: metrics have no resource, but a namespace to hold them to; lists have neither.
_UNNAMEABLE = {
    "cloudwatch:PutMetricData",
    "ecr:GetAuthorizationToken",
    "cloudwatch:DescribeAlarms",
    "application-autoscaling:DescribeScalableTargets",
    "sagemaker:ListTrainingJobs",
    "sagemaker:Search",
    *access.UNNAMEABLE,
}
# What silence between two checks means to each alarm.
SILENCE = {
    "DriftAlarm": "ignore or missing",
    "SilentCaptureAlarm": "ignore",
    "FallingCoverageAlarm": "ignore",
    "CheckFailingAlarm": "missing",
    "RetrainingFailedAlarm": "notBreaching",
    "ReconcileGapsAlarm": "ignore",
    "ReconcileBehindAlarm": "missing",
}


def monitoring_roles_may_do_exactly_this(project: Project) -> list[str]:
    """Check, join, their schedules and Model Monitor may do what is written down here, and not one thing more."""
    complaints = []
    for name, expected in EXPECTED_ACCESS.items():
        body = _beside(project, "AWS::IAM::Role").get(name, {})
        given = {(action, on) for action, on, _ in _access(body)}
        complaints += [f"{name} may also {action} on {resource}" for action, resource in sorted(given - expected)]
        complaints += [f"{name} may not {action} on {resource}" for action, resource in sorted(expected - given)]
    return complaints


def monitoring_grants_nothing_on_everything(project: Project) -> list[str]:
    """No role beside the application's has a wildcard action, or * where a resource can be named.

    Metrics have a namespace to be held to.
    """
    complaints = []
    for name, body in _beside(project, "AWS::IAM::Role").items():
        for action, resource, conditions in _access(body):
            if "*" in action:
                complaints.append(f"{name} allows the wildcard {action}")
            if resource == "*" and action not in _UNNAMEABLE:
                complaints.append(f"{name} allows {action} on everything")
            if action == "cloudwatch:PutMetricData" and "cloudwatch:namespace" not in conditions:
                complaints.append(f"{name} may write into any namespace")
        if "ManagedPolicyArns" in body["Properties"]:
            complaints.append(f"{name} takes managed policies")
    return complaints


def monitoring_roles_are_taken_by_one_service(project: Project) -> list[str]:
    """Each role beside the application's can be taken by AWS's services only, on behalf of this account only."""
    complaints = []
    for name, body in _beside(project, "AWS::IAM::Role").items():
        statements = body["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        principals = [each for one in statements for each in as_list(one["Principal"].get("Service", "anybody"))]
        if not principals or not set(principals) <= _SERVICES:
            complaints.append(f"{name} can be taken by {principals}")
        this_account = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
        if any(statement.get("Condition") != this_account for statement in statements):
            complaints.append(f"{name} can be taken on behalf of other accounts")
    for application in project.beside().values():
        complaints += access.every_function_has_its_own_role(application)
    return complaints


def monitoring_functions_are_of_one_kind(project: Project) -> list[str]:
    """Each function has a folder, a role, a time limit and a log that ends; an application's come from one artefact."""
    rooms = project.beside().items()
    return [complaint for room, application in rooms for complaint in _of_one_kind(application, room)]


def _of_one_kind(project: Project, room: str) -> list[str]:
    complaints = resources.every_log_ends(project)
    functions = project.resources("AWS::Serverless::Function")
    folders = {path.split("/")[2] for path, _ in project.under(f"{room}/lambda/", "/app.py")}
    for name, body in functions.items():
        stem, properties = name.removesuffix("Function"), body["Properties"]
        folder = kebab(stem).replace("-", "_")
        held = {
            "an entry point": folder in folders,
            "its handler": properties.get("Handler") == f"{folder}.app.lambda_handler",
            "its own role": rendered(properties.get("Role", "")) == f"{stem}Role.Arn",
            "a time limit": 0 < properties.get("Timeout", 0) <= 900,
            "the common artefact": "CodeUri" not in properties,
        }
        complaints += [f"{name} lacks {what}" for what, present in held.items() if not present]
    if project.template["Globals"]["Function"].get("CodeUri") != "lambda/":
        complaints.append(f"the functions of {room} come from somewhere else")
    known = {kebab(name.removesuffix("Function")).replace("-", "_") for name in functions}
    return complaints + [f"{folder} belongs to no function" for folder in sorted(folders - known)]


def monitoring_is_asked_for_on_time(project: Project) -> list[str]:
    """The schedule calls the check with its own role, and an alarm notices when no check is made."""
    schedule = project.monitoring["Resources"].get("CheckSchedule", {}).get("Properties", {})
    target = schedule.get("Target", {})
    alarm = project.monitoring["Resources"].get("CheckFailingAlarm", {}).get("Properties", {})
    held = {
        "the schedule is the parameter": schedule.get("ScheduleExpression") == {"Ref": "Schedule"},
        "it calls the check": rendered(target.get("Arn", "")) == "CheckDriftFunction.Arn",
        "it has a role of its own": rendered(target.get("RoleArn", "")) == "CheckScheduleRole.Arn",
        "it tries again": target.get("RetryPolicy", {}).get("MaximumRetryAttempts", 0) > 0,
        "silence is noticed": (alarm.get("MetricName"), alarm.get("Period"), alarm.get("EvaluationPeriods"))
        == ("CheckMade", 3600, {"Ref": "HoursWithoutCheck"}),
        "silence is told": [rendered(action) for action in alarm.get("InsufficientDataActions", [])]
        == ["AlarmTopicArn"],
    }
    return [f"not so that {what}" for what, present in held.items() if not present]


def the_join_is_asked_for_on_time(project: Project) -> list[str]:
    """The schedule calls the join with its own role, and alarms watch what the function counts, silence included."""
    resources_there, counted = project.reconciling["Resources"], _constants(project, "reconciling/telemetry.py")
    target = resources_there.get("FindGapsSchedule", {}).get("Properties", {}).get("Target", {})
    alarms = project.of_reconciling().resources("AWS::CloudWatch::Alarm").values()
    watched = {(each["Properties"]["Namespace"], each["Properties"]["MetricName"]) for each in alarms}
    namespace = counted.pop("NAMESPACE", "")
    code = project.files["reconciling/lambda/find_gaps/app.py"]
    held = {
        "it calls the join": rendered(target.get("Arn", "")) == "FindGapsFunction.Arn",
        "it has a role of its own": rendered(target.get("RoleArn", "")) == "FindGapsScheduleRole.Arn",
        "alarms watch what is counted": watched == {(namespace, name) for name in counted.values()},
        "silence is told": "InsufficientDataActions"
        in resources_there.get("ReconcileBehindAlarm", {}).get("Properties", {}),
        "all is counted": all(f"telemetry.{name}" in code for name in counted),
    }
    return [f"not so that {what}" for what, present in held.items() if not present]


def monitoring_alarms_reach_someone(project: Project) -> list[str]:
    """Each alarm tells the application's topic, and what lasts also tells its end; only a missing check is trouble."""
    complaints = []
    alarms = _beside(project, "AWS::CloudWatch::Alarm")
    for name, body in alarms.items():
        properties = body["Properties"]
        # A failed run is over when it is heard of.
        for when in ("AlarmActions", "OKActions")[: 1 if name == "RetrainingFailedAlarm" else 2]:
            if [rendered(action) for action in properties.get(when, [])] != ["AlarmTopicArn"]:
                complaints.append(f"{name} has no {when}")
        if rendered(properties.get("TreatMissingData")) != SILENCE.get(name):
            complaints.append(f"{name} takes silence for {properties.get('TreatMissingData')}")
    return complaints + [f"there is no {name}" for name in sorted(set(SILENCE) - set(alarms))]


def monitoring_metric_names_agree(project: Project) -> list[str]:
    """Check, alarms and dashboard use the metrics of monitoring/telemetry.py, by endpoint, and each is shown."""
    constants = _telemetry(project)
    namespace, dimension = constants.pop("NAMESPACE", ""), constants.pop("DIMENSION", "")
    by_endpoint = [dimension, "EndpointName"]
    complaints, shown, watched = [], set(), set()
    for widget in _dashboard(project)["widgets"]:
        for row in widget["properties"].get("metrics", []):
            words = [part for part in row if isinstance(part, str)]
            if words[0] == namespace:
                shown.add(words[1])
                if words[2:] != [dimension, "${EndpointName}"]:
                    complaints.append(f"the dashboard asks for {words[1]} of {words[2:]}")
    for name, body in project.of_monitoring().resources("AWS::CloudWatch::Alarm").items():
        properties = body["Properties"]
        if properties["Namespace"] != namespace:
            continue
        watched.add(properties["MetricName"])
        asked = [part for each in properties.get("Dimensions", []) for part in (each["Name"], rendered(each["Value"]))]
        if asked != by_endpoint:
            complaints.append(f"{name} asks for {properties['MetricName']} of {asked}")
    known = set(constants.values())
    complaints += [f"an alarm watches {name}, which nothing counts" for name in sorted(watched - known)]
    complaints += [f"the dashboard shows {name}, which nothing counts" for name in sorted(shown - known)]
    complaints += [f"{name} is on no dashboard" for name in sorted(known - shown)]
    code = project.files["monitoring/check.py"]
    return complaints + [f"no check counts {name}" for name in constants if f"telemetry.{name}" not in code]


def monitoring_dashboard_points_at_this_stack(project: Project) -> list[str]:
    """The dashboard is JSON once its names are filled in, and each name is one of the template."""
    text = str(parsed(project.files["monitoring/dashboard.yaml"])["Fn::Sub"])
    known = {*project.monitoring["Resources"], *project.monitoring["Parameters"], "AWS"}
    names = re.findall(r"\$\{([A-Za-z]+)[^}]*\}", text)
    complaints = [f"the dashboard names {name}, which is not in the template" for name in names if name not in known]
    try:
        _dashboard(project)
    except ValueError as error:
        complaints.append(f"the dashboard is no JSON: {error}")
    location = project.monitoring["Resources"].get("Dashboard", {}).get("Properties", {}).get("DashboardBody")
    if location != {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "dashboard.yaml"}}}:
        complaints.append("the template does not include dashboard.yaml")
    return complaints


def monitoring_parameters_have_a_use(project: Project) -> list[str]:
    """Each parameter of the applications beside the first says what it is, is used, and allows its own default."""
    rooms = project.beside().items()
    return [complaint for room, application in rooms for complaint in _have_a_use(application, room)]


def _have_a_use(project: Project, room: str) -> list[str]:
    complaints = resources.every_parameter_is_used(project) + resources.template_holds_no_null(project)
    for name, body in project.template["Parameters"].items():
        if not body.get("Description"):
            complaints.append(f"parameter {name} does not say what it is")
        default, pattern = body.get("Default"), body.get("AllowedPattern")
        if default is not None and pattern and not re.match(pattern, str(default)):
            complaints.append(f"parameter {name} has a default that is not allowed")
    text = project.files[f"{room}/template.yaml"] + project.files.get(f"{room}/dashboard.yaml", "")
    fixed = [word for word in ("arn:aws:", "us-east-1", "111122223333") if word in text]
    return complaints + [f"the template of {room} holds {word}" for word in fixed]


def model_monitor_runs_only_where_asked(project: Project) -> list[str]:
    """Nothing of SageMaker Model Monitor, which new customers cannot have, is made without its parameter."""
    kinds = ("AWS::SageMaker::DataQualityJobDefinition", "AWS::SageMaker::MonitoringSchedule")
    made = {name: body for kind in kinds for name, body in project.of_monitoring().resources(kind).items()}
    made["ModelMonitorRole"] = project.monitoring["Resources"].get("ModelMonitorRole", {})
    complaints = [f"{name} is always made" for name, body in made.items() if body.get("Condition") != "HasModelMonitor"]
    if project.monitoring["Parameters"].get("ModelMonitorImage", {}).get("Default") != "":
        complaints.append("Model Monitor is on by default")
    return complaints


def _beside(project: Project, kind: str) -> Json:
    """The resources of a type in the applications beside the first."""
    return {name: body for each in project.beside().values() for name, body in each.resources(kind).items()}


def _access(role: Json) -> Iterator[tuple[str, str, set[str]]]:
    """Action, resource and condition keys of each Allow, those of conditional policies too."""
    for entry in role.get("Properties", {}).get("Policies", []):
        policy = entry["Fn::If"][1] if "Fn::If" in entry else entry
        for statement in policy["PolicyDocument"]["Statement"]:
            keys = {key for test in statement.get("Condition", {}).values() for key in test}
            for action in as_list(statement.get("Action", "*")):
                for resource in as_list(statement.get("Resource", "*")):
                    yield action, rendered(resource), keys


def _dashboard(project: Project) -> Json:
    text = str(parsed(project.files["monitoring/dashboard.yaml"])["Fn::Sub"])
    body: Json = json.loads(re.sub(r"\$\{(?!AWS::|EndpointName)[^}]+\}", "1", text))
    return body


def _telemetry(project: Project) -> dict[str, str]:
    return _constants(project, "monitoring/telemetry.py")


def _constants(project: Project, path: str) -> dict[str, str]:
    return {
        ast.unparse(node.target): str(node.value.value)
        for node in ast.parse(project.files[path]).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant)
    }
