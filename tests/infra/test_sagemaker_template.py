"""The CloudFormation template of SageMaker's side: valid as it is, least privilege, nothing left at its deletion."""

import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from lifecycle import endpoint, foundation
from lifecycle.site import Site
from lifecycle.templates import parsed
from tests.infra.project import as_list, rendered

# The only actions that AWS gives no resource to name, or whose resource is AWS's own account.
UNNAMED = {"cloudwatch:PutMetricData", "ecr:GetAuthorizationToken"}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    found: dict[str, Any] = parsed(foundation.TEMPLATE.read_text("utf-8"))
    return found


def test_the_linter_has_nothing_to_say() -> None:
    """cfn-lint reads it as CloudFormation will, without the SAM transform, and within the size of a request."""
    lint = Path(sys.executable).with_name("cfn-lint")

    run = subprocess.run([lint, str(foundation.TEMPLATE)], capture_output=True, text=True, check=False)

    assert run.stdout.strip() == ""
    assert run.returncode == 0
    assert len(foundation.TEMPLATE.read_bytes()) < 51_200


def test_every_parameter_is_given(template: dict[str, Any]) -> None:
    """What the command sends is what the template asks for; only retention has a default of its own."""
    given = {each["ParameterKey"] for each in foundation.request(Site("a", "1" * 12, "x")).parameters["Parameters"]}

    assert given == set(template["Parameters"]) - {"CaptureRetentionDays"}


def statements(template: dict[str, Any]) -> list[dict[str, Any]]:
    resources = template["Resources"].values()
    documents = [
        policy["PolicyDocument"] for each in resources for policy in each.get("Properties", {}).get("Policies", [])
    ]
    documents += [each["Properties"]["PolicyDocument"] for each in resources if each["Type"] == "AWS::IAM::Policy"]
    return [statement for document in documents for statement in document["Statement"]]


def test_no_role_may_more_than_it_needs(template: dict[str, Any]) -> None:
    """No wildcard actions; `*` as a resource only for what cannot be named; nothing may pass or change roles."""
    for statement in statements(template):
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert not [action for action in actions if "*" in action or action.startswith(("iam:", "sts:"))], statement
        if statement["Resource"] == "*":
            assert set(actions) <= UNNAMED, statement


def test_serving_cannot_write_models_and_training_cannot_write_captures(template: dict[str, Any]) -> None:
    """Two roles: whoever takes over an endpoint's container cannot change what is served next."""

    def writes(role: str) -> str:
        policies = template["Resources"][role]["Properties"]["Policies"]
        found = [each for policy in policies for each in policy["PolicyDocument"]["Statement"]]
        return str([each["Resource"] for each in found if "s3:PutObject" in str(each["Action"])])

    assert "capture/" in writes("ServingRole")
    assert "models/" not in writes("ServingRole")
    assert "capture/" not in writes("TrainingRole")
    assert "models/" not in writes("TrainingRole")


def allowed(template: dict[str, Any], role: str, action: str) -> list[Any]:
    """The resources on which a role may do something."""
    policies = template["Resources"][role]["Properties"]["Policies"]
    found = [each for policy in policies for each in policy["PolicyDocument"]["Statement"]]
    return [each["Resource"] for each in found if action in as_list(each["Action"])]


def test_codebuild_may_do_what_an_s3_source_takes(template: dict[str, Any]) -> None:
    """The objects and their versions, and of the bucket whose it is and where it lies."""
    for action in ("s3:GetBucketAcl", "s3:GetBucketLocation"):
        assert [rendered(each) for each in allowed(template, "BuilderRole", action)] == ["Bucket.Arn"]
    for action in ("s3:GetObject", "s3:GetObjectVersion"):
        assert [rendered(each) for each in allowed(template, "BuilderRole", action)] == ["Bucket.Arn/build/*"]


def test_the_models_role_may_ask_for_every_alarm_that_watches_an_update(template: dict[str, Any]) -> None:
    """The endpoint's own alarms and the application's: none of them is a composite one."""
    site = Site("vehiclevision", "1" * 12, "eu-west-1")
    watching = [*(site.alarm(what) for what in endpoint.ALARMS), f"{site.application}-endpoint-failing"]

    (resource,) = allowed(template, "ServingRole", "cloudwatch:DescribeAlarms")

    pattern = rendered(resource).rpartition(":")[2].replace("Application", site.application)
    assert all(fnmatchcase(name, pattern) for name in watching)
    assert not fnmatchcase("vehiclevision-workflow-fault", pattern)


def test_the_serving_image_runs_as_root(root: Path) -> None:
    """SageMaker's hosting expects it; no line of the Dockerfile says otherwise."""
    lines = (root / "serving" / "Dockerfile").read_text("utf-8").splitlines()

    assert [line for line in lines if line.startswith(("USER", "    && useradd"))] == []


def test_nothing_outlives_the_stack(template: dict[str, Any]) -> None:
    """Teardown deletes the stack; no resource is kept by a policy of its own, and images go with their repository."""
    kept = [name for name, each in template["Resources"].items() if each.get("DeletionPolicy", "Delete") != "Delete"]

    assert kept == []
    assert template["Resources"]["Repository"]["Properties"]["EmptyOnDelete"] is True


def test_the_bucket_is_private_versioned_and_encrypted(template: dict[str, Any]) -> None:
    """No public access, TLS only, old versions and captured pictures expire."""
    bucket = template["Resources"]["Bucket"]["Properties"]

    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert {rule["Id"] for rule in bucket["LifecycleConfiguration"]["Rules"]} >= {
        "captures-expire",
        "old-versions-expire",
    }
    (policy,) = template["Resources"]["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (policy["Effect"], policy["Principal"]) == ("Deny", "*")
