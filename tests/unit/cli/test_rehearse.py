"""`vehiclevision rehearse --aws`: requests pass AWS's own model, the local engine answers for Step Functions."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from ministack.services import stepfunctions
from moto.events.models import EventPattern

from cli.commands import rehearse as command
from cli.errors import CommandError
from cli.rehearsal import CHANGE_SET, FORBIDDEN, Answer, rehearse
from cli.sagemaker import Connection
from cli.target import Target
from lifecycle import lean
from local.deploy import VEHICLEVISION
from tests.unit.lifecycle.fake_aws import ACCOUNT, NOW, REGION, FakeAws, Parameters, RefusalError
from tests.unit.lifecycle.test_commands import Reached, _NoPrices

Answered = dict[str, Any]


@dataclass
class Rehearsed(FakeAws):
    """An account that is asked and not changed. `broken` is what a test may set before it is asked."""

    broken: str = ""

    def stepfunctions_ValidateStateMachineDefinition(self, given: Parameters) -> Answered:  # noqa: N802
        answer: Answered = json.loads(stepfunctions._validate_state_machine_definition(given)[2])
        return {**answer, "truncated": False}

    def stepfunctions_TestState(self, given: Parameters) -> Answered:  # noqa: N802
        if self.broken and self.broken == given["stateName"]:
            return {"status": "FAILED", "error": "States.Runtime", "cause": f"no such state in {ACCOUNT}"}
        # The local engine has its variables in the context.
        context = {**json.loads(given.get("context", "{}")), "variables": json.loads(given["variables"])}
        answer: Answered = json.loads(stepfunctions._test_state({**given, "context": json.dumps(context)})[2])
        return {**answer, "status": answer["status"]}

    def events_TestEventPattern(self, given: Parameters) -> Answered:  # noqa: N802
        pattern, event = EventPattern.load(given["EventPattern"]), json.loads(given["Event"])
        assert {"id", "account", "source", "time", "region", "resources", "detail-type"} <= set(event)
        return {"Result": bool(pattern.matches_event(event))}

    def iam_SimulateCustomPolicy(self, given: Parameters) -> Answered:  # noqa: N802
        (policy,) = given["PolicyInputList"]
        assert "${" not in policy
        allowed = {action for statement in json.loads(policy)["Statement"] for action in statement["Action"]}
        decisions = {name: "allowed" if name in allowed else "implicitDeny" for name in given["ActionNames"]}
        if self.broken == "everything is allowed":
            decisions = dict.fromkeys(decisions, "allowed")
        results = [{"EvalActionName": name, "EvalDecision": decision} for name, decision in decisions.items()]
        return {"EvaluationResults": results, "IsTruncated": False}

    def cloudformation_CreateChangeSet(self, given: Parameters) -> Answered:  # noqa: N802
        if self.broken == "no right to make one":
            raise RefusalError("AccessDenied", f"user in {ACCOUNT} may not")
        if self.stacks.get(given["StackName"], {}).get("ChangeSet"):
            raise RefusalError("AlreadyExistsException")
        self.stacks.setdefault(given["StackName"], _shell(given["StackName"]))["ChangeSet"] = given
        return {"Id": "change", "StackId": "stack"}

    def cloudformation_DescribeChangeSet(self, given: Parameters) -> Answered:  # noqa: N802
        template = json.loads(self.stacks[given["StackName"]]["ChangeSet"]["TemplateBody"])
        if self.broken == "the template is refused":
            return {"Status": "FAILED", "StatusReason": f"Template error in {ACCOUNT}", "Changes": []}
        changes = [{"Type": "Resource", "ResourceChange": {"Action": "Add"}} for _ in template["Resources"]]
        return {"Status": "CREATE_COMPLETE", "Changes": changes}

    def cloudformation_DeleteChangeSet(self, given: Parameters) -> Answered:  # noqa: N802
        if not self.stacks.get(given["StackName"], {}).pop("ChangeSet", None):
            raise RefusalError("ChangeSetNotFound")
        return {}

    def cloudformation_DescribeStacks(self, given: Parameters) -> Answered:  # noqa: N802
        if given["StackName"] not in self.stacks:
            raise RefusalError("ValidationError")
        known = self.stacks[given["StackName"]]
        return {"Stacks": [{name: value for name, value in known.items() if name != "ChangeSet"}]}

    def cloudformation_DeleteStack(self, given: Parameters) -> Answered:  # noqa: N802
        assert self.stacks[given["StackName"]]["StackStatus"] == "REVIEW_IN_PROGRESS"
        del self.stacks[given["StackName"]]
        return {}


def _shell(name: str) -> Answered:
    return {"StackName": name, "StackId": "arn", "CreationTime": NOW, "StackStatus": "REVIEW_IN_PROGRESS"}


def asked(fake: Rehearsed) -> list[Answer]:
    return list(rehearse(fake.aws()))


@pytest.fixture(scope="module")
def answers() -> list[Answer]:
    """What an account says of the checkout as it is."""
    return asked(Rehearsed())


def test_all_is_as_promised(answers: list[Answer]) -> None:
    """Four machines, each state and catch of a photo's, the patterns, three change sets, each role of six templates."""
    assert [answer for answer in answers if not answer.good] == []
    questions = [answer.question for answer in answers]
    assert sum(question.startswith("TestState ") for question in questions) > 30
    assert "TestState Note announcement, caught DynamoDB.ConditionalCheckFailedException" in questions
    for question in (
        "ValidateStateMachineDefinition classify_vehicle express",
        "ValidateStateMachineDefinition backfill",
        "TestState express Serialize image, caught Custom.Error",
        "CreateChangeSet lean",
        "CreateChangeSet backfilling",
    ):
        assert question in questions
    for role in (
        "application ClassifyVehicleRole",
        "backfilling BackfillRole",
        "monitoring CheckDriftRole",
        "sagemaker BuilderRole",
    ):
        assert f"SimulateCustomPolicy {role}" in questions


