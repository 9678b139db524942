"""Why each patch is there: MiniStack as it is published, with the same settings, still shows each defect.

A test that fails here is good news: the patch named in its docstring can go.
"""

import json
import os
import signal
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.workflow.engine_bench import Bench, eventually, published, set_up, workers_of

# What a release of MiniStack changes is seen by whoever takes a new one in, which is when `make soak` runs.
pytestmark = pytest.mark.soak
Upstream = tuple[Bench, "subprocess.Popen[bytes]"]


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    """Published MiniStack with the small application."""
    with published(tmp_path_factory.mktemp("upstream")) as (bench, process):
        set_up(bench)
        yield bench, process


def test_uploads_do_not_name_their_version(upstream: Upstream) -> None:
    """name_versions_in_object_events"""
    bench, _ = upstream
    assert bench.client("s3").put_object(Bucket="bench", Key="uploads/a", Body=b"x")["VersionId"]

    row = eventually(lambda: bench.rows().get("uploads/a"))

    assert "version-id" not in json.loads(row["event"]["S"])["detail"]["object"]


def test_a_warm_call_waits_for_timers(upstream: Upstream) -> None:
    """answer_runtime_api_at_once, end_logs_at_the_mark"""
    bench, _ = upstream
    bench.invoke()

    seconds = []
    for _ in range(10):
        started = time.monotonic()
        bench.invoke()
        seconds.append(time.monotonic() - started)

    assert statistics.median(seconds) > 0.04


def test_every_concurrent_call_gets_a_process(upstream: Upstream) -> None:
    """queue_invocations"""
    bench, process = upstream

    threads = [threading.Thread(target=bench.invoke, kwargs={"sleep": 8}) for _ in range(12)]
    for thread in threads:
        thread.start()

    eventually(lambda: workers_of(process.pid) >= 8)
    for thread in threads:
        thread.join()


def test_an_alarm_over_several_metrics_is_refused(upstream: Upstream) -> None:
    """accept_metric_math_alarms"""
    bench, _ = upstream
    metric = {"Metric": {"Namespace": "N", "MetricName": "M"}, "Period": 60, "Stat": "Sum"}
    alarm = {
        "Metrics": [{"Id": "a", "ReturnData": False, "MetricStat": metric}, {"Id": "b", "Expression": "a / 2"}],
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    client = bench.client("cloudformation")

    client.create_stack(
        StackName="alarm",
        TemplateBody=json.dumps({"Resources": {"A": {"Type": "AWS::CloudWatch::Alarm", "Properties": alarm}}}),
    )

    def status() -> str:
        return str(client.describe_stacks(StackName="alarm")["Stacks"][0]["StackStatus"])

    assert eventually(lambda: "ROLLBACK" in status())


def test_an_alarm_hears_every_dimension(upstream: Upstream) -> None:
    """evaluate_alarms_by_dimension"""
    bench, _ = upstream
    client = bench.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName="one",
        Namespace="N",
        MetricName="M",
        Dimensions=[{"Name": "EndpointName", "Value": "one"}],
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
    )

    other = [{"Name": "EndpointName", "Value": "other"}]
    client.put_metric_data(Namespace="N", MetricData=[{"MetricName": "M", "Dimensions": other, "Value": 1}])

    assert client.describe_alarms(AlarmNames=["one"])["MetricAlarms"][0]["StateValue"] == "ALARM"


def test_a_policy_is_not_told_a_metric_s_namespace(upstream: Upstream) -> None:
    """tell_policies_the_namespace"""
    bench, _ = upstream
    iam = bench.client("iam")
    allow = {
        "Effect": "Allow",
        "Action": "cloudwatch:PutMetricData",
        "Resource": "*",
        "Condition": {"StringEquals": {"cloudwatch:namespace": "Ours"}},
    }
    iam.create_user(UserName="counter")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_user_policy(UserName="counter", PolicyName="count", PolicyDocument=policy)
    key = iam.create_access_key(UserName="counter")["AccessKey"]
    session = boto3.session.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")
    client = session.client("cloudwatch", endpoint_url=bench.url)

    with pytest.raises(ClientError, match="PutMetricData"):
        client.put_metric_data(Namespace="Ours", MetricData=[{"MetricName": "M", "Value": 1}])


def test_a_policy_stops_at_a_line_break(upstream: Upstream) -> None:
    """match_line_breaks_in_policies"""
    bench, _ = upstream
    bench.client("s3").put_object(Bucket="bench", Key="open/line\nbreak", Body=b"12345")

    answer = bench.invoke(bucket="bench", read="open/line\nbreak")

    assert "AccessDenied" in answer["errorMessage"]


