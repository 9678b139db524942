"""Every way through retraining's state machine, run by the local AWS's interpreter; only what it calls is made up."""

import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ministack.services import stepfunctions

from tests.workflow import taken

ROLE = "arn:aws:iam::000000000000:role/retrain"
JOB = {
    "TrainingJobName": "vehiclevision-retrain-20261128-120000-abcdef",
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 18000},
}
LABELS = {"new": 120, "learnt": 96, "held_out": 24}
HELD_BACK = {"go": False, "code": "LABELS_MISSING", "reason": "60 more labels are needed.", "labels": LABELS}
GO = {"go": True, "labels": LABELS, "dataset": {}, "training_job": JOB}
WORSE = {
    "accepted": False,
    "code": "NOT_BETTER",
    "reason": "It is not.",
    "figures": {"reviewed": {"n": 24}, "base": {"n": 36}},
    "model_version": "new",
    "champion_version": "old",
    "threshold": 0.866,
    "cheapest_threshold": 0.84,
}
BETTER = {
    **WORSE,
    "accepted": True,
    "code": "BETTER",
    "reason": "It is better.",
    "version": 2,
    "version_arn": "arn:package/2",
    "former_version": 1,
    "endpoint": "vehiclevision",
    "model": {"ModelName": "v2"},
    "model_there": False,
    "config": {"EndpointConfigName": "v2-config"},
    "config_there": False,
    "update": {"EndpointConfigName": "v2-config"},
    "restore": {"EndpointConfigName": "v1-config"},
    "watch": ["vehiclevision-endpoint-errors"],
}
DEPLOYED_BEFORE = {**BETTER, "model_there": True, "config_there": True}
MOVING = {"EndpointStatus": "Updating", "EndpointConfigName": "v1-config"}
NEW = {"EndpointStatus": "InService", "EndpointConfigName": "v2-config"}
FORMER = {"EndpointStatus": "InService", "EndpointConfigName": "v1-config", "FailureReason": "an alarm rang"}
BROKEN = {"EndpointStatus": "Failed", "EndpointConfigName": "v1-config", "FailureReason": "no capacity"}
QUIET: dict[str, list[Any]] = {"MetricAlarms": [], "CompositeAlarms": []}
RINGING = {"MetricAlarms": [{"AlarmName": "vehiclevision-endpoint-errors"}], "CompositeAlarms": []}
GOOD_WAY: dict[str, list[Any]] = {
    "StageDataFunctionArn": [GO],
    "RegisterChallengerFunctionArn": [BETTER],
    "SageMakerDescribeEndpoint": [MOVING, NEW],
    "CloudWatchDescribeAlarms": [QUIET],
}
BACK_AGAIN: dict[str, list[Any]] = {
    "SageMakerDescribeEndpoint": [NEW, MOVING, FORMER],
    "CloudWatchDescribeAlarms": [RINGING],
}


def refused(error: str = "SageMaker.SageMakerException", cause: str = "no") -> Exception:
    """What a task that fails raises in the interpreter."""
    problem: Exception = stepfunctions._ExecutionError(error, cause)
    return problem


@dataclass
class Run:
    """What became of a run."""

    status: str = ""
    output: Any = None
    cause: str = ""
    # In order, and which state an error led to which.
    states: list[str] = field(default_factory=list)
    announced: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    # The last request of each.
    asked: dict[str, Any] = field(default_factory=dict)
    # What the endpoint was told to serve last, what was made for that and not taken away, and the version's status.
    serving: str = "v1-config"
    made: set[str] = field(default_factory=set)
    version: str = "Rejected"

    def done(self, name: str, arguments: Any) -> None:
        """Note what a call that succeeded has changed."""
        match name:
            case "RegisterChallengerFunctionArn":
                self.version = "PendingManualApproval"
            case "SageMakerUpdateModelPackage":
                self.version = arguments["ModelApprovalStatus"]
            case "SageMakerUpdateEndpoint":
                self.serving = arguments["EndpointConfigName"]
            case "SageMakerCreateModel" | "SageMakerCreateEndpointConfig":
                self.made.add(name.removeprefix("SageMakerCreate"))
            case "SageMakerDeleteModel" | "SageMakerDeleteEndpointConfig":
                self.made.discard(name.removeprefix("SageMakerDelete"))
            case "EventBridgePutEvents":
                entry = arguments["Entries"][0]
                self.announced.append((entry["DetailType"], entry["Detail"]))

    @property
    def told(self) -> tuple[str, dict[str, Any]]:
        """The one event of the run."""
        (event,) = self.announced
        return event


