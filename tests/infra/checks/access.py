"""Who may do what: one role each, the exact actions on named things, and nobody else."""

from collections.abc import Iterator
from typing import Any

from tests.infra.project import Json, Project, as_list, rendered

_ENDPOINT = "arn:AWS::Partition:sagemaker:AWS::Region:AWS::AccountId:endpoint/EndpointName"
# What stands behind `bedrock:` in SecondOpinion.
_MODEL = "SecondOpinion"
_WRITE_LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")

# Actions for which IAM knows no resource, and why the role needs them.
UNNAMEABLE = {
    "xray:PutTraceSegments": "the workflow's trace; X-Ray has no resource for it",
    "xray:PutTelemetryRecords": "the workflow's trace; X-Ray has no resource for it",
    "xray:GetSamplingRules": "how many runs are traced; X-Ray has no resource for it",
    "xray:GetSamplingTargets": "how many runs are traced; X-Ray has no resource for it",
    "logs:CreateLogDelivery": "the workflow's error log; log delivery has no resources",
    "logs:GetLogDelivery": "the workflow's error log; log delivery has no resources",
    "logs:UpdateLogDelivery": "the workflow's error log; log delivery has no resources",
    "logs:DeleteLogDelivery": "the workflow's error log; log delivery has no resources",
    "logs:ListLogDeliveries": "the workflow's error log; log delivery has no resources",
    "logs:PutResourcePolicy": "lets log delivery write; the policy belongs to the account",
    "logs:DescribeResourcePolicies": "lets log delivery write; the policies belong to the account",
    "logs:DescribeLogGroups": "finds the log group; AWS documents it with * only",
}

# role -> what it may do, and on what
EXPECTED_ACCESS: dict[str, set[tuple[str, str]]] = {
    "UploadRuleRole": {("states:StartExecution", "ClassifyVehicleExpressStateMachine or ClassifyVehicleStateMachine")},
    "ClassifyVehicleRole": {
        ("lambda:InvokeFunction", "SerializeImageFunction.Arn"),
        ("lambda:InvokeFunction", "ClassifyImageFunction.Arn"),
        ("lambda:InvokeFunction", "FilterInferencesFunction.Arn"),
        ("dynamodb:GetItem", "ResultsTable.Arn"),
        ("dynamodb:PutItem", "ResultsTable.Arn"),
        ("dynamodb:UpdateItem", "ResultsTable.Arn"),
        ("events:PutEvents", "VehicleEventBus.Arn"),
        ("sqs:SendMessage", "DeadLetterQueue.Arn"),
        *((action, "*") for action in UNNAMEABLE),
    },
    "SerializeImageRole": {
        ("s3:GetObject", "UploadBucket.Arn/*"),
        ("s3:GetObjectVersion", "UploadBucket.Arn/*"),
        ("s3:ListBucket", "UploadBucket.Arn"),
        *((action, "SerializeImageLogGroup.Arn") for action in _WRITE_LOGS),
    },
    "ClassifyImageRole": {
        ("sagemaker:InvokeEndpoint", _ENDPOINT),
        *((action, "ClassifyImageLogGroup.Arn") for action in _WRITE_LOGS),
    },
    "FilterInferencesRole": {(action, "FilterInferencesLogGroup.Arn") for action in _WRITE_LOGS},
}

# policy -> its condition, whose it is, and what it lets them do
EXPECTED_BESIDE: dict[str, tuple[str, list[str], set[tuple[str, str]]]] = {
    "HandOverPolicy": (
        "IsExpress",
        ["ClassifyVehicleRole"],
        {("states:StartExecution", "ClassifyVehicleStateMachine")},
    ),
    "RekognitionPolicy": ("AsksRekognition", ["ClassifyImageRole"], {("rekognition:DetectLabels", "*")}),
    "BedrockPolicy": (
        "AsksBedrock",
        ["ClassifyImageRole"],
        {
            ("bedrock:InvokeModel", f"arn:AWS::Partition:bedrock:AWS::Region::foundation-model/{_MODEL}"),
            (
                "bedrock:InvokeModel",
                f"arn:AWS::Partition:bedrock:AWS::Region:AWS::AccountId:inference-profile/{_MODEL}",
            ),
            ("bedrock:InvokeModel", "arn:AWS::Partition:bedrock:*::foundation-model/*"),
        },
    ),
    "CapturePolicy": (
        "Captures",
        ["ClassifyImageRole"],
        {("s3:PutObject", "arn:AWS::Partition:s3:::CaptureBucketName/CapturePrefix/EndpointName/*")},
    ),
}

