"""What is kept, for how long, and behind which locks; and that the time limits fit into each other."""

import ast
from collections.abc import Iterator
from typing import Any

from tests.infra.project import Json, Project, rendered


def there_are_exactly_three_functions(project: Project) -> list[str]:
    """The application is three functions, one bucket, one table, one queue and one workflow in its two types."""
    wanted = {
        "AWS::Serverless::Function": 3,
        "AWS::Serverless::StateMachine": 2,
        "AWS::S3::Bucket": 1,
        "AWS::DynamoDB::Table": 1,
        "AWS::SQS::Queue": 1,
        "AWS::Lambda::Function": 0,
        "AWS::Lambda::Permission": 0,
        "AWS::Lambda::Url": 0,
    }
    counts = {kind: len(project.resources(kind)) for kind in wanted}
    return [f"{counts[kind]} of {kind}, not {number}" for kind, number in wanted.items() if counts[kind] != number]


def photos_are_private_and_versioned(project: Project) -> list[str]:
    """The bucket is versioned, encrypted, closed to the public, free of ACLs, and tells EventBridge what arrives."""
    bucket = project.properties("UploadBucket")
    block = bucket.get("PublicAccessBlockConfiguration", {})
    encryption = bucket.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", [])
    held = {
        "versions": bucket.get("VersioningConfiguration") == {"Status": "Enabled"},
        "a public access block": len(block) == 4 and all(value is True for value in block.values()),
        "encryption": [set(rule) for rule in encryption] == [{"ServerSideEncryptionByDefault"}],
        "one owner": bucket.get("OwnershipControls") == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "events": bucket.get("NotificationConfiguration") == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
    }
    return [f"the bucket has no {what}" for what, present in held.items() if not present]


def photos_do_not_stay_for_ever(project: Project) -> list[str]:
    """Uploads, reviewed pictures, their old versions, delete markers and unfinished uploads all end."""
    rules = project.properties("UploadBucket").get("LifecycleConfiguration", {}).get("Rules", [])
    enabled = [rule for rule in rules if rule.get("Status") == "Enabled"]
    expiring = {(rule.get("Prefix"), rendered(rule.get("ExpirationInDays"))) for rule in enabled}
    held = {
        "uploads": ("uploads/", "UploadRetentionDays") in expiring,
        "reviewed pictures": ("reviewed/", "ReviewedRetentionDays") in expiring,
        "old versions": any(rule.get("NoncurrentVersionExpiration") and "Prefix" not in rule for rule in enabled),
        "delete markers": any(rule.get("ExpiredObjectDeleteMarker") is True for rule in enabled),
        "unfinished uploads": any(rule.get("AbortIncompleteMultipartUpload") for rule in enabled),
    }
    return [f"{what} stay for ever" for what, ends in held.items() if not ends]


def records_survive_and_expire(project: Project) -> list[str]:
    """The table can be restored to any second, is encrypted, expires its items and outlives the stack."""
    table = project.properties("ResultsTable")
    held = {
        "restored": table.get("PointInTimeRecoverySpecification") == {"PointInTimeRecoveryEnabled": True},
        "encrypted": table.get("SSESpecification", {}).get("SSEEnabled") is True,
        "expired": table.get("TimeToLiveSpecification") == {"AttributeName": "expires_at", "Enabled": True},
    }
    return [f"records are not {what}" for what, present in held.items() if not present]


def photos_and_records_outlive_the_stack(project: Project) -> list[str]:
    """Deleting or replacing the stack keeps photos and records; logs go with it."""
    complaints = []
    for name in ("UploadBucket", "ResultsTable"):
        body = project.template["Resources"].get(name, {})
        if (body.get("DeletionPolicy"), body.get("UpdateReplacePolicy")) != ("RetainExceptOnCreate", "Retain"):
            complaints.append(f"{name} goes with the stack")
    return complaints


def letters_wait_long_enough(project: Project) -> list[str]:
    """Dead letters are encrypted and wait for 14 days, the longest that SQS allows."""
    complaints = []
    for name, body in project.resources("AWS::SQS::Queue").items():
        if body["Properties"].get("MessageRetentionPeriod") != 1_209_600:
            complaints.append(f"{name} keeps letters for less than 14 days")
        if body["Properties"].get("SqsManagedSseEnabled") is not True:
            complaints.append(f"{name} is not encrypted")
    return complaints


def no_event_is_dropped(project: Project) -> list[str]:
    """Each rule's target keeps what it could not deliver in the dead-letter queue, or is that queue."""
    complaints = []
    for name, body in project.resources("AWS::Events::Rule").items():
        for target in body["Properties"]["Targets"]:
            places = {rendered(target["Arn"]), rendered(target.get("DeadLetterConfig", {}).get("Arn", ""))}
            if "DeadLetterQueue.Arn" not in places:
                complaints.append(f"{name} drops what it cannot deliver")
    retry = project.properties("UploadRule")["Targets"][0].get("RetryPolicy")
    if retry != {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86400}:
        complaints.append("UploadRule gives up before a day has passed")
    return complaints


