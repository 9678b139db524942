"""Gaps and letters as a person meets them: named, put right, and said to be so."""

import json

from cli.commands import reconcile, redrive
from cli.options import Application
from cli.target import Target
from tests.unit.cli.answers import Called
from tests.unit.cli.recorded import put_record


class Here(Application):
    """The application in moto, which no option names."""

    deployed: Target

    def target(self) -> Target:
        return self.deployed


def here(target: Target) -> Here:
    application = Here()
    object.__setattr__(application, "deployed", target)
    return application


def write_letter(target: Target, key: str, version_id: str) -> None:
    request = {"s3_bucket": target.output("BucketName"), "s3_key": key, "version_id": version_id}
    body = {"source": "aws.states", "detail": {"error": "EndpointMissingError", "input": json.dumps(request)}}
    target.client("sqs").send_message(QueueUrl=target.output("DeadLetterQueueUrl"), MessageBody=json.dumps(body))


def test_without_a_gap_the_exit_code_is_0(deployed: Target, called: Called) -> None:
    """A script can ask whether all is well."""
    put_record(deployed, "uploads/a.jpg", "1")

    answer = called(lambda: reconcile.command(here(deployed)))

    assert (answer.code, answer.out) == (0, "")
    assert "no gap" in answer.err


def test_a_gap_is_named_and_the_exit_code_is_1(deployed: Target, called: Called) -> None:
    """What, which version, why; and as JSON the same for the next program. The letter stays where it is."""
    write_letter(deployed, "uploads/\x1b[2Jlost.jpg", "7")

    shown = called(lambda: reconcile.command(here(deployed)))
    listed = called(lambda: reconcile.command(here(deployed), as_json=True))

    assert (shown.code, listed.code) == (1, 1)
    assert "NOT_RECORDED" in shown.out
    assert "EndpointMissingError" in shown.out
    assert "\x1b" not in shown.out
    assert "reconcile --fix" in shown.err
    assert "redrive" in shown.err
    (line,) = listed.json_lines()
    assert (line["missing"], line["version_id"], line["letters"]) == ("NOT_RECORDED", "7", 1)


def test_letters_are_shown_before_anything_is_done(deployed: Target, called: Called) -> None:
    """Without --fix nothing is started and nothing is deleted; with it, a settled letter goes."""
    put_record(deployed, "uploads/settled.jpg", "1", "REJECTED")
    write_letter(deployed, "uploads/settled.jpg", "1")

    first = called(lambda: redrive.command(here(deployed)))
    fixed = called(lambda: redrive.command(here(deployed), fix=True, as_json=True))
    after = called(lambda: redrive.command(here(deployed)))

    assert (first.code, fixed.code, after.code) == (1, 0, 0)
    assert "SETTLED" in first.out
    (line,) = fixed.json_lines()
    assert (line["deleted"], line["missing"]) == (True, None)
    assert "empty" in after.err
    machine = deployed.output("StateMachineArn")
    assert deployed.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"] == []
