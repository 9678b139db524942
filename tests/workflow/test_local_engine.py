"""The engine runs functions as AWS runs them, bears a burst, and loses nothing when it is killed."""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

from local import processes
from local.engine import process as engine
from tests.workflow.driver import from_rule
from tests.workflow.engine_bench import (
    CHECKOUT,
    FUNCTION,
    Bench,
    eventually,
    group_of,
    listed,
    ours,
    set_up,
    workers_of,
)

ODD_KEYS = [
    "uploads/plus+percent%41 space",
    "uploads/../above",
    "uploads/./here//twice",
    "uploads/emoji-😀-\"quotes\"-'single'-<tag>&amp;\\",
    "uploads/" + "k" * 1016,
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One engine with the small application, for all tests that leave it standing."""
    with ours(tmp_path_factory.mktemp("engine")) as found:
        set_up(found)
        yield found


@pytest.fixture
def own_bench(tmp_path: Path) -> Iterator[Bench]:
    """An engine of the test's own, to be killed."""
    with ours(tmp_path) as found:
        set_up(found)
        yield found


def start_elsewhere(directory: Path, *, then: str) -> "subprocess.Popen[bytes]":
    """Another process that starts the engine and then does something."""
    code = (
        "import sys, time, pathlib; from local import processes; from local.engine import process as engine\n"
        "d = pathlib.Path(sys.argv[1])\n"
        f"print(engine.server(d).launch().ready(), flush=True)\n{then}"
    )
    return subprocess.Popen([sys.executable, "-c", code, str(directory)], cwd=CHECKOUT, stdout=subprocess.PIPE)


# ---- functions -----------------------------------------------------------------------------------


def test_the_context_is_lambdas(bench: Bench) -> None:
    """Name, ARN, memory, remaining time and a fresh request id reach the handler."""
    one, two = bench.invoke(), bench.invoke()

    assert one["name"] == FUNCTION
    assert one["arn"] == "arn:aws:lambda:us-east-1:000000000000:function:bench"
    assert one["memory"] == "256"
    assert 15_000 < one["left"] <= 20_000
    assert one["request"] != two["request"]
    assert one["pid"] == two["pid"]


def test_a_function_sees_its_artefact_and_the_runtime_only(bench: Bench) -> None:
    """Its code comes from the engine's copy; neither this checkout nor the person's settings reach it."""
    found = bench.invoke()

    assert found["path"][1] == found["task_root"]
    assert str(CHECKOUT) not in found["path"]
    assert found["endpoint"] == bench.url
    assert found["region"] == "us-east-1"
    assert not {"POWERTOOLS_SERVICE_NAME", "AWS_PROFILE", "CONFIDENCE_THRESHOLD"} & set(found["environment"])


def test_a_warm_call_takes_milliseconds(bench: Bench) -> None:
    """Nothing waits for a timer: the median of thirty warm calls stays far under the 100 ms of the original."""
    bench.invoke()

    seconds = []
    for _ in range(30):
        started = time.monotonic()
        bench.invoke()
        seconds.append(time.monotonic() - started)

    assert statistics.median(seconds) < 0.04


def test_an_error_is_caught_by_its_class_name(bench: Bench) -> None:
    """What the handler raises is what Catch matches, and Catch may assign."""
    arn = bench.run(**{"raise": True})["executionArn"]

    row = bench.rows()[arn.rsplit(":", 1)[1]]
    assert (row["outcome"], row["error"]) == ({"S": "UNSURE"}, {"S": "NotSureError"})


def test_a_handler_that_ends_its_process_fails_alone(bench: Bench) -> None:
    """The execution fails by AWS's name, what was said is logged, and the next call works."""
    failed = bench.invoke(say="famous last words", exit=True)

    assert failed["errorType"] == "Runtime.ExitError"
    assert bench.invoke()["name"] == FUNCTION


def test_a_state_times_out(bench: Bench) -> None:
    """TimeoutSeconds holds while a function runs."""
    arn = bench.run(sleep=6)["executionArn"]

    assert bench.rows()[arn.rsplit(":", 1)[1]]["error"] == {"S": "States.Timeout"}


def test_each_log_line_stands_with_its_own_invocation(bench: Bench) -> None:
    """Forty invocations at once: forty streams, each with its own line between START and END."""
    said = [f"line of {number}" for number in range(40)]

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda line: bench.invoke(say=line), said))

    logs = bench.client("logs")
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{FUNCTION}")
    streams: dict[str, list[str]] = {}
    for page in pages:
        for event in page["events"]:
            streams.setdefault(event["logStreamName"], []).append(event["message"])
    told = [lines[1] for lines in streams.values() if len(lines) == 4 and lines[1].startswith("line of ")]
    assert sorted(told) == sorted(said)
    assert not any("\x1e" in line for lines in streams.values() for line in lines)


