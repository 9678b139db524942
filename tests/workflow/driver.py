"""Drives the deployed application from outside, through AWS's own interfaces only."""

import contextlib
import fcntl
import hashlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from local import deploy, stack
from local.processes import HOST
from tests.workflow import may

PATIENCE_SECONDS = 90.0


def started(directory: Path, root: Path) -> stack.LocalAws:
    """A local AWS with the application in it: a copy of one in which these files were deployed before.

    A deployment takes most of a minute on two cores, the start of its copy some seconds. A copy has ports of its own,
    the engine's also in what the deployment has written down.
    """
    kept = root / ".cache" / "deployed" / _made_from(root)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with (kept.parent / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            for older in (path for path in kept.parent.iterdir() if path.is_dir()):
                shutil.rmtree(older)
            with tempfile.TemporaryDirectory(dir=kept.parent) as fresh:
                stack.start(Path(fresh) / "aws", application=root)
                stack.stop(Path(fresh) / "aws")
                (Path(fresh) / "aws").rename(kept)
        shutil.copytree(kept, directory, dirs_exist_ok=True)
    for name in ("sagemaker", "sagemaker-control"):
        (directory / name / "process.json").unlink()
    record = directory / "engine" / "process.json"
    former = json.loads(record.read_text())
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = int(free.getsockname()[1])
    record.write_text(json.dumps({**former, "port": port}))
    for file in (*(directory / "engine" / "state").glob("*.json"), directory / "deploy" / "deployed.json"):
        file.write_text(file.read_text().replace(f":{former['port']}/", f":{port}/"))
    return stack.start(directory, application=root)


def _made_from(root: Path) -> str:
    """The name of what is kept: another application, another local AWS, another name."""
    digest = hashlib.sha256(deploy.fingerprint(deploy.VEHICLEVISION.at(root)).encode())
    for path in sorted((root / "local").rglob("*.py")):
        digest.update(path.read_bytes())
    return f"{digest.hexdigest()[:16]}-aws"


@dataclass
class Application:
    """The stack on a local AWS, as an uploader, a subscriber and an operator see it."""

    aws: stack.LocalAws
    outputs: dict[str, str]
    queue_url: str = ""
    heard: list[dict[str, Any]] = field(default_factory=list)
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """The boto3 client of a service, made once."""
        if service not in self.clients:
            self.clients[service] = self._client(service)
        return self.clients[service]

    def _client(self, service: str) -> Any:
        values = self.aws.environment()
        session: Any = boto3.session.Session(
            values["AWS_ACCESS_KEY_ID"], values["AWS_SECRET_ACCESS_KEY"], region_name=values["AWS_REGION"]
        )
        return session.client(service, endpoint_url=values["AWS_ENDPOINT_URL"])

    @property
    def bucket(self) -> str:
        """Where uploads go."""
        return self.outputs["BucketName"]

    def upload(self, key: str, data: bytes) -> str:
        """Put the file into the bucket; returns its version id."""
        return str(self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=data)["VersionId"])

    def record(self, key: str, version_id: str, wait: bool = True) -> dict[str, Any] | None:
        """The plain record of one object version, once it is there."""
        table = self.client("dynamodb")
        wanted = {"object": {"S": f"{self.bucket}/{key}"}, "version_id": {"S": version_id}}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            item = table.get_item(TableName=self.outputs["ResultsTableName"], Key=wanted).get("Item")
            if item or not wait:
                return plain(item) if item else None
            assert time.monotonic() < deadline, f"no record of {key!r} within {PATIENCE_SECONDS} s"
            time.sleep(0.05)

    def noted(self, key: str, version_id: str) -> dict[str, Any]:
        """The record of a classified version, once it says that the announcement is made."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (record := self.record(key, version_id)) or record["announced_at"] is None:
            assert time.monotonic() < deadline, f"the announcement of {key!r} was not noted"
            time.sleep(0.05)
        return record

    def forget_the_note(self, key: str, version_id: str) -> None:
        """Leave a record as a run does that is stopped between record and announcement."""
        self.client("dynamodb").update_item(
            TableName=self.outputs["ResultsTableName"],
            Key={"object": {"S": f"{self.bucket}/{key}"}, "version_id": {"S": version_id}},
            UpdateExpression="SET announced_at = :nobody",
            ExpressionAttributeValues={":nobody": {"NULL": True}},
        )

    def outcome(self, key: str, data: bytes) -> dict[str, Any]:
        """Upload a file and wait for its record."""
        found = self.record(key, self.upload(key, data))
        assert found is not None
        return found

    def start(self, request: Any) -> str:
        """Start the workflow by hand; returns the execution."""
        machine = self.outputs["StateMachineArn"]
        states = self.client("stepfunctions")
        return str(states.start_execution(stateMachineArn=machine, input=json.dumps(request))["executionArn"])

    def finished(self, execution: str) -> dict[str, Any]:
        """The execution once it has ended."""
        states = self.client("stepfunctions")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            found: dict[str, Any] = states.describe_execution(executionArn=execution)
            if found["status"] != "RUNNING":
                return found
            assert time.monotonic() < deadline, f"{execution} did not end within {PATIENCE_SECONDS} s"
            time.sleep(0.05)

    def history(self, execution: str) -> list[dict[str, Any]]:
        """All events of an execution."""
        pages = self.client("stepfunctions").get_paginator("get_execution_history")
        return [event for page in pages.paginate(executionArn=execution) for event in page["events"]]

    def subscribe(self) -> None:
        """Listen on the event bus from now on, with a queue as a consumer would."""
        sqs, events = self.client("sqs"), self.client("events")
        self.queue_url = sqs.create_queue(QueueName="listener")["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=["QueueArn"])["Attributes"]
        bus, pattern = self.outputs["EventBusName"], {"source": ["vehiclevision"]}
        rule = events.put_rule(Name="listener", EventBusName=bus, EventPattern=json.dumps(pattern))["RuleArn"]
        policy = json.dumps(from_rule(attributes["QueueArn"], rule))
        sqs.set_queue_attributes(QueueUrl=self.queue_url, Attributes={"Policy": policy})
        targets = [{"Id": "listener", "Arn": attributes["QueueArn"]}]
        events.put_targets(Rule="listener", EventBusName=bus, Targets=targets)

    def announced(self, key: str, at_least: int = 1, settle_seconds: float = 1.0) -> list[dict[str, Any]]:
        """What was announced about a key: waits for so many, then a moment for one too many."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            found = [event for event in self.heard if event["detail"].get("s3_key") == key]
            if len(found) >= at_least:
                break
            assert time.monotonic() < deadline, f"{key!r} was announced {len(found)} times, not {at_least}"
            self._listen(1)
        until = time.monotonic() + settle_seconds
        while time.monotonic() < until:
            self._listen(0)
            time.sleep(0.1)
        return [event for event in self.heard if event["detail"].get("s3_key") == key]

    def _listen(self, seconds: int) -> None:
        sqs = self.client("sqs")
        arguments = {"QueueUrl": self.queue_url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": seconds}
        while messages := sqs.receive_message(**arguments).get("Messages", []):
            for message in messages:
                self.heard.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])

    def dead_letters(self) -> list[dict[str, Any]]:
        """What waits in the dead-letter queue; reading takes it out."""
        sqs, found = self.client("sqs"), []
        arguments = {"QueueUrl": self.outputs["DeadLetterQueueUrl"], "MaxNumberOfMessages": 10}
        while messages := sqs.receive_message(**arguments).get("Messages", []):
            for message in messages:
                found.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self.outputs["DeadLetterQueueUrl"], ReceiptHandle=message["ReceiptHandle"])
        return found

    def role(self, role: str) -> str:
        """A deployed role by its name in the template."""
        pages = self.client("iam").get_paginator("list_roles").paginate()
        names = [str(each["RoleName"]) for page in pages for each in page["Roles"]]
        (name,) = (each for each in names if may.logical_name(each) == role)
        return name

    @contextlib.contextmanager
    def without(self, role: str, *actions: str) -> Iterator[None]:
        """A deployed role, by its name in the template, may not do these for a while."""
        iam, name = self.client("iam"), self.role(role)
        granted = {
            policy: iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        }
        for policy, document in granted.items():
            less = json.dumps(without_actions(document, actions))
            iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=less)
        try:
            yield
        finally:
            for policy, document in granted.items():
                iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))

    def failure(self, function: str, event: Any) -> str:
        """What a function fails with when it is called by hand, as `Type: message`; empty when it does not fail."""
        answer = self.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())
        told = json.loads(answer["Payload"].read())
        return f"{told['errorType']}: {told['errorMessage']}" if "FunctionError" in answer else ""

    def logs(self, group: str) -> list[str]:
        """Every line in a log group."""
        pages = self.client("logs").get_paginator("filter_log_events")
        return [event["message"] for page in pages.paginate(logGroupName=group) for event in page["events"]]

    def logs_with(self, group: str, *words: str) -> list[str]:
        """Every line in a log group, once one of them has all these words."""
        deadline, lines = time.monotonic() + PATIENCE_SECONDS, self.logs(group)
        while not any(all(word in line for word in words) for line in lines):
            assert time.monotonic() < deadline, f"no line with {words} within {PATIENCE_SECONDS} s"
            time.sleep(0.1)
            lines = self.logs(group)
        return lines


