"""What the workflow writes, for tests of what reads it."""

import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

from cli.target import Target


def put_record(target: Target, key: str, version_id: str, outcome: str = "CLASSIFIED", **fields: Any) -> None:
    """Write a record as the workflow does; `fields` are DynamoDB's typed values."""
    bucket = target.output("BucketName")
    sure = outcome == "CLASSIFIED"
    item = {
        "object": {"S": f"{bucket}/{key}"},
        "version_id": {"S": version_id},
        "s3_bucket": {"S": bucket},
        "s3_key": {"S": key},
        "outcome": {"S": outcome},
        "label": {"S": "bicycle"} if sure else {"NULL": True},
        "confidence": {"N": "0.93"} if sure else {"NULL": True},
        "inferences": {"L": [{"N": "0.93"}, {"N": "0.02"}]} if sure else {"NULL": True},
        "route": {"S": "nearby"} if sure else {"NULL": True},
        "reason": {"NULL": True} if sure else {"S": "SOME_REASON"},
        "measurements": {"M": {"width": {"N": "640"}, "format": {"S": "JPEG"}, "sharpness": {"N": "0.1"}}},
        "recorded_at": {"S": "2026-11-21T10:00:00.000Z"},
        **fields,
    }
    target.client("dynamodb").put_item(TableName=target.output("ResultsTableName"), Item=item)


class Workflow:
    """Stands in for the workflow, which moto cannot run: records every uploaded version with the outcome it is told."""

    def __init__(self, target: Target, outcome_of: Callable[[str], str | None]) -> None:
        self._target, self._outcome_of = target, outcome_of
        self._ended = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Workflow":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        s3, bucket = self._target.client("s3"), self._target.output("BucketName")
        recorded = set()
        while not self._ended.is_set():
            for version in s3.list_object_versions(Bucket=bucket).get("Versions", []):
                identity = version["Key"], version["VersionId"]
                outcome = self._outcome_of(version["Key"])
                if identity not in recorded and outcome is not None:
                    recorded.add(identity)
                    put_record(self._target, *identity, outcome)
            time.sleep(0.02)