def test_a_role_holds(bench: Bench) -> None:
    """The function reads where its role allows, and is denied elsewhere."""
    s3 = bench.client("s3")
    s3.put_object(Bucket="bench", Key="open/a", Body=b"12345")
    s3.put_object(Bucket="bench", Key="closed/a", Body=b"12345")

    allowed = bench.invoke(bucket="bench", read="open/a")
    denied = bench.invoke(bucket="bench", read="closed/a")

    assert allowed == {"length": 5}
    assert "AccessDenied" in denied["errorMessage"]


@pytest.mark.parametrize(("way", "action"), [("describe", "DescribeEndpoint"), ("ask", "InvokeEndpoint")])
def test_a_role_holds_before_sagemaker_too(bench: Bench, way: str, action: str) -> None:
    """The engine has no SageMaker and passes its requests on: what a function may not ask, it refuses itself."""
    denied = bench.invoke(**{way: "vehiclevision"})

    assert "AccessDeniedException" in denied["errorMessage"]
    assert f"is not authorized to perform: sagemaker:{action} on resource: arn:aws:" in denied["errorMessage"]


def test_without_sagemaker_its_clients_are_told_so(bench: Bench) -> None:
    """An error that is tried again, in the form of each of its APIs."""
    calls: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("sagemaker", "list_endpoints", {}),
        ("sagemaker-runtime", "invoke_endpoint", {"EndpointName": "x", "Body": b"x"}),
        ("application-autoscaling", "describe_scaling_policies", {"ServiceNamespace": "sagemaker"}),
    )
    for service, operation, request in calls:
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            getattr(bench.client(service), operation)(**request)

        error = refused.value.response
        assert error["ResponseMetadata"]["HTTPStatusCode"] == 503
        assert error["Error"]["Code"] == "ServiceUnavailable"
        assert "The local SageMaker does not run" in error["Error"]["Message"]


def test_a_role_reaches_a_key_with_a_line_break(bench: Bench) -> None:
    """A star in a policy stands for every character of a key."""
    bench.client("s3").put_object(Bucket="bench", Key="open/line\nbreak", Body=b"12345")

    assert bench.invoke(bucket="bench", read="open/line\nbreak") == {"length": 5}


def test_a_burst_waits_its_turn(bench: Bench) -> None:
    """Forty executions at once end well with a handful of workers, each within its state's time-out."""
    client = bench.client("stepfunctions")
    work = json.dumps({"work": {"sleep": 0.3}})

    with ThreadPoolExecutor(20) as pool:
        arns = list(
            pool.map(
                lambda _: client.start_execution(stateMachineArn=bench.machine, input=work)["executionArn"], range(40)
            )
        )
    most = 0
    for arn in arns:
        bench.ended(arn)
        most = max(most, workers_of(bench.pid))

    rows = bench.rows()
    assert {rows[arn.rsplit(":", 1)[1]]["outcome"]["S"] for arn in arns} == {"DONE"}
    assert 1 <= most <= engine.workers_per_function()


# ---- tasks ---------------------------------------------------------------------------------------

REFUSED_EVENT = {"Entries": [{"Source": "aws.mine", "DetailType": "No", "Detail": {"of": "ours"}}]}
PUT_EVENTS = "arn:aws:states:::events:putEvents"