Go = Callable[..., Run]
WALKED: dict[str, set[str]] = defaultdict(set)


@pytest.fixture(scope="module")
def definition(root: Path) -> str:
    """The state machine with its substitutions filled in; each resource is called by the substitution's name."""
    text = (root / "retraining" / "statemachine" / "retrain_model.asl.json").read_text("utf-8")
    numbers = {"PollSeconds": "2000", "WatchSeconds": "1", "EndpointName": "vehiclevision", "EventBusName": "bus"}
    return re.sub(
        r"\$\{(\w+)\}", lambda name: name[0] if name[1] == "ManualApproval" else numbers.get(name[1], name[1]), text
    )


@pytest.fixture
def go(definition: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Go]:
    """Runs the machine with these answers of what it calls: one after the other, the last again and again."""
    run = Run()

    def started(answers: Mapping[str, list[Any]], *, manual: bool = True, event: Any = None) -> Run:
        waiting = {name: list(each) for name, each in {**GOOD_WAY, **answers}.items()}

        def called(resource: str, arguments: Any, *_: object) -> Any:
            name = resource.partition(".")[0]
            run.calls[name] += 1
            run.asked[name] = arguments
            queue = waiting.get(name, [{}])
            answer = queue.pop(0) if len(queue) > 1 else queue[0]
            if isinstance(answer, Exception):
                raise answer
            run.done(name, arguments)
            return answer

        monkeypatch.setattr(stepfunctions, "_invoke_resource", called)
        monkeypatch.setattr(stepfunctions, "_invoke_with_callback", called)
        monkeypatch.setattr(stepfunctions, "_SFN_WAIT_SCALE", 0)
        machine, execution = "arn:aws:states:us-east-1:000000000000:stateMachine:retrain", "arn:run"
        text = definition.replace("${ManualApproval}", str(manual).lower())
        stepfunctions._state_machines[machine] = {"name": "retrain", "definition": text, "roleArn": ROLE}
        stepfunctions._executions[execution] = {
            "executionArn": execution, "stateMachineArn": machine, "name": "run", "status": "RUNNING",
            "startDate": "2026-11-28T12:00:00Z", "input": json.dumps(event or {}), "events": [],
        }  # fmt: skip
        stepfunctions._run_execution(execution)
        ended = stepfunctions._executions.pop(execution)
        if folder := os.environ.get(taken.FOLDER_VARIABLE):
            taken.write(Path(folder), "retrain_model", taken.went_through(json.loads(text), ended["events"]))
        del stepfunctions._state_machines[machine]
        entered = (each.get("stateEnteredEventDetails") for each in ended["events"])
        run.states = [each["name"] for each in entered if each]
        for name, after in zip(run.states, run.states[1:], strict=False):
            WALKED[name].add(after)
        run.status, run.cause = ended["status"], ended.get("cause", "")
        run.output = json.loads(ended["output"]) if run.status == "SUCCEEDED" else None
        return run

    yield started


def test_held_back(go: Go) -> None:
    """Nothing is trained, and the event says what is missing."""
    run = go({"StageDataFunctionArn": [HELD_BACK]}, event={"detail-type": "DriftDetected"})

    kind, detail = run.told
    assert kind == "RetrainingHeldBack"
    assert detail == {
        "endpoint": "vehiclevision", "started_by": "drift", "execution": "arn:run", "code": "LABELS_MISSING",
        "reason": "60 more labels are needed.", "labels": LABELS,
    }  # fmt: skip
    assert run.output == {
        "outcome": "HELD_BACK", "code": "LABELS_MISSING", "reason": "60 more labels are needed.", "labels": LABELS
    }  # fmt: skip
    assert run.calls["SageMakerCreateTrainingJob"] == 0