def without_actions(policy: Mapping[str, Any], actions: Collection[str]) -> dict[str, Any]:
    """A policy that allows all but these; a statement that would be left with none allows what everybody may do."""
    statements = []
    for statement in policy["Statement"]:
        listed = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        left = [each for each in listed if each not in actions] or ["sts:GetCallerIdentity"]
        statements.append({**statement, "Action": left})
    return {**policy, "Statement": statements}


def from_rule(queue_arn: str, rule_arn: str) -> dict[str, Any]:
    """The policy of a queue that takes what a rule sends it."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def plain(item: dict[str, Any]) -> dict[str, Any]:
    """A DynamoDB item as plain Python."""
    return {name: _value(value) for name, value in item.items()}


def _value(value: dict[str, Any]) -> Any:
    ((kind, inner),) = value.items()
    if kind == "NULL":
        return None
    if kind == "N":
        return float(inner)
    if kind == "L":
        return [_value(each) for each in inner]
    if kind == "M":
        return plain(inner)
    return inner


def all_files(folder: Path) -> Iterable[Path]:
    """The files of a folder, without its manifest."""
    return sorted(path for path in folder.iterdir() if path.is_file() and path.name != "MANIFEST.csv")


def assert_starts_alone(artefact: Path, name: str, settings: Mapping[str, str]) -> None:
    """The handler starts in an interpreter that has nothing but the artefact."""
    environment = {"PYTHONPATH": str(artefact), "AWS_DEFAULT_REGION": "us-east-1", **settings}
    program = f"import {name}.app as a, sys; assert a.__file__.startswith({str(artefact)!r}); print(a.lambda_handler)"

    run = subprocess.run(
        [sys.executable, "-S", "-B", "-c", program], env=environment, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stderr
