"""The whole application under kills, outages, overwrites and repeated deliveries: what was promised, counted.

    VEHICLEVISION_UPLOADS=10000 pytest -m soak -s tests/workflow/test_nothing_lost.py

Every upload that S3 acknowledged is joined with its record, its announcements as a subscriber's queue holds them, and
the letters. The table at the end is the result.
"""

import json
import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

from local import processes, stack
from local.engine import process as engine
from local.sagemaker import servers as sagemaker
from tests.workflow.driver import Application, plain
from tests.workflow.engine_bench import eventually
from tests.workflow.test_local_soak import Uploads, kill_engine

pytestmark = [pytest.mark.soak, pytest.mark.timeout(7200)]

UPLOADS = int(os.environ.get("VEHICLEVISION_UPLOADS") or 1000)
# Each round uploads the same names again, so that all but the first overwrite.
ROUNDS = 4
REPEATED = 10
SETTLED_SECONDS = 600.0

Version = tuple[str, str]


@dataclass(frozen=True)
class Account:
    """What became of all uploads."""

    acknowledged: set[Version]
    records: Mapping[Version, Mapping[str, Any]]
    announcements: Sequence[Mapping[str, Any]]
    letters: Sequence[Mapping[str, Any]]
    newest: Mapping[str, str]

    def ids(self) -> Mapping[Version, set[str]]:
        """Under which ids each version was announced."""
        found: dict[Version, set[str]] = defaultdict(set)
        for detail in self.announcements:
            found[_version(detail)].add(detail["announcement_id"])
        return found

    def lost(self) -> set[Version]:
        """Acknowledged, and neither recorded, nor, where classified, announced."""
        ids = self.ids()
        return {
            version
            for version in self.acknowledged
            if version not in self.records or (self.records[version]["outcome"] == "CLASSIFIED" and version not in ids)
        }

    def doubled(self) -> set[Version]:
        """Announced under more than one id, which no consumer could tell from two photos."""
        return {version for version, ids in self.ids().items() if len(ids) > 1}

    def stale(self) -> set[str]:
        """Names whose newest version a consumer lost to an older one, though it keeps the highest sequencer."""
        kept: dict[str, tuple[str, str]] = {}
        for detail in self.announcements:
            name, version = _version(detail)
            kept[name] = max(kept.get(name, ("", "")), (detail["sequencer"] or "", version))
        return {name for name, (_, version) in kept.items() if name in self.newest and self.newest[name] != version}

    def unnoticed(self) -> set[Version]:
        """FAILED, and no letter says so."""
        told = json.dumps(self.letters)
        failed = {version for version, record in self.records.items() if record["outcome"] == "FAILED"}
        return {version for version in failed if version[1] not in told}

    def table(self, faults: Mapping[str, int]) -> str:
        """The result in lines."""
        counted = {
            "uploads acknowledged": len(self.acknowledged),
            **faults,
            "announcements": len(self.announcements),
            "  of them repeated under the same id": len(self.announcements) - sum(map(len, self.ids().values())),
            "letters": len(self.letters),
            "lost": len(self.lost()),
            "doubled ids": len(self.doubled()),
            "stale": len(self.stale()),
            "unnoticed": len(self.unnoticed()),
        }
        return "\n".join(f"{name:<40}{number:>8}" for name, number in counted.items())


def _version(detail: Mapping[str, Any]) -> Version:
    return f"{detail['s3_bucket']}/{detail['s3_key']}", detail["version_id"]


def records_of(application: Application) -> dict[Version, dict[str, Any]]:
    """All records, once the engine answers."""
    pages = application.client("dynamodb").get_paginator("scan")
    items = [
        plain(each)
        for page in pages.paginate(TableName=application.outputs["ResultsTableName"])
        for each in page["Items"]
    ]
    return {(item["object"], item["version_id"]): item for item in items}


