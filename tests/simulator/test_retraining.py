"""Retraining, whatever is refused on the way: a model is live and announced, or all is as it was before."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.machine import Fault, Json, Run, TaskError

FORMER, NEW = "former-config", "new-config"
SUBSTITUTIONS = {"ManualApproval": "true", "PollSeconds": "30", "WatchSeconds": "60", "EndpointName": "vehiclevision"}


class Account:
    """As much of an AWS account as the state machine asks."""

    def __init__(self) -> None:
        self.serving = FORMER
        self.version = "none"
        self.made: set[str] = set()
        self.heard: list[Json] = []
        # What a test may set before a run.
        self.labels_are_enough = True
        self.better = True
        self.faults: dict[str, TaskError] = {}
        self.ringing: list[str] = []
        self.takes_updates = True
        self.status = "InService"
        self._looks = 0

    def call(self, resource: str, arguments: Any) -> Any:
        """Answer one request."""
        match resource:
            case "StageDataFunctionArn":
                job = {"TrainingJobName": "job"}
                held_back = {"go": False, "reason": "12 labels are missing", "code": "LABELS", "labels": 88}
                return {"go": True, "training_job": job, "labels": 100} if self.labels_are_enough else held_back
            case "SageMakerCreateTrainingJob.sync" | "SqsSendMessage.waitForTaskToken":
                if fault := self.faults.get(resource):
                    raise fault
            case "RegisterChallengerFunctionArn":
                return self._compared()
            case "SageMakerUpdateModelPackage":
                self.version = arguments["ModelApprovalStatus"]
            case "SageMakerCreateModel" | "SageMakerCreateEndpointConfig":
                self.made.add(resource.removeprefix("SageMakerCreate"))
            case "SageMakerDeleteModel" | "SageMakerDeleteEndpointConfig":
                self.made.discard(resource.removeprefix("SageMakerDelete"))
            case "SageMakerUpdateEndpoint":
                self._looks = 0
                self.serving = arguments["EndpointConfigName"] if self.takes_updates else self.serving
            case "SageMakerDescribeEndpoint":
                self._looks += 1
                status = "Updating" if self._looks == 1 else self.status
                return {"EndpointStatus": status, "EndpointConfigName": self.serving}
            case "CloudWatchDescribeAlarms":
                return {"MetricAlarms": [{"AlarmName": name} for name in self.ringing], "CompositeAlarms": []}
            case "EventBridgePutEvents":
                self.heard += arguments["Entries"]
        return {}

    def _compared(self) -> Json:
        facts = {"accepted": self.better, "reason": "it is cheaper", "model_version": "m2", "champion_version": 1}
        if not self.better:
            return {**facts, "figures": {}}
        self.version = "PendingManualApproval"
        return {
            **facts,
            "figures": {},
            "version": 2,
            "version_arn": "arn:version/2",
            "model": {"ModelName": "m2"},
            "config": {"EndpointConfigName": NEW},
            "update": {"EndpointConfigName": NEW},
            "restore": {"EndpointConfigName": FORMER},
            "endpoint": "vehiclevision",
            "watch": ["errors"],
            "former_version": 1,
            "threshold": 0.8,
            "cheapest_threshold": 0.7,
        }

    def told(self) -> list[str]:
        """The announcements, by their type."""
        return [event["DetailType"] for event in self.heard]


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def run(account: Account, root: Path) -> Run:
    text = (root / "retraining/statemachine/retrain_model.asl.json").read_text()
    machine = json.loads(re.sub(r"\$\{(\w+)\}", lambda name: SUBSTITUTIONS.get(name[1], name[1]), text))
    return Run("run", machine, {"started_by": "hand"}, account.call, lambda: "2026-11-28T09:00:00Z", "retrain_model")


def refused_at(run: Run, *states: str, fault: Fault = Fault.REFUSED_ALWAYS) -> None:
    """The run is refused in each of these states in turn until its retries end, and then goes on to its end."""
    for state in states:
        for _ in range(60):
            if run.state == state:
                break
            run.step()
        assert run.state == state, run.visited
        run.step(fault)
    run.finish()


def as_before(account: Account) -> bool:
    """Whether the former model serves and nothing of the new one is left but its rejected version."""
    return account.serving == FORMER and not account.made and account.version in ("none", "Rejected")


def test_a_better_model_goes_live(account: Account, run: Run) -> None:
    """Approved, live, watched, announced."""
    run.finish()

    assert (run.status, account.serving, account.version) == ("SUCCEEDED", NEW, "Approved")
    assert account.told() == ["ModelReplaced"]


def test_with_too_few_labels_nothing_is_begun(account: Account, run: Run) -> None:
    """Held back is told, and is no failure."""
    account.labels_are_enough = False

    run.finish()

    assert (run.status, account.told()) == ("SUCCEEDED", ["RetrainingHeldBack"])
    assert as_before(account)


def test_a_model_that_is_no_better_is_refused(account: Account, run: Run) -> None:
    """It is told with its reason, and nothing is deployed."""
    account.better = False

    run.finish()

    assert (run.status, account.told()) == ("SUCCEEDED", ["ModelRefused"])
    assert as_before(account)


@pytest.mark.parametrize(
    "state",
    [
        "Stage data",
        "Train challenger",
        "Register challenger",
        "Await approval",
        "Approve version",
        "Create model",
        "Create endpoint config",
        "Update endpoint",
    ],
)
def test_a_refusal_before_it_is_live_leaves_all_as_before(account: Account, run: Run, state: str) -> None:
    """The run fails under its name, tells why, and takes away what it has made."""
    refused_at(run, state)

    assert (run.status, run.error) == ("FAILED", "RETRAINING_FAILED")
    assert account.told() == ["RetrainingFailed"]
    assert as_before(account)


@pytest.mark.parametrize(
    "fault", [TaskError("States.TaskFailed", '{"FailureReason": "no memory"}'), TaskError("States.Timeout")]
)
def test_a_training_that_ends_badly_is_told(account: Account, run: Run, fault: TaskError) -> None:
    """Out of memory or out of time: the reason is told, and nothing is deployed."""
    account.faults["SageMakerCreateTrainingJob.sync"] = fault

    run.finish()

    assert account.told() == ["RetrainingFailed"]
    assert "raining job" in account.heard[0]["Detail"]["reason"]
    assert as_before(account)


@pytest.mark.parametrize("answer", [TaskError("ChallengerRejected", "too few mopeds"), TaskError("States.Timeout")])
def test_without_a_persons_approval_it_is_refused(account: Account, run: Run, answer: TaskError) -> None:
    """A person says no, or nobody says anything for three days."""
    account.faults["SqsSendMessage.waitForTaskToken"] = answer

    run.finish()

    assert (run.status, account.told()) == ("SUCCEEDED", ["ModelRefused"])
    assert as_before(account)


def test_what_sagemaker_takes_back_itself_is_refused(account: Account, run: Run) -> None:
    """The endpoint's own alarm during the update: the former model serves, and the version is rejected."""
    account.takes_updates = False

    run.finish()

    assert (run.status, account.told()) == ("SUCCEEDED", ["ModelRefused"])
    assert as_before(account)