def test_a_refused_event_fails_its_task(bench: Bench) -> None:
    """The bus answers 200 and FailedEntryCount 1; the task fails by the name that AWS gives it."""
    role = bench.role("refused", [{"Effect": "Allow", "Action": "events:PutEvents", "Resource": "*"}])

    ended = bench.run_task("refused", PUT_EVENTS, REFUSED_EVENT, role)

    assert (ended["status"], ended["error"]) == ("FAILED", "EventBridge.FailedEntry")
    assert json.loads(ended["cause"])["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"


DENIED: dict[str, tuple[str, dict[str, Any], str]] = {
    "lambda:InvokeFunction": ("arn:aws:lambda:us-east-1:000000000000:function:bench", {}, "Lambda.AWSLambdaException"),
    "dynamodb:PutItem": (
        "arn:aws:states:::dynamodb:putItem",
        {"TableName": "bench", "Item": {"id": {"S": "denied"}}},
        "DynamoDB.AmazonDynamoDBException",
    ),
    "events:PutEvents": (PUT_EVENTS, REFUSED_EVENT, "EventBridge.AmazonEventBridgeException"),
    "s3:GetObject": (
        "arn:aws:states:::aws-sdk:s3:getObject",
        {"Bucket": "bench", "Key": "open/a"},
        "S3.S3Exception",
    ),
}


@pytest.mark.parametrize("action", DENIED)
def test_a_task_may_do_what_its_role_allows(bench: Bench, action: str) -> None:
    """With a role that allows other things, nothing is done, and the cause says what is missing."""
    resource, arguments, error = DENIED[action]
    name = "may-not-" + action.rpartition(":")[2]
    role = bench.role(name, [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}])

    ended = bench.run_task(name, resource, arguments, role)

    assert (ended["status"], ended["error"]) == ("FAILED", error)
    assert f"assumed-role/{name}/" in ended["cause"]
    assert f"no identity-based policy allows the {action} action" in ended["cause"]
    assert "denied" not in bench.rows()


# ---- events --------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ODD_KEYS, ids=["plus", "above", "slashes", "emoji", "longest"])
def test_an_upload_names_its_key_and_version(bench: Bench, key: str) -> None:
    """The event has the key as it is, not encoded, and the version that was stored."""
    version = bench.client("s3").put_object(Bucket="bench", Key=key, Body=b"x")["VersionId"]

    row = eventually(lambda: bench.rows().get(key))

    event = json.loads(row["event"]["S"])
    assert event["detail"]["object"]["key"] == key
    assert event["detail"]["object"]["version-id"] == version


def test_a_second_record_is_a_named_error(bench: Bench) -> None:
    """The conditional write's failure has the name it has in AWS, and Catch sends it on."""
    s3 = bench.client("s3")
    s3.put_object(Bucket="bench", Key="uploads/twice", Body=b"1")
    eventually(lambda: bench.rows().get("uploads/twice"))
    s3.put_object(Bucket="bench", Key="uploads/twice", Body=b"2")

    client = bench.client("stepfunctions")

    def outputs() -> list[str]:
        found = client.list_executions(stateMachineArn=bench.machine, statusFilter="SUCCEEDED")["executions"][:5]
        return [client.describe_execution(executionArn=each["executionArn"])["output"] for each in found]

    assert eventually(lambda: '"again"' in outputs())


def test_a_history_can_be_read_after_the_end(bench: Bench) -> None:
    """Finished histories leave the memory, not the engine, and are the same each time."""
    arn = bench.run()["executionArn"]
    for _ in range(60):
        bench.invoke()
    client = bench.client("stepfunctions")

    first = client.get_execution_history(executionArn=arn)["events"]
    last = client.get_execution_history(executionArn=arn, reverseOrder=True)["events"]

    assert first[0]["type"] == "ExecutionStarted"
    assert first[-1]["type"] == "ExecutionSucceeded"
    assert [event["id"] for event in last] == [event["id"] for event in first][::-1]


def listening_queue(bench: Bench, name: str, pattern: Mapping[str, Any]) -> str:
    """A new queue that hears the events of a pattern."""
    sqs, events = bench.client("sqs"), bench.client("events")
    url = str(sqs.create_queue(QueueName=name)["QueueUrl"])
    queue_arn = f"arn:aws:sqs:us-east-1:000000000000:{name}"
    rule = events.put_rule(Name=name, EventPattern=json.dumps(pattern))["RuleArn"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(from_rule(queue_arn, rule))})
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": queue_arn}])
    return url