def settled(application: Application, acknowledged: set[Version]) -> bool:
    """Whether each version is recorded, and each classified one noted as announced; at rest, this cannot change."""
    time.sleep(UPLOADS / 2_000)  # to read all records takes the engine a part of that
    records = records_of(application)
    return acknowledged <= records.keys() and all(
        record["outcome"] != "CLASSIFIED" or record["announced_at"] for record in records.values()
    )


def more_than(uploads: Uploads, number: int) -> bool:
    """Whether so many were acknowledged by now."""
    return len(uploads.acknowledged) > number


def deliver_again(application: Application, times: int) -> int:
    """Start the workflow with events that it was started with already, as EventBridge may; how many took."""
    states, machine = application.client("stepfunctions"), application.outputs["StateMachineArn"]
    again = 0
    for execution in states.list_executions(stateMachineArn=machine, maxResults=times)["executions"]:
        given = states.describe_execution(executionArn=execution["executionArn"])["input"]
        again += bool(states.start_execution(stateMachineArn=machine, input=given))
    return again


def kill_endpoint(application: Application) -> None:
    """End the endpoint's server, and start it some seconds later."""
    server = sagemaker.runtime(application.aws.state_dir)
    record = processes.running(server)
    assert record is not None
    os.kill(record["pid"], signal.SIGKILL)
    eventually(lambda: not processes.is_alive(server))
    time.sleep(5)
    sagemaker.runtime(application.aws.state_dir).launch().ready()


def newest_versions(application: Application, acknowledged: Iterable[Version]) -> dict[str, str]:
    """The newest version of each name, as far as its upload was acknowledged."""
    pages = application.client("s3").get_paginator("list_object_versions").paginate(Bucket=application.bucket)
    latest = {
        f"{application.bucket}/{each['Key']}": each["VersionId"]
        for page in pages
        for each in page.get("Versions", ())
        if each["IsLatest"]
    }
    return {name: version for name, version in latest.items() if (name, version) in set(acknowledged)}


def test_nothing_is_lost_doubled_stale_or_unnoticed(tmp_path: Path, root: Path) -> None:
    """Kills of the engine, outages of the endpoint, overwrites and repeated deliveries: 0, 0, 0 and 0."""
    aws = stack.start(tmp_path, application=root)
    application = Application(aws, dict(aws.outputs()))
    application.subscribe()
    time.sleep(3)
    acknowledged: set[Version] = set()
    faults = {"kills of the engine": 0, "outages of the endpoint": 0, "repeated deliveries": 0}
    started = time.monotonic()

    try:
        for number in range(ROUNDS):
            uploads = Uploads(application, "again", UPLOADS // ROUNDS).start()
            eventually(partial(more_than, uploads, UPLOADS // ROUNDS // 3), SETTLED_SECONDS)
            if number % 2:
                kill_endpoint(application)
                faults["outages of the endpoint"] += 1
            kill_engine(tmp_path)
            faults["kills of the engine"] += 1
            assert engine.server(tmp_path).launch().ready() == aws.engine_url
            faults["repeated deliveries"] += deliver_again(application, REPEATED)
            uploads.join()
            acknowledged |= uploads.acknowledged
        eventually(lambda: settled(application, acknowledged), SETTLED_SECONDS * max(1, UPLOADS // 500))
        kill_engine(tmp_path)
        assert engine.server(tmp_path).launch().ready() == aws.engine_url
        time.sleep(5)
        application.announced("nothing of this name", at_least=0, settle_seconds=3)
        heard = [event["detail"] for event in application.heard if event["detail-type"] == "VehicleClassified"]
        newest = newest_versions(application, acknowledged)
        account = Account(acknowledged, records_of(application), heard, application.dead_letters(), newest)
        seconds = time.monotonic() - started
    except botocore.exceptions.BotoCoreError as error:
        raise AssertionError("The local AWS did not come back") from error
    finally:
        stack.stop(tmp_path)
    print(f"\n{account.table(faults)}\n{'seconds':<40}{seconds:>8.0f}")

    assert len(acknowledged) > UPLOADS / 2
    assert (account.lost(), account.doubled(), account.stale(), account.unnoticed()) == (set(), set(), set(), set())