def test_an_alarm_after_it_is_live_takes_it_back(account: Account, run: Run) -> None:
    """The former configuration comes back, and the announcement says which alarm rang."""
    account.ringing = ["falling-coverage"]

    run.finish()

    assert account.told() == ["ModelRefused"]
    assert "falling-coverage" in account.heard[0]["Detail"]["reason"]
    assert as_before(account)


def test_alarms_that_cannot_be_asked_count_as_ringing(account: Account, run: Run) -> None:
    """A model that nobody can watch does not stay."""
    refused_at(run, "Look at alarms")

    assert account.told() == ["ModelRefused"]
    assert as_before(account)


@pytest.mark.parametrize("left", [["Reject version"], ["Delete endpoint config"], ["Delete model"]])
def test_a_refusal_while_clearing_up_does_not_stop_the_rest(account: Account, run: Run, left: list[str]) -> None:
    """One of three steps of clearing up is refused: the two others are done, and it is told all the same."""
    account.ringing = ["errors"]

    refused_at(run, *left)

    assert account.told() == ["ModelRefused"]
    assert account.serving == FORMER
    assert len(account.made) + (account.version != "Rejected") == 1


@pytest.mark.parametrize(("state", "ringing"), [("Look at endpoint", []), ("Put former back", ["errors"])])
def test_what_needs_a_person_is_told_as_a_failure(account: Account, run: Run, state: str, ringing: list[str]) -> None:
    """Where nobody knows what serves, the run touches nothing more and says so."""
    account.ringing = ringing

    refused_at(run, state)

    assert (run.status, account.told()) == ("FAILED", ["RetrainingFailed"])
    assert "could not be" in account.heard[0]["Detail"]["reason"]


def test_an_endpoint_that_failed_needs_a_person(account: Account, run: Run) -> None:
    """It is said in what state it is."""
    account.status = "Failed"

    run.finish()

    assert account.told() == ["RetrainingFailed"]
    assert "is Failed and needs a person" in account.heard[0]["Detail"]["reason"]


def test_a_run_that_nobody_could_be_told_of_fails(account: Account, run: Run) -> None:
    """The model is live, and the execution's own failure says that no subscriber knows."""
    refused_at(run, "Announce")

    assert (run.status, run.error, account.told()) == ("FAILED", "RETRAINING_FAILED", [])
    assert account.serving == NEW