def test_replaced(go: Go) -> None:
    """Trained, better, approved, deployed, watched: told with both versions and both thresholds."""
    run = go({})

    kind, detail = run.told
    assert (run.status, run.output["outcome"], kind) == ("SUCCEEDED", "REPLACED", "ModelReplaced")
    assert detail == {
        "endpoint": "vehiclevision", "started_by": "hand", "execution": "arn:run", "reason": "It is better.",
        "training_job": JOB["TrainingJobName"], "version": 2, "model_version": "new", "champion_version": "old",
        "figures": WORSE["figures"], "labels": LABELS, "former_version": 1, "threshold": 0.866,
        "cheapest_threshold": 0.84,
    }  # fmt: skip
    assert run.output == {"outcome": "REPLACED", **{k: v for k, v in detail.items() if k in run.output}}
    assert (run.serving, run.version, run.made) == ("v2-config", "Approved", {"Model", "EndpointConfig"})


def test_without_a_quota_for_spot_it_trains_without_spot(go: Go) -> None:
    """The same job under the same name, which the refused one never took; only what is about spot is gone."""
    run = go({"SageMakerCreateTrainingJob": [*[refused("SageMaker.ResourceLimitExceededException")] * 3, {}]})

    asked = run.asked["SageMakerCreateTrainingJob"]
    assert run.output["outcome"] == "REPLACED"
    assert asked == {**JOB, "EnableManagedSpotTraining": False, "StoppingCondition": {"MaxRuntimeInSeconds": 3600}}


def test_without_any_quota_it_is_told(go: Go) -> None:
    """The run fails with AWS's own words for it."""
    limit = refused("SageMaker.ResourceLimitExceededException", "The account-level service limit is 0 Instances")

    run = go({"SageMakerCreateTrainingJob": [limit]})

    assert (run.status, run.told[0]) == ("FAILED", "RetrainingFailed")
    assert "service limit is 0" in run.told[1]["reason"]


def test_without_spot_it_may_end_badly_too(go: Go) -> None:
    """The job's own reason is told."""
    limit = refused("SageMaker.ResourceLimitExceededException")
    bug = refused("States.TaskFailed", '{"FailureReason": "bug"}')

    run = go({"SageMakerCreateTrainingJob": [limit, limit, limit, bug]})

    assert "bug" in run.told[1]["reason"]


def test_what_was_deployed_before_is_not_made_again(go: Go) -> None:
    """And without a person's approval, where the stack asks for none."""
    run = go({"RegisterChallengerFunctionArn": [DEPLOYED_BEFORE]}, manual=False)

    assert run.output["outcome"] == "REPLACED"
    assert (run.calls["SqsSendMessage"], run.calls["SageMakerCreateModel"]) == (0, 0)


def test_a_model_that_is_not_better(go: Go) -> None:
    """Refused without having been registered: there is no version."""
    run = go({"RegisterChallengerFunctionArn": [WORSE]})

    kind, detail = run.told
    assert (kind, detail["reason"], detail["version"]) == ("ModelRefused", "It is not.", None)
    assert run.output["outcome"] == "REFUSED"
    assert run.calls["SageMakerUpdateEndpoint"] == 0


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({"SqsSendMessage": [refused("ChallengerRejected", "not on a Friday")]}, "not on a Friday"),
        ({"SqsSendMessage": [refused("States.Timeout", "")]}, "Nobody approved the new model within three days."),
        ({"SageMakerDescribeEndpoint": [MOVING, FORMER]}, "SageMaker took the new model back. an alarm rang"),
        (BACK_AGAIN, "It was taken back after it had gone live: vehiclevision-endpoint-errors"),
        ({**BACK_AGAIN, "CloudWatchDescribeAlarms": [refused()]}, "its alarms could not be asked"),
    ],
)
def test_refused_after_it_was_registered(go: Go, answers: Mapping[str, list[Any]], says: str) -> None:
    """Told with its version, which is rejected, and nothing that deployed it is left."""
    run = go(answers)

    kind, detail = run.told
    assert (run.output["outcome"], kind, detail["version"]) == ("REFUSED", "ModelRefused", 2)
    assert says in detail["reason"]
    assert (run.version, run.made) == ("Rejected", set())
    assert run.serving == "v1-config" or "Put former back" not in run.states
    assert run.states[-5:] == ["Delete endpoint config", "Delete model", "Announce", "How it ended", "Done"]


