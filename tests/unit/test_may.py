"""What roles may do is held against what they did: unused grants are named, and so are calls that none covers."""

import json
from pathlib import Path

import pytest

from tests.workflow.may import Grant, can_be_done, main, write

ROLE = "vehiclevision-SerializeImageRole-0A1B2C3D4E5F6"
READ = Grant("SerializeImageRole", "read 0 0", "s3:GetObject", "arn:aws:s3:::photos/*")
WRITE = Grant("SerializeImageRole", "read 0 1", "s3:PutObject", "arn:aws:s3:::photos/*")
CALL = (ROLE, "s3:GetObject", "arn:aws:s3:::photos/a.jpg")


def test_a_grant_that_no_test_used_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that some AWS's tests used counts as used; one that is listed with its reason does not fail."""
    write(tmp_path, [READ, WRITE], [(*CALL, "Allow")])
    write(tmp_path, [READ, WRITE], [])

    assert main(tmp_path, {}) == 1
    assert "used by no test: SerializeImageRole s3:PutObject on arn:aws:s3:::photos/*" in capsys.readouterr().out
    assert main(tmp_path, {"SerializeImageRole s3:Put*": "why"}) == 0
    assert main(tmp_path, {"SerializeImageRole s3:PutObject on arn:aws:s3:::photos/*": "why"}) == 0
    assert main(tmp_path, {"SerializeImageRole s3:PutObject on arn:aws:s3:::models/*": "why"}) == 1


def test_a_call_that_no_policy_allows_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A resource's own policy that says nothing of it is no refusal where the role's allows it."""
    write(tmp_path, [READ], [(*CALL, "Allow"), (*CALL, "ImplicitDeny")])
    assert main(tmp_path, {}) == 0

    write(tmp_path, [READ], [(ROLE, "s3:DeleteObject", "arn:aws:s3:::photos/a.jpg", "ImplicitDeny")])

    assert main(tmp_path, {}) == 1
    assert "allowed by no policy" in capsys.readouterr().out


def test_roles_of_others_do_not_count(tmp_path: Path) -> None:
    """Those of tests, and those that no template of ours names."""
    write(tmp_path, [], [("somebody", "s3:GetObject", "arn:aws:s3:::photos/a.jpg", "ImplicitDeny")])

    assert main(tmp_path, {}) == 0
    assert [json.loads(path.read_text()) for path in tmp_path.iterdir()] == [{"grants": [], "refused": []}]


def test_what_a_soak_must_go_through_is_named_if_it_does_not(tmp_path: Path) -> None:
    """Of its own grants one that was not used fails, and no other does."""
    write(tmp_path, [READ, WRITE], [(*CALL, "Allow")])

    assert main(tmp_path, {}, {READ.name}) == 0
    assert main(tmp_path, {}, {WRITE.name}) == 1


@pytest.mark.parametrize(
    ("action", "resource", "can"),
    [
        ("DescribeEndpoint", "endpoint/cars", True),
        ("DescribeEndpoint", "endpoint-config/*", False),
        ("UpdateEndpoint", "endpoint-config/*", True),
        ("ListTags", "model/*", True),
    ],
)
def test_a_pair_that_means_nothing_is_no_grant(action: str, resource: str, can: bool) -> None:
    """A statement's actions and resources are paired by AWS; an endpoint's description is of no configuration."""
    assert can_be_done(f"sagemaker:{action}", f"arn:aws:sagemaker:us-east-1:000000000000:{resource}") is can
