"""Leanly deployed, where uploads start an Express workflow: the same outcomes, faults handed to the Standard one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lifecycle import lean
from local import deploy, stack
from local.sagemaker import servers as sagemaker
from tests.workflow import may
from tests.workflow.driver import Application, started
from tests.workflow.test_classify_vehicle import (
    JUNK,
    UNSURE,
    endpoint_outage,
    nonsense_served,
    sure,
    wait_for_letters,
)
from vehiclevision.record import Outcome

pytestmark = pytest.mark.soak
PHOTOS = {
    "bicycle.jpg": (sure("bicycle"), Outcome.CLASSIFIED),
    "motorcycle.jpg": (sure("motorcycle"), Outcome.CLASSIFIED),
    "unsure.jpg": (UNSURE, Outcome.NEEDS_REVIEW),
    "text.png": (JUNK, Outcome.REJECTED),
    "zero.jpg": (b"", Outcome.REJECTED),
}
SAID = ("outcome", "label", "confidence", "route", "inferences", "reason", "hint", "measurements", "model_version")


@pytest.fixture(scope="module")
def express(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Application]:
    """An application of its own, updated to the lean parameters, with someone listening on its event bus."""
    directory = tmp_path_factory.mktemp("express-aws")
    aws = started(directory, root)
    try:
        threshold = sagemaker.threshold(directory)
        parameters = lean.parameters(root) | {"ConfidenceThreshold": str(threshold)}
        # It is built for this machine.
        del parameters["Architecture"]
        application = deploy.VEHICLEVISION.at(root)
        outputs = deploy.deploy(application, directory, aws.environment(), lambda _: None, parameters)
        deployed = Application(aws, outputs)
        deployed.subscribe()
        yield deployed
        may.note(deployed.client)
    finally:
        stack.stop(directory)


def of_machine(record: dict[str, Any]) -> str:
    """The state machine whose run has written a record."""
    return str(record["execution"]).split(":")[6]


@pytest.mark.parametrize("name", PHOTOS)
def test_an_express_run_says_what_a_standard_one_says(express: Application, name: str) -> None:
    """Every photo gets the same answer in both; what is sure is announced once, by the Express run itself."""
    content, outcome = PHOTOS[name]
    key = f"by-hand/{name}"
    by_hand = {"s3_bucket": express.bucket, "s3_key": key, "version_id": express.upload(key, content)}

    record = express.outcome(f"uploads/{name}", content)
    express.finished(express.start(by_hand))
    patient = express.record(key, by_hand["version_id"])

    assert patient is not None
    assert of_machine(record) == f"{of_machine(patient)}-express"
    assert record["outcome"] == outcome
    assert {key: record[key] for key in SAID} == {key: patient[key] for key in SAID}
    assert len(express.announced(f"uploads/{name}", at_least=int(outcome == Outcome.CLASSIFIED))) == int(
        outcome == Outcome.CLASSIFIED
    )


def test_what_went_well_is_neither_counted_nor_logged(express: Application) -> None:
    """The functions count no metrics and write no line about a photo that met no fault; two alarms are left."""
    key = "uploads/quiet.jpg"
    assert express.outcome(key, sure("bicycle"))["outcome"] == Outcome.CLASSIFIED

    cloudwatch, logs = express.client("cloudwatch"), express.client("logs")
    groups = [name for output, name in express.outputs.items() if output.endswith("LogGroup")]
    lines = [
        event["message"] for group in groups for event in logs.filter_log_events(logGroupName=group).get("events", [])
    ]
    assert cloudwatch.list_metrics(Namespace="VehicleVision")["Metrics"] == []
    assert len(groups) == 3
    assert [line for line in lines if key in line] == []
    assert {alarm["AlarmName"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]} == {
        "vehiclevision-workflow-fault", "vehiclevision-workflow-stopped"
    }  # fmt: skip


def test_a_lasting_fault_is_handed_over_and_leaves_its_letter(express: Application) -> None:
    """An endpoint that talks nonsense: the Standard run of the same name records FAILED, its letter has the input."""
    express.dead_letters()
    key = "uploads/nonsense.jpg"

    with nonsense_served(express):
        record = express.outcome(key, sure("bicycle"))
        ended = express.finished(record["execution"])
        (letter,) = wait_for_letters(express)

    handed_over = json.loads(ended["input"])["handed_over_by"]
    assert (record["outcome"], record["reason"]) == ("FAILED", "InvalidPredictionError")
    assert ended["executionArn"].rpartition(":")[2] == handed_over.rpartition(":")[2]
    assert handed_over.split(":")[6] == f"{of_machine(record)}-express"
    assert json.loads(letter["detail"]["input"])["detail"]["object"]["key"] == key
    # What hands over has done its part: nobody is to look at it.
    assert express.finished(handed_over)["status"] == "SUCCEEDED"


def test_an_outage_is_waited_out_by_the_standard_workflow(express: Application) -> None:
    """Down in the middle of 12 uploads: all are classified, one before by an Express run, those in the outage not."""
    before = express.outcome("uploads/before.jpg", sure("bicycle"))
    records = endpoint_outage(express, uploads=12, seconds=4, prefix="uploads/outage")

    assert [record["outcome"] for record in records] == ["CLASSIFIED"] * 12
    machines = [of_machine(record).endswith("-express") for record in records]
    assert of_machine(before).endswith("-express")
    assert not all(machines)
    for record in records:
        assert len(express.announced(record["s3_key"], settle_seconds=0)) == 1
    assert express.dead_letters() == []