@pytest.mark.parametrize("target", ["closed", "nowhere"])
def test_an_event_that_no_target_takes_becomes_a_letter(bench: Bench, target: str) -> None:
    """A queue that lets the rule not in, or that is not there: the event is a letter, and counted."""
    sqs, events, source = bench.client("sqs"), bench.client("events"), f"to-{target}"
    letters = listening_queue(bench, f"letters-{target}", {"source": [source]})
    if target == "closed":
        sqs.create_queue(QueueName="closed")
    told = {"Id": "1", "Arn": f"arn:aws:sqs:us-east-1:000000000000:{target}"}
    letter_arn = f"arn:aws:sqs:us-east-1:000000000000:letters-{target}"
    events.put_targets(Rule=f"letters-{target}", Targets=[{**told, "DeadLetterConfig": {"Arn": letter_arn}}])

    events.put_events(Entries=[{"Source": source, "DetailType": "Told", "Detail": '{"n": 1}'}])

    answer = sqs.receive_message(QueueUrl=letters, MessageAttributeNames=["All"], WaitTimeSeconds=5)
    (letter,) = answer["Messages"]
    assert json.loads(letter["Body"])["detail"] == {"n": 1}
    assert letter["MessageAttributes"]["TARGET_ARN"]["StringValue"] == told["Arn"]
    assert bench.counted("AWS/Events", "FailedInvocations", RuleName=f"letters-{target}") == 1
    assert bench.counted("AWS/Events", "InvocationsFailedToBeSentToDlq", RuleName=f"letters-{target}") == 0


# ---- metrics and alarms --------------------------------------------------------------------------


def test_an_alarm_rings_by_what_a_function_logs(bench: Bench) -> None:
    """Embedded metrics, reckoned with, above the threshold: ALARM, a message by the topic, an event on the bus."""
    cloudwatch, sqs, sns = (bench.client(service) for service in ("cloudwatch", "sqs", "sns"))
    changes = listening_queue(bench, "changes", {"source": ["aws.cloudwatch"]})
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    letters = sqs.create_queue(QueueName="rung")["QueueUrl"]
    queue_arn = "arn:aws:sqs:us-east-1:000000000000:rung"
    anyone = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": queue_arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [anyone]})
    sqs.set_queue_attributes(QueueUrl=letters, Attributes={"Policy": policy})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    metric = {"Namespace": "Ours", "MetricName": "Odd", "Dimensions": [{"Name": "service", "Value": "bench"}]}
    cloudwatch.put_metric_alarm(
        AlarmName="odd",
        Metrics=[
            {"Id": "most", "Expression": "IF(FILL(odd, 0) >= 3, FILL(odd, 0) / 3, 0)", "ReturnData": True},
            {"Id": "odd", "MetricStat": {"Metric": metric, "Period": 300, "Stat": "Sum"}, "ReturnData": False},
        ],
        EvaluationPeriods=1,
        Threshold=0.5,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
        AlarmActions=[topic],
    )
    directive = {"Namespace": "Ours", "Dimensions": [["service"]], "Metrics": [{"Name": "Odd"}]}
    line = json.dumps({"_aws": {"CloudWatchMetrics": [directive]}, "service": "bench", "Odd": 1})

    def now() -> str:
        return str(cloudwatch.describe_alarms(AlarmNames=["odd"])["MetricAlarms"][0]["StateValue"])

    eventually(lambda: now() == "OK")
    for _ in range(3):
        bench.invoke(say=line)
    eventually(lambda: now() == "ALARM")

    (letter,) = eventually(lambda: bench.received(letters))
    assert json.loads(json.loads(letter)["Message"])["NewStateValue"] == "ALARM"
    told = [json.loads(body)["detail"] for body in bench.received(changes)]
    states = [each["state"]["value"] for each in told if each["alarmName"] == "odd"]
    assert states == ["OK", "ALARM"]


def test_what_services_do_is_counted(bench: Bench) -> None:
    """A run that is stopped, and stays so, a call that is throttled, and a message that waits."""
    function = bench.client("lambda")

    stopped = bench.stop_before_it_fails()
    function.put_function_concurrency(FunctionName=FUNCTION, ReservedConcurrentExecutions=0)
    try:
        throttled = bench.run()
    finally:
        function.delete_function_concurrency(FunctionName=FUNCTION)
    url = bench.client("sqs").create_queue(QueueName="waiting")["QueueUrl"]
    bench.client("sqs").send_message(QueueUrl=url, MessageBody="one")

    assert stopped == "ABORTED"
    machine = bench.machine.replace("bench", "stopped")
    assert bench.counted("AWS/States", "ExecutionsAborted", StateMachineArn=machine) == 1
    assert bench.counted("AWS/States", "ExecutionsFailed", StateMachineArn=machine) == 0
    row = bench.rows()[throttled["executionArn"].rsplit(":", 1)[1]]
    assert row["error"] == {"S": "Lambda.TooManyRequestsException"}
    assert bench.counted("AWS/Lambda", "Throttles", FunctionName=FUNCTION) == 1
    eventually(lambda: bench.counted("AWS/SQS", "ApproximateNumberOfMessagesVisible", QueueName="waiting") >= 1)


