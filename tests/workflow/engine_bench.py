"""A small application put into an engine by plain AWS calls: a function, a workflow, a bucket and a table."""

import functools
import io
import json
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local import place, processes
from local.deploy import BOOTSTRAP, CUSTOM_RUNTIME
from local.engine import process as engine
from tests.unit.local.keys import KEY, give_key

CHECKOUT = Path(__file__).resolve().parents[2]
FUNCTION = "bench"
TRUST = {
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com", "events.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        }
    ]
}
ALLOWED = [
    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bench/open/*"},
    {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "arn:aws:lambda:*:*:function:bench"},
    {"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": "arn:aws:dynamodb:*:*:table/bench"},
    {"Effect": "Allow", "Action": "states:StartExecution", "Resource": "arn:aws:states:*:*:stateMachine:bench"},
]

CODE = '''
import os, sys, time
import boto3

class NotSureError(Exception):
    """A class of our own."""

def handler(event, context):
    if event.get("say"):
        print(event["say"])
    if event.get("sleep"):
        time.sleep(event["sleep"])
    if event.get("raise"):
        raise NotSureError("of course")
    if event.get("exit"):
        sys.stdout.flush(); os._exit(3)
    if event.get("read"):
        body = boto3.client("s3").get_object(Bucket=event["bucket"], Key=event["read"])["Body"].read()
        return {"length": len(body)}
    if event.get("describe"):
        boto3.client("sagemaker").describe_endpoint(EndpointName=event["describe"])
    if event.get("ask"):
        boto3.client("sagemaker-runtime").invoke_endpoint(EndpointName=event["ask"], Body=b"\\xff")
    return {
        "pid": os.getpid(),
        "path": sys.path,
        "modules": sorted({name.split(".")[0] for name in sys.modules}),
        "task_root": os.environ["LAMBDA_TASK_ROOT"],
        "endpoint": os.environ.get("AWS_ENDPOINT_URL"),
        "region": os.environ.get("AWS_REGION"),
        "name": context.function_name,
        "arn": context.invoked_function_arn,
        "request": context.aws_request_id,
        "memory": context.memory_limit_in_mb,
        "left": context.get_remaining_time_in_millis(),
        "environment": sorted(os.environ),
    }
'''

WORKFLOW = {
    "QueryLanguage": "JSONata",
    "StartAt": "Work",
    "States": {
        "Work": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {"FunctionName": FUNCTION, "Payload": "{% $states.input.work ? $states.input.work : {} %}"},
            "TimeoutSeconds": 4,
            "Assign": {"outcome": "DONE", "error": None, "input": "{% $states.input %}"},
            "Catch": [
                {
                    "ErrorEquals": ["NotSureError"],
                    "Assign": {
                        "outcome": "UNSURE",
                        "error": "{% $states.errorOutput.Error %}",
                        "input": "{% $states.input %}",
                    },
                    "Next": "Record",
                },
                {
                    "ErrorEquals": ["States.ALL"],
                    "Assign": {
                        "outcome": "FAILED",
                        "error": "{% $states.errorOutput.Error %}",
                        "input": "{% $states.input %}",
                    },
                    "Next": "Record",
                },
            ],
            "Next": "Record",
        },
        "Record": {
            "Type": "Task",
            "Resource": "arn:aws:states:::dynamodb:putItem",
            "Arguments": {
                "TableName": "bench",
                "ConditionExpression": "attribute_not_exists(id)",
                "Item": {
                    "id": {"S": "{% [$input.detail.object.key, $states.context.Execution.Name][0] %}"},
                    "outcome": {"S": "{% $outcome %}"},
                    "error": "{% $error ? {'S': $error} : {'NULL': true} %}",
                    "event": {"S": "{% $string($input) %}"},
                },
            },
            "Catch": [
                {
                    "ErrorEquals": ["DynamoDB.ConditionalCheckFailedException"],
                    "Assign": {"again": True},
                    "Next": "Again",
                }
            ],
            "End": True,
        },
        "Again": {"Type": "Pass", "Output": "again", "End": True},
    },
}


EACH_BATCH = {
    "Type": "Map",
    "ItemReader": {
        "Resource": "arn:aws:states:::s3:listObjectsV2",
        "Arguments": {"Bucket": "bench", "Prefix": "{% $states.input.prefix %}"},
        "ReaderConfig": {"MaxItems": "{% $states.input.limit %}"},
    },
    "ItemBatcher": {"MaxItemsPerBatch": 2},
    "MaxConcurrency": "{% $states.input.at_a_time %}",
    "ToleratedFailurePercentage": "{% $states.input.tolerated %}",
    "ItemProcessor": {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Is it whole",
        "States": {
            "Is it whole": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $count($states.input.Items) = 2 %}", "Next": "Count"}],
                "Default": "Too small",
            },
            "Count": {"Type": "Pass", "Output": {"batch": "{% $count($states.input.Items) %}"}, "End": True},
            "Too small": {"Type": "Fail", "Error": "TooSmall"},
        },
    },
    "ResultWriter": {
        "Resource": "arn:aws:states:::s3:putObject",
        "WriterConfig": {"Transformation": "COMPACT", "OutputType": "JSONL"},
        "Arguments": {"Bucket": "bench", "Prefix": "results"},
    },
    "End": True,
}


@dataclass(frozen=True)
class Bench:
    """An engine that runs, and clients for it."""

    url: str
    directory: Path

    def client(self, service: str) -> Any:
        """A boto3 client of the engine."""
        return client_of(self.url, service)

    @property
    def pid(self) -> int:
        """The engine's process."""
        return int(processes.read_json(engine.server(self.directory).record)["pid"])

    @property
    def machine(self) -> str:
        """The workflow's ARN."""
        return "arn:aws:states:us-east-1:000000000000:stateMachine:bench"

    def role(self, name: str, allowed: Sequence[Mapping[str, Any]]) -> str:
        """A new role for functions, workflows and rules that may do this; returns its ARN."""
        iam = self.client("iam")
        arn = str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"])
        policy = json.dumps({"Version": "2012-10-17", "Statement": allowed})
        iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=policy)
        return arn

    def workflow(self, name: str, resource: str, arguments: Mapping[str, Any], role: str) -> str:
        """A new workflow of one task; returns its ARN."""
        task = {"Type": "Task", "Resource": resource, "Arguments": arguments, "End": True}
        definition = json.dumps({"QueryLanguage": "JSONata", "StartAt": "Call", "States": {"Call": task}})
        client = self.client("stepfunctions")
        return str(client.create_state_machine(name=name, definition=definition, roleArn=role)["stateMachineArn"])

    def run_task(self, name: str, resource: str, arguments: Mapping[str, Any], role: str) -> dict[str, Any]:
        """Run a new workflow of one task to its end; the description of the execution."""
        machine = self.workflow(name, resource, arguments, role)
        return self.ended(self.client("stepfunctions").start_execution(stateMachineArn=machine)["executionArn"])

    def stop_before_it_fails(self) -> str:
        """Stop a run whose task will raise a second later; what it says of itself after that."""
        states, function = self.client("stepfunctions"), f"arn:aws:lambda:us-east-1:000000000000:function:{FUNCTION}"
        role = "arn:aws:iam::000000000000:role/bench"
        machine = self.workflow("stopped", function, {"sleep": 1.5, "raise": True}, role)
        arn = states.start_execution(stateMachineArn=machine)["executionArn"]
        time.sleep(0.5)
        states.stop_execution(executionArn=arn)
        time.sleep(3)
        return str(states.describe_execution(executionArn=arn)["status"])

    def map_of_batches(self) -> str:
        """A workflow over what lies under mapped/, in batches of two, one of which fails; its ARN, made once."""
        states, s3, name = self.client("stepfunctions"), self.client("s3"), "mapping"
        machine = f"arn:aws:states:us-east-1:000000000000:stateMachine:{name}"
        if any(each["stateMachineArn"] == machine for each in states.list_state_machines()["stateMachines"]):
            return machine
        for number in range(5):
            s3.put_object(Bucket="bench", Key=f"mapped/{number}", Body=b"x")
        listing = {
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": "arn:aws:s3:::bench",
            "Condition": {"StringLike": {"s3:prefix": "mapped/*"}},
        }
        writing = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::bench/results/*"}
        starting = {"Effect": "Allow", "Action": "states:StartExecution", "Resource": machine}
        role = self.role(name, [listing, writing, starting])
        definition = {"QueryLanguage": "JSONata", "StartAt": "Each batch", "States": {"Each batch": EACH_BATCH}}
        made = states.create_state_machine(name=name, definition=json.dumps(definition), roleArn=role)
        return str(made["stateMachineArn"])

    def run_map(self, prefix: str, tolerated: int) -> tuple[dict[str, Any], dict[str, int], list[Any]]:
        """Run it to its end: the execution, how many items ended how, and what was written of those that went well."""
        states, s3 = self.client("stepfunctions"), self.client("s3")
        given = {"prefix": prefix, "limit": 5, "at_a_time": 1, "tolerated": tolerated}
        arn = states.start_execution(stateMachineArn=self.map_of_batches(), input=json.dumps(given))["executionArn"]
        ended = self.ended(arn)
        runs = states.list_map_runs(executionArn=arn)["mapRuns"]
        counts = states.describe_map_run(mapRunArn=runs[0]["mapRunArn"])["itemCounts"] if runs else {}
        if ended["status"] != "SUCCEEDED":
            return ended, counts, []
        key = json.loads(ended["output"])["ResultWriterDetails"]["Key"]
        (file,) = json.load(s3.get_object(Bucket="bench", Key=key)["Body"])["ResultFiles"]["SUCCEEDED"]
        lines = s3.get_object(Bucket="bench", Key=file["Key"])["Body"].read().splitlines()
        return ended, counts, [json.loads(line) for line in lines]

    def invoke(self, **event: Any) -> dict[str, Any]:
        """Call the function; its answer, or the error it reported."""
        answer = self.client("lambda").invoke(FunctionName=FUNCTION, Payload=json.dumps(event))
        found: dict[str, Any] = json.loads(answer["Payload"].read())
        return found

    def run(self, **work: Any) -> dict[str, Any]:
        """Run the workflow to its end; the description of the execution."""
        arn = self.client("stepfunctions").start_execution(
            stateMachineArn=self.machine, input=json.dumps({"work": work})
        )["executionArn"]
        return self.ended(arn)

    def ended(self, arn: str) -> dict[str, Any]:
        """The execution's description once it has ended."""
        describe = self.client("stepfunctions").describe_execution
        description: dict[str, Any] = eventually(
            lambda: (found := describe(executionArn=arn))["status"] != "RUNNING" and found
        )
        return description

    def received(self, queue_url: str) -> list[str]:
        """Every message that a queue shows now; it is empty then."""
        sqs, bodies = self.client("sqs"), []
        while messages := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
                bodies.append(str(message["Body"]))
        return bodies

    def counted(self, namespace: str, metric: str, **dimensions: str) -> float:
        """The sum of a metric over the last hour."""
        now = datetime.now(UTC)
        points = self.client("cloudwatch").get_metric_statistics(
            Namespace=namespace,
            MetricName=metric,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(minutes=1),
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(point["Sum"] for point in points))

    def rows(self) -> dict[str, dict[str, Any]]:
        """The table's items by id."""
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName="bench")
        return {item["id"]["S"]: item for page in pages for item in page["Items"]}


def eventually(look: Callable[[], Any], patience_seconds: float = 30.0) -> Any:
    """What `look` returns once it is true."""
    deadline = time.monotonic() + patience_seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found


@functools.cache
def client_of(url: str, service: str) -> Any:
    """A boto3 client, made once: that takes longer than most of what the tests do with it."""
    make: Any = boto3.client
    return make(
        service,
        endpoint_url=url,
        region_name=place.REGION,
        aws_access_key_id=KEY.access_key_id,
        aws_secret_access_key=KEY.secret_access_key,
        config=Config(max_pool_connections=64, retries={"total_max_attempts": 1}),
    )


def set_up(bench: Bench) -> None:
    """Create the function, the workflow, the bucket, the rule and the table."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("app.py", CODE)
        archive.write(BOOTSTRAP, "bootstrap")
    role = bench.role("bench", ALLOWED)
    bench.client("lambda").create_function(
        FunctionName=FUNCTION,
        Runtime=CUSTOM_RUNTIME,
        Handler="app.handler",
        Role=role,
        Code={"ZipFile": stream.getvalue()},
        Timeout=20,
        MemorySize=256,
    )
    bench.client("stepfunctions").create_state_machine(
        name="bench", definition=json.dumps(WORKFLOW), roleArn="arn:aws:iam::000000000000:role/bench"
    )
    bench.client("dynamodb").create_table(
        TableName="bench",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    s3, events = bench.client("s3"), bench.client("events")
    s3.create_bucket(Bucket="bench")
    s3.put_bucket_versioning(Bucket="bench", VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(Bucket="bench", NotificationConfiguration={"EventBridgeConfiguration": {}})
    pattern = {"source": ["aws.s3"], "detail": {"object": {"key": [{"prefix": "uploads/"}]}}}
    events.put_rule(Name="bench", EventPattern=json.dumps(pattern))
    events.put_targets(
        Rule="bench",
        Targets=[{"Id": "1", "Arn": bench.machine, "RoleArn": "arn:aws:iam::000000000000:role/bench"}],
    )


@contextmanager
def ours(directory: Path) -> Iterator[Bench]:
    """Our engine, stopped in the end."""
    give_key(directory)
    bench = Bench(engine.server(directory).launch().ready(), directory)
    try:
        yield bench
    finally:
        engine.server(directory).stop()


@contextmanager
def published(directory: Path) -> Iterator[tuple[Bench, "subprocess.Popen[bytes]"]]:
    """MiniStack as it is published, with the same settings and without any patch."""
    give_key(directory)
    server = engine.server(directory)
    port = processes.remembered_port(server)
    settings = server.environment(port)
    Path(settings["TMPDIR"]).mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "ministack"], env=settings, start_new_session=True, stderr=subprocess.DEVNULL
    )
    try:
        processes.await_answer(server, process, f"http://127.0.0.1:{port}/_ministack/health", 60)
        yield Bench(f"http://127.0.0.1:{port}", directory), process
    finally:
        process.terminate()
        process.wait(20)


def listed(command: str, *options: str) -> list[str]:
    """The lines of a program that knows the machine's processes; tests that need it skip where it is not installed."""
    if shutil.which(command) is None:
        pytest.skip(f"{command} is not installed")
    return subprocess.run([command, *options], capture_output=True, text=True, check=True).stdout.splitlines()


def group_of(leader: int) -> list[str]:
    """The command lines of a process group, its leader left out."""
    rows = [line.split(None, 3) for line in listed("ps", "-wwAo", "pid=,pgid=,stat=,args=")]
    return [row[3] for row in rows if int(row[1]) == leader != int(row[0]) and not row[2].startswith("Z")]


def workers_of(leader: int) -> int:
    """How many Lambda worker processes an engine has."""
    return sum(str(engine.WORKER) in command for command in group_of(leader))
