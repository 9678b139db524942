"""The announced events: a queue of our own on the application's event bus for as long as it is needed."""

import contextlib
import json
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cli.target import Target
from vehiclevision.record import EVENT_SOURCE, VEHICLE_CLASSIFIED

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sqs import SQSClient

PATTERN: Final = {"source": [EVENT_SOURCE], "detail-type": [VEHICLE_CLASSIFIED]}
_TARGET_ID: Final = "listener"


@dataclass(frozen=True)
class Listener:
    """A queue that gets every VehicleClassified event."""

    sqs: "SQSClient"
    queue_url: str

    def receive(self, version_ids: Collection[str], timeout_seconds: float) -> list[dict[str, Any]]:
        """The events of these image versions, as far as they come in time; each once, though it may arrive twice."""
        details: dict[str, dict[str, Any]] = {}
        deadline = time.monotonic() + timeout_seconds
        while len(details) < len(version_ids) and (left := deadline - time.monotonic()) > 0:
            answer = self.sqs.receive_message(
                QueueUrl=self.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=min(2, max(1, int(left)))
            )
            messages = answer.get("Messages", [])
            for message in messages:
                detail = json.loads(message["Body"])["detail"]
                if detail["version_id"] in version_ids:
                    details[detail["version_id"]] = detail
            self._forget([message["ReceiptHandle"] for message in messages])
        return list(details.values())

    def _forget(self, handles: Sequence[str]) -> None:
        if handles:
            entries = [{"Id": str(index), "ReceiptHandle": handle} for index, handle in enumerate(handles)]
            self.sqs.delete_message_batch(QueueUrl=self.queue_url, Entries=entries)  # type: ignore[arg-type]


@contextlib.contextmanager
def listen(target: Target) -> Iterator[Listener]:
    """Hear the events announced meanwhile; the queue and the rule go again however this ends."""
    sqs: SQSClient = target.client("sqs")
    events: EventBridgeClient = target.client("events")
    name, bus = f"{target.stack}-listener-{uuid.uuid4().hex[:8]}", target.output("EventBusName")
    queue_url = sqs.create_queue(QueueName=name, Attributes={"MessageRetentionPeriod": "3600"})["QueueUrl"]
    try:
        attributes = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]
        queue_arn = attributes["QueueArn"]
        rule_arn = events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(PATTERN))["RuleArn"]
        try:
            policy = json.dumps(_policy(queue_arn, rule_arn))
            sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": policy})
            events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": _TARGET_ID, "Arn": queue_arn}])
            yield Listener(sqs, queue_url)
        finally:
            events.remove_targets(Rule=name, EventBusName=bus, Ids=[_TARGET_ID])
            events.delete_rule(Name=name, EventBusName=bus)
    finally:
        sqs.delete_queue(QueueUrl=queue_url)


def _policy(queue_arn: str, rule_arn: str) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue_arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}},
            }
        ],
    }