@pytest.mark.parametrize(
    ("answers", "says", "tidied"),
    [
        ({"StageDataFunctionArn": [refused("RetrainingError", '{"errorMessage": "no bucket"}')]}, "no bucket", False),
        ({"SageMakerCreateTrainingJob": [refused("States.TaskFailed", '{"FailureReason": "bug"}')]}, "bug", False),
        ({"SageMakerCreateTrainingJob": [refused("States.Timeout", "")]}, "could not be run", False),
        ({"RegisterChallengerFunctionArn": [refused("KeyError", "broken")]}, "could not be read: KeyError", False),
        ({"SqsSendMessage": [refused()]}, "Nobody could be asked for approval", True),
        ({"SageMakerUpdateModelPackage": [refused()]}, "The version could not be approved", True),
        ({"SageMakerCreateModel": [refused()]}, "The model could not be made", True),
        ({"SageMakerCreateEndpointConfig": [refused()]}, "The endpoint configuration could not be made", True),
        ({"SageMakerUpdateEndpoint": [refused()]}, "The endpoint took no update", True),
        ({"SageMakerDescribeEndpoint": [refused()]}, "The endpoint could not be looked at", False),
        ({"SageMakerDescribeEndpoint": [BROKEN]}, "The endpoint is Failed and needs a person. no capacity", False),
        ({"SageMakerDescribeEndpoint": [MOVING]}, "The endpoint is Updating and needs a person.", False),
        ({**BACK_AGAIN, "SageMakerDescribeEndpoint": [NEW, NEW]}, "needs a person", False),
        ({**BACK_AGAIN, "SageMakerDescribeEndpoint": [NEW, refused()]}, "could not be looked at", False),
        ({**BACK_AGAIN, "SageMakerUpdateEndpoint": [{}, refused()]}, "The former model could not be put back", False),
    ],
)
def test_failed(go: Go, answers: Mapping[str, list[Any]], says: str, tidied: bool) -> None:
    """The execution fails with the sentence that the event tells; what is made is taken away if nothing uses it."""
    run = go(answers)

    kind, detail = run.told
    assert (run.status, kind) == ("FAILED", "RetrainingFailed")
    assert says in detail["reason"] == run.cause
    assert detail["training_job"] == (JOB["TrainingJobName"] if "Train challenger" in run.states else None)
    assert (run.calls["SageMakerDeleteModel"] > 0) == tidied
    assert not tidied or (run.serving, run.made) == ("v1-config", set())


@pytest.mark.parametrize("call", ["SageMakerDeleteEndpointConfig", "SageMakerDeleteModel"])
def test_what_cannot_be_taken_away_is_told_all_the_same(go: Go, call: str) -> None:
    """The outcome stays what it was, and what can be taken away is."""
    run = go({"SageMakerDescribeEndpoint": [FORMER], call: [refused()]})

    assert run.output["outcome"] == "REFUSED"
    assert run.made == {call.removeprefix("SageMakerDelete")}


def test_a_version_that_cannot_be_rejected_is_tidied_up_after(go: Go) -> None:
    """Approving it fails, and so does rejecting it: what it needed goes, and the first reason is told."""
    run = go({"SageMakerUpdateModelPackage": [refused()]})

    assert run.calls["SageMakerDeleteModel"] == 1
    assert "could not be approved" in run.told[1]["reason"]


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({"StageDataFunctionArn": [HELD_BACK]}, "Nobody could be told that the run is held back: "),
        ({"RegisterChallengerFunctionArn": [WORSE]}, "Nobody could be told that the new model is refused: "),
        ({}, "The new model serves, but nobody could be told: "),
        ({"SageMakerCreateTrainingJob": [refused("States.TaskFailed", "{}")]}, "The training job ended badly"),
    ],
)
def test_nobody_can_be_told(go: Go, answers: Mapping[str, list[Any]], says: str) -> None:
    """Then the execution fails, which the alarm sees, and says what came of the run."""
    run = go({**answers, "EventBridgePutEvents": [refused("Events.Throttled", "later")]})

    assert (run.status, run.announced) == ("FAILED", [])
    assert run.cause.startswith(says)


def test_every_state_and_every_way_on_was_taken(definition: str) -> None:
    """The tests above leave no state, no choice and no caught error out."""
    if len(WALKED) < 10:
        pytest.skip("only together with the tests above")
    for name, state in json.loads(definition)["States"].items():
        rules = [*state.get("Choices", []), *state.get("Catch", [])]
        ways = {state.get("Next"), state.get("Default"), *(rule["Next"] for rule in rules)} - {None}
        assert ways == WALKED[name], name