def the_trigger_hears_our_uploads_only(project: Project) -> list[str]:
    """Only objects created under uploads/ in this bucket start the workflow."""
    wanted = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [{"Ref": "UploadBucket"}]}, "object": {"key": [{"prefix": "uploads/"}]}},
    }
    return [] if project.properties("UploadRule").get("EventPattern") == wanted else ["UploadRule hears other events"]


def workflow_logs_hold_no_data(project: Project) -> list[str]:
    """The workflow logs its errors, traced, without what the steps were given or returned."""
    machine = project.properties("ClassifyVehicleStateMachine")
    logging = machine.get("Logging", {})
    groups = [rendered(d["CloudWatchLogsLogGroup"]["LogGroupArn"]) for d in logging.get("Destinations", [])]
    held = {
        "leaves out data": logging.get("IncludeExecutionData") is False,
        "logs errors": logging.get("Level") == "ERROR",
        "logs into its group": groups == ["ClassifyVehicleLogGroup.Arn"],
        "is traced where that is wanted": machine.get("Tracing") == {"Enabled": {"Fn::If": ["IsTraced", True, False]}},
        "keeps a history": machine.get("Type") == "STANDARD",
    }
    return [f"the workflow no longer {what}" for what, present in held.items() if not present]


def every_log_ends(project: Project) -> list[str]:
    """Each function and the workflow log into a group of this template, with a retention."""
    groups = project.resources("AWS::Logs::LogGroup")
    complaints = [
        f"{name} keeps logs for ever"
        for name, body in groups.items()
        if body["Properties"].get("RetentionInDays") != {"Ref": "LogRetentionDays"}
    ]
    for name, body in project.resources("AWS::Serverless::Function").items():
        group = rendered(body["Properties"].get("LoggingConfig", {}).get("LogGroup", ""))
        if group not in groups:
            complaints.append(f"{name} logs into a group outside the template")
    return complaints


def time_limits_nest(project: Project) -> list[str]:
    """A call ends before its function, and a function before its step, so that each error has its own name."""
    settings = _constants(project.files["functions/vehiclevision/settings.py"])
    call_seconds = settings["CONNECT_TIMEOUT_SECONDS"] + settings["READ_TIMEOUT_SECONDS"]
    complaints = []
    for name, state in project.tasks().items():
        function = str(state["Resource"]).removeprefix("${").removesuffix("Arn}")
        if function not in project.resources("AWS::Serverless::Function"):
            continue
        function_seconds, step_seconds = project.properties(function).get("Timeout", 3), state.get("TimeoutSeconds", 0)
        if function_seconds >= step_seconds:
            complaints.append(f"{name}: the function has {function_seconds} s, the step {step_seconds} s")
        if function != "FilterInferencesFunction" and call_seconds >= function_seconds:
            complaints.append(f"{name}: a call has {call_seconds} s, the function {function_seconds} s")
    return complaints


def every_parameter_is_checked(project: Project) -> list[str]:
    """Each parameter has a description, a default that passes, and bounds, a pattern or a list."""
    complaints = []
    for name, body in project.template["Parameters"].items():
        bounds = {"AllowedValues", "AllowedPattern"} & set(body) or {"MinValue", "MaxValue"} <= set(body)
        if not bounds or not body.get("Description") or "Default" not in body:
            complaints.append(f"parameter {name} is taken as it comes")
        if "AllowedValues" in body and body.get("Default") not in body["AllowedValues"]:
            complaints.append(f"parameter {name} has a default that is not allowed")
    return complaints


def every_parameter_is_used(project: Project) -> list[str]:
    """No parameter is asked for in vain."""
    body = str({key: value for key, value in project.template.items() if key not in ("Parameters", "Metadata")})
    return [
        f"parameter {name} is not used"
        for name in project.template["Parameters"]
        if f"'Ref': '{name}'" not in body and f"${{{name}}}" not in body
    ]


def template_holds_no_null(project: Project) -> list[str]:
    """No value of the template is null: CloudFormation refuses such a template."""
    return [f"{path} is null" for path in _nulls(project.template, "template")]


def template_names_no_account(project: Project) -> list[str]:
    """The template holds no account id, no region and no partition."""
    text = project.files["template.yaml"] + project.files["dashboard.yaml"]
    return [f"the template holds {word}" for word in ("arn:aws:", "us-east-1", "111122223333") if word in text]


def _nulls(node: Any, path: str) -> Iterator[str]:
    if node is None:
        yield path
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _nulls(value, f"{path}.{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _nulls(value, f"{path}[{number}]")


def _constants(text: str) -> Json:
    return {
        target.id: node.value.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