# ---- life and death ------------------------------------------------------------------------------


def kill(bench: Bench) -> None:
    """End the engine without any chance to save, and start it again."""
    os.kill(bench.pid, signal.SIGKILL)
    server = engine.server(bench.directory)
    eventually(lambda: not processes.is_alive(server))
    engine.server(bench.directory).launch().ready()


def test_kill_9_loses_nothing(own_bench: Bench) -> None:
    """Every acknowledged upload has its row in the end, and its run is told of, though the engine dies meanwhile.

    Code that was unpacked is used as it is, which saves the first call its seconds; what no function has is deleted.
    """
    own_bench.run(say="before")
    unpacked = Path(own_bench.invoke()["task_root"])
    old = unpacked.with_name("0" * 64)
    old.mkdir()
    (unpacked / "witness").touch()
    ends = listening_queue(own_bench, "ends", {"source": ["aws.states"], "detail": {"status": ["SUCCEEDED"]}})
    s3 = own_bench.client("s3")
    log = f"/aws/lambda/{FUNCTION}"
    time.sleep(3)
    keys = [f"uploads/{number}" for number in range(60)]
    for key in keys:
        s3.put_object(Bucket="bench", Key=key, Body=b"x" * 100)
    recorded = own_bench.rows()

    kill(own_bench)

    assert recorded.keys() <= own_bench.rows().keys()
    eventually(lambda: set(keys) <= own_bench.rows().keys())
    assert own_bench.client("s3").get_object(Bucket="bench", Key=keys[-1])["Body"].read() == b"x" * 100
    lines = own_bench.client("logs").filter_log_events(logGroupName=log, filterPattern="before")["events"]
    assert [line["message"] for line in lines] == ["before"]
    assert own_bench.counted("AWS/States", "ExecutionsSucceeded", StateMachineArn=own_bench.machine) > 0
    told: set[str] = set()
    while not set(keys) <= told:
        told |= eventually(lambda: keys_told_of(own_bench, ends))
    assert own_bench.invoke()["task_root"] == str(unpacked)
    assert (unpacked / "witness").exists()
    eventually(lambda: [each for each in unpacked.parent.iterdir() if each.is_dir()] == [unpacked])


def keys_told_of(bench: Bench, queue_url: str) -> set[str]:
    """The uploads whose runs have ended by what a queue holds, which is empty then."""
    inputs = [json.loads(json.loads(body)["detail"]["input"]) for body in bench.received(queue_url)]
    return {given["detail"]["object"]["key"] for given in inputs if "detail" in given}


def test_kill_9_keeps_what_a_queue_holds(own_bench: Bench) -> None:
    """Sent or told by a rule, received or not: there it is again, and what was deleted is gone."""
    sqs, url = own_bench.client("sqs"), listening_queue(own_bench, "held", {"source": ["ours"]})
    time.sleep(3)  # a queue itself is saved some seconds after it was made
    events = [{"Source": "ours", "DetailType": "Told", "Detail": json.dumps({"number": each})} for each in range(10)]
    own_bench.client("events").put_events(Entries=events)
    for number in range(10):
        sqs.send_message(QueueUrl=url, MessageBody=f"sent {number}")
    batch = {"QueueUrl": url, "MaxNumberOfMessages": 5, "VisibilityTimeout": 600}
    deleted, kept = (sqs.receive_message(**batch)["Messages"] for _ in range(2))
    for message in deleted:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    kill(own_bench)
    visible = own_bench.received(url)
    for message in kept:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    seen = [message["Body"] for message in (*deleted, *kept)] + visible
    assert len(seen) == len(set(seen)) == 20
    assert {body for body in seen if body.startswith("sent")} == {f"sent {number}" for number in range(10)}
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_workers_die_with_the_engine(own_bench: Bench) -> None:
    """After `kill -9` of the engine not one process of its group is left, busy or idle."""
    own_bench.invoke()
    leader = own_bench.pid
    for _ in range(2):
        own_bench.client("stepfunctions").start_execution(
            stateMachineArn=own_bench.machine, input='{"work": {"sleep": 15}}'
        )
    eventually(lambda: workers_of(leader) == 2)

    os.kill(leader, signal.SIGKILL)

    eventually(lambda: group_of(leader) == [], patience_seconds=60)