# role -> the service that may take it
EXPECTED_TRUST = {
    "UploadRuleRole": "events.amazonaws.com",
    "ClassifyVehicleRole": "states.amazonaws.com",
    "SerializeImageRole": "lambda.amazonaws.com",
    "ClassifyImageRole": "lambda.amazonaws.com",
    "FilterInferencesRole": "lambda.amazonaws.com",
}
_THIS_ACCOUNT = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}

# resource policy -> what it lets a service do, and the condition that holds it to us
EXPECTED_GUESTS: dict[str, tuple[str, str, str, str] | None] = {
    "UploadBucketPolicy": None,
    "DeadLetterQueuePolicy": ("events.amazonaws.com", "sqs:SendMessage", "DeadLetterQueue.Arn", "aws:SourceArn"),
    "AlarmTopicPolicy": ("cloudwatch.amazonaws.com", "sns:Publish", "AlarmTopic", "aws:SourceAccount"),
}
_RESOURCE_POLICIES = ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy")


def policies_beside_roles_are_there_when_needed(project: Project) -> list[str]:
    """What one way of deploying needs more stands in a policy of its own, under its condition, and says no more."""
    policies = project.resources("AWS::IAM::Policy")
    complaints = [f"unexpected policy {name}" for name in sorted(set(policies) ^ set(EXPECTED_BESIDE))]
    for name, expected in EXPECTED_BESIDE.items():
        policy = policies.get(name, {"Properties": {"Roles": [], "PolicyDocument": {"Statement": []}}})
        roles = [rendered(role) for role in policy["Properties"]["Roles"]]
        given = (policy.get("Condition"), roles, set(_access({"Properties": {"Policies": [policy["Properties"]]}})))
        complaints += [f"{name} is {given}, not {expected}"] if given != expected else []
    return complaints


def roles_may_do_exactly_this(project: Project) -> list[str]:
    """Each role has the expected actions on the expected resources, and not one more."""
    roles = project.resources("AWS::IAM::Role")
    complaints = [f"unexpected role {name}" for name in sorted(set(roles) - set(EXPECTED_ACCESS))]
    for name, expected in EXPECTED_ACCESS.items():
        given = set(_access(roles.get(name, {})))
        complaints += [f"{name} may also {action} on {resource}" for action, resource in sorted(given - expected)]
        complaints += [f"{name} may not {action} on {resource}" for action, resource in sorted(expected - given)]
    return complaints


def nothing_is_granted_on_everything(project: Project) -> list[str]:
    """No Allow names * as its resource, except for actions that IAM cannot hold to one."""
    return [
        f"{name} allows {action} on everything"
        for name, role in project.resources("AWS::IAM::Role").items()
        for action, resource in _access(role)
        if resource == "*" and action not in UNNAMEABLE
    ]


def no_action_is_a_wildcard(project: Project) -> list[str]:
    """No Allow has a wildcard in an action, and none is written with NotAction or NotResource."""
    complaints = []
    for name, statement in _all_statements(project):
        if statement["Effect"] == "Allow" and any("*" in action for action in as_list(statement.get("Action", "*"))):
            complaints.append(f"{name} allows a wildcard action")
        if {"NotAction", "NotResource", "NotPrincipal"} & set(statement):
            complaints.append(f"{name} is written as an exception")
    return complaints


def roles_have_no_other_source_of_rights(project: Project) -> list[str]:
    """Rights stand in the roles and in the policies that are listed: none is managed, none is beside the functions."""
    complaints = [
        f"{name} takes managed policies"
        for name, role in project.resources("AWS::IAM::Role").items()
        if "ManagedPolicyArns" in role["Properties"]
    ]
    complaints += [f"{name} is a managed policy" for name in project.resources("AWS::IAM::ManagedPolicy")]
    for kind in ("AWS::Serverless::Function", "AWS::Serverless::StateMachine"):
        bodies = project.resources(kind).items()
        complaints += [f"{name} has policies of its own" for name, body in bodies if "Policies" in body["Properties"]]
    return complaints


