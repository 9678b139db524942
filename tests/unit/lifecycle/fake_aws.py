"""A small AWS for the tests: what lifecycle asks, answered from memory.

It stands behind boto3's own clients, so every request is checked against AWS's model before it comes here, and every
answer before it leaves. `test_fake_aws.py` holds it against moto, the workflow tests hold the same steps against the
local SageMaker.
"""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import boto3
from botocore.response import StreamingBody
from botocore.validate import ParamValidator

from lifecycle.site import Aws, Site
from local.sagemaker.control.protocol import problems

ACCOUNT = "123456789012"
REGION = "eu-central-1"
NOW = datetime(2026, 11, 21, tzinfo=UTC)
Parameters = Mapping[str, Any]
# How a job begins; and what every look at something says beside its own.
BEGINS: dict[str, dict[str, Any]] = {
    "TrainingJob": {"TrainingJobStatus": "InProgress", "SecondaryStatus": "Training"},
    "HyperParameterTuningJob": {"HyperParameterTuningJobStatus": "InProgress"},
}
COMMON: dict[str, Any] = {
    "CreationTime": NOW, "LastModifiedTime": NOW, "CreatedBy": {}, "Strategy": "Bayesian",
    "ModelArtifacts": {"S3ModelArtifacts": ""}, "TrainingJobStatusCounters": {}, "ObjectiveStatusCounters": {},
    "ModelPackageGroupStatus": "Completed", "ModelPackageStatus": "Completed",
    "ModelPackageStatusDetails": {"ValidationStatuses": []},
}  # fmt: skip


class Interrupted(BaseException):
    """The program was killed here."""


class RefusalError(Exception):
    """AWS says no."""

    def __init__(self, code: str, message: str = "no") -> None:
        super().__init__(code)
        self.code, self.message = code, message