@pytest.mark.soak
def test_a_stop_is_complete_and_a_start_finds_all_again(own_bench: Bench) -> None:
    """After a stop nothing runs; after a start, address, rows and function are as they were."""
    arn = own_bench.run()["executionArn"]
    leader = own_bench.pid

    engine.server(own_bench.directory).stop()
    left = group_of(leader)
    url = engine.server(own_bench.directory).launch().ready()

    assert left == []
    assert url == own_bench.url
    assert arn.rsplit(":", 1)[1] in own_bench.rows()
    assert own_bench.ended(arn)["status"] == "SUCCEEDED"
    assert own_bench.invoke()["name"] == FUNCTION


@pytest.mark.soak
def test_the_engine_ends_with_its_starter(tmp_path: Path) -> None:
    """A starter that is killed takes the engine along."""
    starter = start_elsewhere(tmp_path, then="time.sleep(60)")
    assert starter.stdout is not None
    starter.stdout.readline()
    server = engine.server(tmp_path)
    assert processes.is_alive(server)

    starter.kill()
    starter.wait()

    eventually(lambda: not processes.is_alive(server), patience_seconds=60)


def test_a_starter_killed_halfway_leaves_nothing(tmp_path: Path) -> None:
    """At whatever moment of the start the starter dies, the engine goes too."""
    server = engine.server(tmp_path)
    for seconds in (0.2, 0.5, 0.8, 1.1):
        starter = start_elsewhere(tmp_path, then="")
        time.sleep(seconds)
        starter.kill()
        starter.wait()

    eventually(lambda: not processes.is_alive(server), patience_seconds=60)


@pytest.mark.soak
def test_a_released_engine_outlives_its_starter(tmp_path: Path) -> None:
    """Who asks for it gets an engine that stays, and can stop it from elsewhere."""
    starter = start_elsewhere(tmp_path, then="processes.release(engine.server(d))")
    starter.wait(60)
    time.sleep(0.5)
    server = engine.server(tmp_path)

    alive = processes.is_alive(server)
    engine.server(tmp_path).stop()

    assert alive
    assert not processes.is_alive(server)


def test_nothing_is_served_beyond_this_machine(bench: Bench) -> None:
    """Every listening socket of the engine and its workers is on loopback."""
    sockets = listed("lsof", "-nP", "-a", "-g", str(bench.pid), "-iTCP", "-sTCP:LISTEN", "-Fn")
    listening = [line[1:] for line in sockets if line.startswith("n")]

    assert listening
    assert all(address.startswith("127.0.0.1:") for address in listening)


def test_invoking_an_unknown_function_is_awss_error(bench: Bench) -> None:
    """Client code can rely on the modelled exception."""
    client = bench.client("lambda")

    with pytest.raises(botocore.exceptions.ClientError) as caught:
        client.invoke(FunctionName="nobody", Payload="{}")

    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


# ---- Distributed Map -----------------------------------------------------------------------------


def test_a_distributed_map_reads_batches_and_writes(bench: Bench) -> None:
    """What its reader, batcher and writer say as expressions holds; one more failure than tolerated ends it."""
    ended, counts, results = bench.run_map("mapped/", tolerated=50)
    assert (ended["status"], results) == ("SUCCEEDED", [{"batch": 2}, {"batch": 2}])
    assert (counts["total"], counts["succeeded"], counts["failed"], counts["resultsWritten"]) == (5, 4, 1, 5)

    ended, counts, _ = bench.run_map("mapped/", tolerated=10)
    assert ended["error"] == "States.ExceedToleratedFailureThreshold"
    assert counts["failed"] == 1


def test_a_distributed_map_does_what_its_role_allows(bench: Bench) -> None:
    """Under another prefix than the role may list, nothing is read."""
    ended, _, _ = bench.run_map("elsewhere/", tolerated=50)
    assert ended["status"] == "FAILED"
    assert "s3:ListBucket" in ended["cause"]