def only_the_service_takes_the_role(project: Project) -> list[str]:
    """Each role can be taken by one service only, and only on behalf of this account."""
    complaints = []
    for name, role in project.resources("AWS::IAM::Role").items():
        service = EXPECTED_TRUST.get(name, "")
        wanted = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
            "Condition": _THIS_ACCOUNT,
        }
        if role["Properties"]["AssumeRolePolicyDocument"]["Statement"] != [wanted]:
            complaints.append(f"{name} can be taken by others than {service or 'nobody'}")
    return complaints


def every_function_has_its_own_role(project: Project) -> list[str]:
    """No two functions, and no function and the workflow, share a role; the workflow's two types do."""
    complaints: list[str] = []
    users: dict[str, str] = {}
    for kind in ("AWS::Serverless::Function", "AWS::Serverless::StateMachine"):
        for name, body in project.resources(kind).items():
            role = rendered(body["Properties"].get("Role", ""))
            if role.removesuffix(".Arn") not in project.resources("AWS::IAM::Role"):
                complaints.append(f"{name} has no role of this template")
            elif users.get(role, "ClassifyVehicleStateMachine") != "ClassifyVehicleStateMachine":
                complaints.append(f"{name} shares its role with {users[role]}")
            users[role] = name
    return complaints


def guests_are_held_to_this_account(project: Project) -> list[str]:
    """Bucket, queue and topic let in only the service that must write, on our behalf."""
    complaints = []
    for name, document in _resource_policies(project):
        allowed = [statement for statement in document["Statement"] if statement["Effect"] == "Allow"]
        guest = EXPECTED_GUESTS.get(name)
        if len(allowed) != (1 if guest else 0):
            complaints.append(f"{name} lets in {len(allowed)} guests")
            continue
        for statement in allowed:
            conditions = {key for test in statement.get("Condition", {}).values() for key in test}
            seen = (statement["Principal"], statement["Action"], rendered(statement["Resource"]), conditions)
            if guest and seen != ({"Service": guest[0]}, guest[1], guest[2], {guest[3]}):
                complaints.append(f"{name} lets in {seen}")
    return complaints


def plain_text_is_denied(project: Project) -> list[str]:
    """Bucket, queue and topic each refuse whoever does not come over TLS."""
    complaints, guarded = [], set()
    for name, document in _resource_policies(project):
        for statement in document["Statement"]:
            condition = statement.get("Condition")
            if statement["Effect"] == "Deny" and statement["Principal"] == "*":
                if condition == {"Bool": {"aws:SecureTransport": "false"}}:
                    guarded |= {rendered(resource) for resource in as_list(statement["Resource"])}
                else:
                    complaints.append(f"{name} denies under {condition}")
    wanted = {"UploadBucket.Arn", "UploadBucket.Arn/*", "DeadLetterQueue.Arn", "AlarmTopic"}
    return complaints + [f"{name} may be reached without TLS" for name in sorted(wanted - guarded)]


def _access(role: Json) -> Iterator[tuple[str, str]]:
    for policy in role.get("Properties", {}).get("Policies", []):
        for statement in policy["PolicyDocument"]["Statement"]:
            for action in as_list(statement.get("Action", "*")):
                for resource in as_list(statement.get("Resource", "*")):
                    yield action, rendered(resource)


def _resource_policies(project: Project) -> Iterator[tuple[str, Any]]:
    for kind in _RESOURCE_POLICIES:
        for name, body in project.resources(kind).items():
            yield name, body["Properties"]["PolicyDocument"]


def _all_statements(project: Project) -> Iterator[tuple[str, Json]]:
    for name, role in project.resources("AWS::IAM::Role").items():
        for policy in role["Properties"].get("Policies", []):
            yield from ((name, statement) for statement in policy["PolicyDocument"]["Statement"])
    for name, document in _resource_policies(project):
        yield from ((name, statement) for statement in document["Statement"])