@dataclass
class FakeAws:
    """The account. `kill_at` ends the program at the n-th call, whose answer gets lost."""

    kill_at: int | None = None
    # Endpoint updates to these configurations fail their alarms and are taken back.
    bad_models: set[str] = field(default_factory=set)
    may_build: bool = True
    calls: list[tuple[str, str, Parameters]] = field(default_factory=list)
    stacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    objects: dict[str, dict[str, bytes]] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    builds: dict[str, dict[str, Any]] = field(default_factory=dict)
    things: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    tags: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    alarms: dict[str, dict[str, Any]] = field(default_factory=dict)
    log_groups: dict[str, set[str]] = field(default_factory=dict)
    targets: dict[str, dict[str, Any]] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)
    # When an object was put, where that is not now; and the runs of a state machine.
    moments: dict[str, datetime] = field(default_factory=dict)
    executions: list[dict[str, Any]] = field(default_factory=list)

    def aws(self, application: str = "vehiclevision", told: list[str] | None = None) -> Aws:
        """A site in this account, with clients of its own."""
        _clients.behind = self
        tell = (told if told is not None else []).append
        return Aws(Site(application, ACCOUNT, REGION), _clients.client, tell, lambda _: None)

    @property
    def leftovers(self) -> list[str]:
        """Everything that exists, as text."""
        kinds = [f"{kind} {name}" for kind, found in self.things.items() for name in found]
        streams = [f"log {group} {stream}" for group, found in self.log_groups.items() for stream in found]
        groups = [f"log group {group}" for group in self.log_groups if "TrainingJobs" not in group]
        others = [*self.stacks, *self.objects, *self.alarms, *self.targets, *self.images, *self.tables]
        return sorted([*kinds, *streams, *groups, *others])

    def sent(self, operation: str) -> list[Parameters]:
        """The parameters of every call of this operation."""
        return [parameters for _, name, parameters in self.calls if name == operation]

    def deploy_application(self) -> None:
        """The application's stack, which keeps its bucket and its table when it is deleted."""
        outputs = {"BucketName": "photos", "ResultsTableName": "results"}
        self.objects["photos"] = {"uploads/a.jpg": b"photo"}
        self.tables.add("results")
        shown = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
        self.stacks["vehiclevision"] = _stack("vehiclevision", Outputs=shown)

    def deploy_monitoring(self) -> None:
        """The stacks of the applications beside the first."""
        for room in ("monitoring", "retraining", "reconciling", "backfilling", "console"):
            self.stacks[f"vehiclevision-{room}"] = _stack(f"vehiclevision-{room}")

    def finish_jobs(self, model: bytes) -> None:
        """Every running job is done, and left this model."""
        for name, job in self.things.get("training-job", {}).items():
            if job["TrainingJobStatus"] == "InProgress":
                bucket, _, prefix = job["OutputDataConfig"]["S3OutputPath"].removeprefix("s3://").partition("/")
                key = f"{prefix}/{name}/output/model.tar.gz"
                self.objects[bucket][key] = model
                job |= {"TrainingJobStatus": "Completed", "SecondaryStatus": "Completed"}
                job["ModelArtifacts"] = {"S3ModelArtifacts": f"s3://{bucket}/{key}"}
                job["FinalMetricDataList"] = [{"MetricName": "validation:accuracy", "Value": 0.95, "Timestamp": NOW}]

    # ---- behind boto3 ------------------------------------------------------------------------------------------------

    def answer(self, service: str, model: Any, parameters: Parameters) -> tuple[Any, Any]:
        number = len(self.calls)
        self.calls.append((service, model.name, parameters))
        # botocore checks types only; AWS checks enums, patterns, lengths and ranges too.
        assert list(problems(dict(parameters), model.input_shape, "")) == [], model.name
        try:
            own = getattr(self, f"{service.replace('-', '_')}_{model.name}", None)
            parsed = own(parameters) if own else self._of_sagemaker(model, parameters)
        except RefusalError as refusal:
            if number == self.kill_at:
                raise Interrupted from None
            error = {"Error": {"Code": refusal.code, "Message": refusal.message}}
            return SimpleNamespace(status_code=400), {**error, "ResponseMetadata": {"HTTPStatusCode": 400}}
        if number == self.kill_at:
            raise Interrupted
        if model.output_shape is not None and "Body" not in parsed:
            report = ParamValidator().validate(_without_none(parsed), model.output_shape)
            assert not report.has_errors(), f"{model.name}: {report.generate_report()}"
        return SimpleNamespace(status_code=200), {**parsed, "ResponseMetadata": {"HTTPStatusCode": 200}}

    # ---- SageMaker ---------------------------------------------------------------------------------------------------

    def _of_sagemaker(self, model: Any, given: Parameters) -> dict[str, Any]:
        """Whatever is alike for all that SageMaker keeps: made, looked at, listed, stopped and taken away by name."""
        verb, resource = re.fullmatch(r"(Create|Describe|List|Stop|Delete)(\w+?)s?", model.name).groups()  # type: ignore[union-attr]
        kind = re.sub(r"(?<!^)(?=[A-Z])", "-", resource).lower()
        if verb == "List":
            (entries,) = (name for name, shape in model.output_shape.members.items() if shape.type_name == "list")
            shape = model.output_shape.members[entries].member
            return {entries: [_seen(shape, resource, each) for each in reversed(self._listed(kind, resource, given))]}
        name = given[f"{resource}Name"].split(f":{kind}/")[-1]
        if verb == "Create":
            return {f"{resource}Arn": self._make(kind, name, BEGINS.get(resource, {}), given)}
        if verb == "Describe":
            return _seen(model.output_shape, resource, self._get(kind, name))
        if verb == "Stop":
            self._get(kind, name)[f"{resource}Status"] = "Stopped"
            return {}
        return self._drop(kind, name)

    def _make(self, kind: str, name: str, fields: dict[str, Any], given: Parameters) -> str:
        made = self.things.setdefault(kind, {})
        if name in made:
            raise RefusalError("ResourceInUse" if kind == "training-job" else "ValidationException")
        arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/{name}"
        made[name] = {**{key: value for key, value in given.items() if key != "Tags"}, **fields, "arn": arn}
        self.tags[arn] = list(given.get("Tags", []))
        return arn

    def _get(self, kind: str, name: str) -> dict[str, Any]:
        if name not in self.things.get(kind, {}):
            raise RefusalError("ValidationException", f"Could not find {kind} {name}")
        return self.things[kind][name]

    def _drop(self, kind: str, name: str) -> dict[str, Any]:
        self.tags.pop(self._get(kind, name)["arn"], None)
        del self.things[kind][name]
        return {}

    def _listed(self, kind: str, resource: str, given: Parameters) -> list[dict[str, Any]]:
        named = given.get("ModelPackageGroupName", given.get("NameContains", ""))
        status = given.get("StatusEquals")
        return [
            each
            for name, each in self.things.get(kind, {}).items()
            if named in name and status in (None, each.get(f"{resource}Status"))
        ]

    def sagemaker_ListTags(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        if given["ResourceArn"] not in self.tags:
            raise RefusalError("ValidationException")
        return {"Tags": self.tags[given["ResourceArn"]]}

    def sagemaker_AddTags(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        self.tags.setdefault(given["ResourceArn"], []).extend(given["Tags"])
        return {"Tags": self.tags[given["ResourceArn"]]}

    def sagemaker_CreateTrainingJob(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        name = given["TrainingJobName"]
        arn = self._make("training-job", name, BEGINS["TrainingJob"], given)
        self.log_groups.setdefault("/aws/sagemaker/TrainingJobs", set()).add(f"{name}/algo-1-1")
        return {"TrainingJobArn": arn}

    def sagemaker_DeleteModelPackageGroup(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        name = given["ModelPackageGroupName"]
        if any(key.startswith(f"{name}/") for key in self.things.get("model-package", {})):
            raise RefusalError("ConflictException")
        return self._drop("model-package-group", name)

    def sagemaker_CreateModelPackage(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        group = self._get("model-package-group", given["ModelPackageGroupName"])
        group["versions"] = group.get("versions", 0) + 1
        name = f"{given['ModelPackageGroupName']}/{group['versions']}"
        return {"ModelPackageArn": self._make("model-package", name, {"ModelPackageVersion": group["versions"]}, given)}

    def sagemaker_UpdateModelPackage(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        self._package(given["ModelPackageArn"])["ModelApprovalStatus"] = given["ModelApprovalStatus"]
        return {"ModelPackageArn": given["ModelPackageArn"]}

    def _package(self, arn: str) -> dict[str, Any]:
        return self._get("model-package", arn.rsplit(":model-package/", maxsplit=1)[-1])

    def sagemaker_CreateModel(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        if self._package(given["PrimaryContainer"]["ModelPackageName"])["ModelApprovalStatus"] != "Approved":
            raise RefusalError("ValidationException", "not approved")
        return {"ModelArn": self._make("model", given["ModelName"], {}, given)}

    def sagemaker_CreateEndpointConfig(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        self._get("model", given["ProductionVariants"][0]["ModelName"])
        return {"EndpointConfigArn": self._make("endpoint-config", given["EndpointConfigName"], {}, given)}

    def sagemaker_CreateEndpoint(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        self._get("endpoint-config", given["EndpointConfigName"])
        fields = {"EndpointStatus": "Creating", "then": given["EndpointConfigName"]}
        return {"EndpointArn": self._make("endpoint", given["EndpointName"], fields, given)}

    def sagemaker_UpdateEndpoint(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        config = self._get("endpoint-config", given["EndpointConfigName"])
        endpoint = self._get("endpoint", given["EndpointName"])
        if endpoint["EndpointStatus"] != "InService":
            raise RefusalError("ValidationException", "busy")
        for alarm in given.get("DeploymentConfig", {}).get("AutoRollbackConfiguration", {}).get("Alarms", []):
            if alarm["AlarmName"] not in self.alarms:
                raise RefusalError("ValidationException", "no such alarm")
        bad = config["ProductionVariants"][0]["ModelName"] in self.bad_models
        then = endpoint["EndpointConfigName"] if bad else given["EndpointConfigName"]
        endpoint |= {"EndpointStatus": "Updating", "then": then}
        return {"EndpointArn": endpoint["arn"]}

    def sagemaker_DescribeEndpoint(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        endpoint = self._get("endpoint", given["EndpointName"])
        shown = {**COMMON, **endpoint, "EndpointArn": endpoint["arn"]}
        if "then" in endpoint:
            # The next look finds it done.
            endpoint |= {"EndpointStatus": "InService", "EndpointConfigName": endpoint.pop("then")}
        names = ("EndpointName", "EndpointArn", "EndpointConfigName", "EndpointStatus", "CreationTime")
        return {name: shown[name] for name in (*names, "LastModifiedTime")}

    def sagemaker_DeleteEndpoint(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        if "then" in self._get("endpoint", given["EndpointName"]):
            raise RefusalError("ValidationException", "busy")
        return self._drop("endpoint", given["EndpointName"])

    # ---- the services around it --------------------------------------------------------------------------------------

    def cloudformation_DescribeStacks(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        name = given["StackName"]
        if name.startswith("arn:"):
            gone = {"StackName": name.split("/")[1], "CreationTime": NOW, "StackStatus": "DELETE_COMPLETE"}
            live = [stack for stack in self.stacks.values() if stack["StackId"] == name]
            return {"Stacks": live or [gone]}
        if name not in self.stacks:
            raise RefusalError("ValidationError", f"Stack with id {name} does not exist")
        return {"Stacks": [self.stacks[name]]}

    def cloudformation_CreateStack(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        name = given["StackName"]
        parameters = {each["ParameterKey"]: each["ParameterValue"] for each in given["Parameters"]}
        self.objects.setdefault(parameters["BucketName"], {})
        self.log_groups.setdefault(f"/aws/codebuild/{parameters['BuilderName']}", set())
        self.stacks[name] = _stack(name, Tags=given["Tags"], Parameters=given["Parameters"])
        return {"StackId": self.stacks[name]["StackId"]}

    def cloudformation_UpdateStack(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        changed = {key: given[key] for key in ("Tags", "Parameters")}
        self.stacks[given["StackName"]] |= {"StackStatus": "UPDATE_COMPLETE", **changed}
        return {"StackId": self.stacks[given["StackName"]]["StackId"]}

    def cloudformation_DeleteStack(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        stack = self.stacks.get(given["StackName"])
        if stack is None:
            return {}
        if "Parameters" not in stack:
            del self.stacks[given["StackName"]]
            return {}
        parameters = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
        if self.objects.get(parameters["BucketName"]):
            stack["StackStatus"] = "DELETE_FAILED"
            return {}
        self.objects.pop(parameters["BucketName"], None)
        self.log_groups.pop(f"/aws/codebuild/{parameters['BuilderName']}", None)
        self.images.clear()
        del self.stacks[given["StackName"]]
        return {}

    def dynamodb_DescribeTable(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        if given["TableName"] not in self.tables:
            raise RefusalError("ResourceNotFoundException")
        return {"Table": {"TableName": given["TableName"]}}

    def dynamodb_DeleteTable(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        self.dynamodb_DescribeTable(given)
        self.tables.discard(given["TableName"])
        return {}

    def s3_HeadBucket(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        self._bucket(given, "404")
        return {}

    def s3_PutObject(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        body = given["Body"]
        self._bucket(given)[given["Key"]] = body if isinstance(body, bytes) else body.read()
        return {"ETag": "x"}

    def s3_GetObject(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        found = self._bucket(given).get(given["Key"])
        if found is None:
            raise RefusalError("NoSuchKey")
        return {"Body": StreamingBody(io.BytesIO(found), len(found)), "ContentLength": len(found)}

    def s3_ListObjectsV2(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        names = sorted(key for key in self._bucket(given) if key.startswith(given.get("Prefix", "")))
        entries = [{"Key": key, "LastModified": self.moments.get(key, NOW), "Size": 1, "ETag": "x"} for key in names]
        return {"KeyCount": len(entries), "Contents": entries, "IsTruncated": False}

    def s3_CopyObject(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        bucket, _, key = unquote(given["CopySource"]).partition("/")
        self._bucket(given)[given["Key"]] = self.objects[bucket][key]
        return {}

    def stepfunctions_ListExecutions(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        found = [each for each in self.executions if each["status"] == given.get("statusFilter", each["status"])]
        return {"executions": found}

    def s3_ListObjectVersions(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        return {"Versions": [{"Key": key, "VersionId": "1"} for key in self._bucket(given)], "IsTruncated": False}

    def s3_ListMultipartUploads(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        self._bucket(given)
        return {"IsTruncated": False}

    def s3_DeleteObjects(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        for entry in given["Delete"]["Objects"]:
            self._bucket(given).pop(entry["Key"], None)
        return {}

    def s3_DeleteBucket(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        if self._bucket(given):
            raise RefusalError("BucketNotEmpty")
        del self.objects[given["Bucket"]]
        return {}

    def _bucket(self, given: Parameters, code: str = "NoSuchBucket") -> dict[str, bytes]:
        if given["Bucket"] not in self.objects:
            raise RefusalError(code)
        return self.objects[given["Bucket"]]

    def resourcegroupstaggingapi_GetResources(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        (wanted,) = given["TagFilters"]
        tag = {"Key": wanted["Key"], "Value": wanted["Values"][0]}
        return {"ResourceTagMappingList": [{"ResourceARN": arn} for arn, tags in self.tags.items() if tag in tags]}

    def ecr_DescribeImages(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        if given["imageIds"][0]["imageTag"] not in self.images:
            raise RefusalError("ImageNotFoundException")
        return {"imageDetails": [{}]}

    def codebuild_ListBuildsForProject(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        return {"ids": list(self.builds)} if self.builds else {}

    def codebuild_StartBuild(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        if not self.may_build:
            raise RefusalError("AccountLimitExceededException")
        name = f"{given['projectName']}:{len(self.builds)}"
        variables = given["environmentVariablesOverride"]
        environment = {
            "type": "LINUX_CONTAINER",
            "image": "x",
            "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": variables,
        }
        self.builds[name] = {"id": name, "buildStatus": "IN_PROGRESS", "environment": environment}
        return {"build": self.builds[name]}

    def codebuild_BatchGetBuilds(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        shown = [dict(self.builds[name]) for name in given["ids"]]
        for name in given["ids"]:
            self.builds[name]["buildStatus"] = "SUCCEEDED"
            self.images.add(self.builds[name]["environment"]["environmentVariables"][0]["value"])
        return {"builds": shown}

    def cloudwatch_PutMetricAlarm(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        self.alarms.setdefault(given["AlarmName"], {"StateValue": "OK"})
        return {}

    def cloudwatch_DescribeAlarms(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        found = [{"AlarmName": name, **self.alarms[name]} for name in given["AlarmNames"] if name in self.alarms]
        return {"MetricAlarms": found}

    def cloudwatch_DeleteAlarms(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        for name in given["AlarmNames"]:
            self.alarms.pop(name, None)
        return {}

    def logs_DescribeLogGroups(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        prefix = given["logGroupNamePrefix"]
        return {"logGroups": [{"logGroupName": name} for name in self.log_groups if name.startswith(prefix)]}

    def logs_CreateLogGroup(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        if given["logGroupName"] in self.log_groups:
            raise RefusalError("ResourceAlreadyExistsException")
        self.log_groups[given["logGroupName"]] = set()
        return {}

    def logs_PutRetentionPolicy(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        return {}

    def logs_DeleteLogGroup(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        if given["logGroupName"] not in self.log_groups:
            raise RefusalError("ResourceNotFoundException")
        del self.log_groups[given["logGroupName"]]
        return {}

    def logs_DescribeLogStreams(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        if given["logGroupName"] not in self.log_groups:
            raise RefusalError("ResourceNotFoundException")
        prefix = given.get("logStreamNamePrefix", "")
        found = sorted(name for name in self.log_groups[given["logGroupName"]] if name.startswith(prefix))
        return {"logStreams": [{"logStreamName": name} for name in found]}

    def logs_GetLogEvents(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        events = [] if "nextToken" in given else [{"message": "epoch 1"}]
        return {"events": events, "nextForwardToken": "f/1", "nextBackwardToken": "b/1"}

    def logs_DeleteLogStream(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        self.log_groups[given["logGroupName"]].discard(given["logStreamName"])
        return {}

    def application_autoscaling_RegisterScalableTarget(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        self._get("endpoint", given["ResourceId"].split("/")[1])
        self.targets[given["ResourceId"]] = dict(given)
        return {}

    def application_autoscaling_PutScalingPolicy(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        if given["ResourceId"] not in self.targets:
            raise RefusalError("ObjectNotFoundException")
        return {"PolicyARN": "arn", "Alarms": []}

    def application_autoscaling_DescribeScalableTargets(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        keys = ("ServiceNamespace", "ResourceId", "ScalableDimension", "MinCapacity", "MaxCapacity")
        found = [self.targets[name] for name in given["ResourceIds"] if name in self.targets]
        common = {"RoleARN": "arn", "CreationTime": NOW}
        return {"ScalableTargets": [{**{key: target[key] for key in keys}, **common} for target in found]}

    def application_autoscaling_DeregisterScalableTarget(self, given: Parameters) -> dict[str, Any]:  # noqa: N802
        if given["ResourceId"] not in self.targets:
            raise RefusalError("ObjectNotFoundException")
        del self.targets[given["ResourceId"]]
        return {}


def _stack(name: str, **more: Any) -> dict[str, Any]:
    arn = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{name}/1"
    return {"StackName": name, "StackId": arn, "CreationTime": NOW, "StackStatus": "CREATE_COMPLETE", **more}


def _seen(shape: Any, resource: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """As much of something as this answer of SageMaker's has members for."""
    own = {**COMMON, "ModelPackageName": fields.get("ModelPackageGroupName"), **fields, f"{resource}Arn": fields["arn"]}
    return {name: own[name] for name in shape.members if own.get(name) is not None}


class Clients:
    """boto3's clients, made once: that takes longer than a test. They ask the account that was used last."""

    def __init__(self) -> None:
        self.behind: FakeAws | None = None
        self._made: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """A client whose requests never leave this process."""
        if service not in self._made:
            session = boto3.session.Session("testing", "testing", region_name=REGION)
            self._made[service] = session.client(service)  # type: ignore[call-overload]
            events = self._made[service].meta.events
            events.register(f"before-parameter-build.{service}", _remember)
            events.register(f"before-call.{service}", self._answer)
        return self._made[service]

    def _answer(self, model: Any, context: Any, **_: Any) -> tuple[Any, Any]:
        assert self.behind is not None
        return self.behind.answer(model.service_model.service_name, model, context["given"])


_clients = Clients()


def _remember(params: Any, context: Any, **_: Any) -> None:
    context["given"] = dict(params)


def _without_none(value: Any) -> Any:
    """Only what AWS would send, and nothing of the fake's own."""
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return value