@pytest.mark.parametrize("resource", ["sagemaker:createModel", "aws-sdk:sagemaker:describeModel"])
def test_a_task_cannot_reach_a_service_that_is_not_there(upstream: Upstream, resource: str) -> None:
    """reach_sagemaker"""
    bench, _ = upstream
    client, role = bench.client("stepfunctions"), bench.client("iam").list_roles()["Roles"][0]["Arn"]
    task = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Parameters": {"ModelName": "m"}, "End": True}
    definition = json.dumps({"StartAt": "Call", "States": {"Call": task}})
    name = resource.replace(":", "-")
    arn = client.create_state_machine(name=name, definition=definition, roleArn=role)["stateMachineArn"]

    execution = client.start_execution(stateMachineArn=arn)["executionArn"]

    def error() -> str:
        return str(client.describe_execution(executionArn=execution).get("error", ""))

    assert eventually(error) == "States.Runtime"


def test_a_refused_event_is_a_success(upstream: Upstream) -> None:
    """fail_when_an_event_is_refused, hold_tasks_to_their_role"""
    bench, _ = upstream
    entry = {"Source": "aws.mine", "DetailType": "No", "Detail": {}}
    role = bench.role("may-not-announce", [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}])

    ended = bench.run_task("refused", "arn:aws:states:::events:putEvents", {"Entries": [entry]}, role)

    assert ended["status"] == "SUCCEEDED"
    assert json.loads(ended["output"])["FailedEntryCount"] == 1


def test_a_queue_without_a_policy_takes_events(upstream: Upstream) -> None:
    """keep_what_is_not_delivered, ask_before_delivering"""
    bench, _ = upstream
    events, url = bench.client("events"), bench.client("sqs").create_queue(QueueName="open")["QueueUrl"]
    events.put_rule(Name="open", EventPattern='{"source": ["ours"]}')
    events.put_targets(Rule="open", Targets=[{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:000000000000:open"}])

    events.put_events(Entries=[{"Source": "ours", "DetailType": "Told", "Detail": "{}"}])

    assert len(bench.received(url)) == 1


def test_a_stopped_run_fails(upstream: Upstream) -> None:
    """end_once"""
    bench, _ = upstream

    assert bench.stop_before_it_fails() == "FAILED"


def test_runs_are_not_counted_and_metric_math_is_dropped(upstream: Upstream) -> None:
    """count_executions, count_what_happens, take_alarms_over_several_metrics"""
    bench, _ = upstream
    direct_calls = bench.counted("AWS/Lambda", "Invocations", FunctionName="bench")
    bench.run()
    metric = {"Metric": {"Namespace": "N", "MetricName": "M"}, "Period": 60, "Stat": "Sum"}
    client = bench.client("cloudwatch")

    client.put_metric_alarm(
        AlarmName="math",
        Metrics=[{"Id": "m", "MetricStat": metric, "ReturnData": False}, {"Id": "e", "Expression": "FILL(m, 0)"}],
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
    )

    assert "Metrics" not in client.describe_alarms(AlarmNames=["math"])["MetricAlarms"][0]
    assert bench.counted("AWS/States", "ExecutionsSucceeded", StateMachineArn=bench.machine) == 0
    assert bench.counted("AWS/Lambda", "Invocations", FunctionName="bench") == direct_calls


def test_a_throttled_task_is_unknown(upstream: Upstream) -> None:
    """name_throttling"""
    bench, _ = upstream
    function, role = bench.client("lambda"), "arn:aws:iam::000000000000:role/bench"
    function.put_function_concurrency(FunctionName="bench", ReservedConcurrentExecutions=0)
    try:
        ended = bench.run_task("throttled", "arn:aws:lambda:us-east-1:000000000000:function:bench", {}, role)
    finally:
        function.delete_function_concurrency(FunctionName="bench")

    assert ended["error"] == "Lambda.Unknown"


def test_kill_9_loses_rows_and_executions(tmp_path: Path) -> None:
    """write_items_through and its likes for messages, executions and events, restore_from, Saver"""
    with published(tmp_path) as (bench, process):
        set_up(bench)
        bench.run()
        bench.client("sqs").create_queue(QueueName="gone")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    with published(tmp_path) as (bench, _):
        assert bench.client("dynamodb").list_tables()["TableNames"] == []
        assert bench.client("stepfunctions").list_state_machines()["stateMachines"] == []
        assert bench.client("sqs").list_queues().get("QueueUrls", []) == []


def test_workers_outlive_a_stopped_engine(tmp_path: Path) -> None:
    """Why the engine ends its whole process group (local/processes.py), and a worker watches its parent."""
    with published(tmp_path) as (bench, process):
        set_up(bench)
        leader = process.pid
        bench.client("stepfunctions").start_execution(stateMachineArn=bench.machine, input='{"work": {"sleep": 15}}')
        eventually(lambda: workers_of(leader) == 1)
        # Stopped, so that it cannot look at its parent before it is counted.
        os.killpg(leader, signal.SIGSTOP)
        process.kill()
        process.wait()
        left = workers_of(leader)
        os.killpg(leader, signal.SIGCONT)

    assert left == 1
    eventually(lambda: workers_of(leader) == 0)


def test_a_distributed_map_knows_neither_batches_nor_a_writer(upstream: Upstream) -> None:
    """run_distributed_maps_in_batches"""
    bench, _ = upstream

    with pytest.raises((KeyError, TypeError, AssertionError)):
        assert bench.run_map("mapped/", tolerated=50)[0]["status"] == "SUCCEEDED"