def test_nothing_is_left_and_no_number_is_told(answers: list[Answer]) -> None:
    """The change set and the shell of its stack are gone; a transcript names no account."""
    fake = Rehearsed()

    said = asked(fake)

    assert fake.stacks == {}
    assert fake.sent("ExecuteChangeSet") == []
    assert ACCOUNT not in command.transcript(REGION, [*said, *answers])


def test_a_deployed_application_is_not_touched() -> None:
    """Over a stack the change set is an update with its own parameters, and only the change set is taken away."""
    fake = Rehearsed()
    given = [{"ParameterKey": "AlarmEmail", "ParameterValue": "a@b.example"}]
    fake.stacks["vehiclevision"] = {**_shell("vehiclevision"), "StackStatus": "UPDATE_COMPLETE", "Parameters": given}

    said = asked(fake)

    plain, thin, backfill = fake.sent("CreateChangeSet")
    kept = {"ParameterKey": "AlarmEmail", "UsePreviousValue": True}
    assert (plain["ChangeSetType"], backfill["ChangeSetType"]) == ("UPDATE", "CREATE")
    assert plain["Parameters"] == [kept]
    own = lean.parameters(VEHICLEVISION.folder).items()
    assert thin["Parameters"] == [kept, *({"ParameterKey": name, "ParameterValue": value} for name, value in own)]
    assert fake.stacks["vehiclevision"]["StackStatus"] == "UPDATE_COMPLETE"
    assert all(answer.good for answer in said)


def test_a_rehearsal_that_was_stopped_is_cleared_up_by_the_next() -> None:
    """Its change set and the shell of a stack are no hindrance."""
    fake = Rehearsed()
    fake.stacks["vehiclevision"] = {**_shell("vehiclevision"), "ChangeSet": {"ChangeSetName": CHANGE_SET}}

    said = asked(fake)

    assert all(answer.good for answer in said)
    assert fake.stacks == {}


@pytest.mark.parametrize(
    ("broken", "question", "words"),
    [
        ("Which outcome", "TestState Which outcome, a classified photo", "FAILED instead of Failed"),
        ("the template is refused", "CreateChangeSet", "Template error in …9012"),
        ("no right to make one", "change sets", "may not"),
        ("everything is allowed", "SimulateCustomPolicy application ClassifyVehicleRole", FORBIDDEN),
    ],
)
def test_what_is_not_as_promised_is_said(broken: str, question: str, words: str) -> None:
    """The answer is not good, in AWS's words and without the account's number; the questions go on."""
    fake = Rehearsed(broken=broken)

    said = {answer.question: answer for answer in asked(fake)}

    assert not said[question].good
    assert words in said[question].words
    assert "SimulateCustomPolicy sagemaker ServingRole" in said
    assert fake.stacks == {}


def test_the_command_writes_a_transcript(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line an answer, and a page to keep; quotas that AWS does not tell are said to be unknown."""
    session = boto3.session.Session("testing", "testing", region_name=REGION)
    target = Target("vehiclevision", REGION, {}, _NoPrices(session))  # type: ignore[arg-type]
    aws = Rehearsed().aws()
    quotas = SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=lambda **_: []))
    reached = replace(aws, client=lambda name: quotas if name == "service-quotas" else aws.client(name))
    account = Reached(aws=True, connection=Connection(target, reached, " --aws"))

    code = command.command(account=account, out=tmp_path / "rehearsal.md")

    page = (tmp_path / "rehearsal.md").read_text("utf-8")
    assert code == 0
    assert "answers are as promised" in capsys.readouterr().out
    assert "- ok  ValidateStateMachineDefinition classify_vehicle: OK" in page
    assert "GetProducts ml.m5.xlarge" in page


def test_it_asks_aws_only() -> None:
    """The local AWS has nothing to say of AWS."""
    with pytest.raises(CommandError, match="asks AWS"):
        command.command(account=Reached())
