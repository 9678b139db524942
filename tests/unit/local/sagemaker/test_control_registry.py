"""The local registry keeps versions with their approval, and a model can be made from one."""

from typing import Any

from tests.unit.local.sagemaker.bench import ROLE, SERVING_IMAGE, Plane, refused

ARN = "arn:aws:sagemaker:us-east-1:000000000000:model-package/{}"


def specification(address: str) -> dict[str, Any]:
    return {
        "Containers": [{"Image": SERVING_IMAGE, "ModelDataUrl": address}],
        "SupportedContentTypes": ["image/png"],
        "SupportedResponseMIMETypes": ["application/json"],
    }


def register(plane: Plane, group: str, **more: Any) -> str:
    found = plane.sagemaker.create_model_package(
        ModelPackageGroupName=group, InferenceSpecification=specification("s3://models/registry/model.tar.gz"), **more
    )
    return str(found["ModelPackageArn"])


def test_versions_count_up_and_are_never_used_again(plane: Plane) -> None:
    """A deleted version's number stays taken."""
    plane.sagemaker.create_model_package_group(ModelPackageGroupName="counting", ModelPackageGroupDescription="x")

    found = [register(plane, "counting"), register(plane, "counting")]
    plane.sagemaker.delete_model_package(ModelPackageName=found[1])
    found.append(register(plane, "counting"))

    assert found == [ARN.format(f"counting/{version}") for version in (1, 2, 3)]
    with refused("ValidationException", f"ModelPackage {found[1]} does not exist."):
        plane.sagemaker.describe_model_package(ModelPackageName=found[1])


def test_a_version_keeps_its_metrics_and_its_approval(plane: Plane) -> None:
    """It waits for approval until somebody gives it, with words and properties."""
    plane.sagemaker.create_model_package_group(ModelPackageGroupName="approved")
    metrics = {"ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": "s3://models/metrics.json"}}}
    properties = {"model_sha256": "abc", "revision": "1"}
    arn = register(plane, "approved", ModelMetrics=metrics, CustomerMetadataProperties=properties)
    other = register(plane, "approved")

    before = plane.sagemaker.describe_model_package(ModelPackageName=arn)
    plane.sagemaker.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="good",
        CustomerMetadataProperties={"revision": "2"},
        CustomerMetadataPropertiesToRemove=["model_sha256"],
    )

    after = plane.sagemaker.describe_model_package(ModelPackageName=arn)
    assert (before["ModelApprovalStatus"], before["ModelPackageStatus"]) == ("PendingManualApproval", "Completed")
    assert (before["ModelPackageVersion"], before["ModelMetrics"]) == (1, metrics)
    assert (after["ModelApprovalStatus"], after["ApprovalDescription"]) == ("Approved", "good")
    assert after["CustomerMetadataProperties"] == {"revision": "2"}

    def listed(**more: Any) -> list[str]:
        found = plane.sagemaker.list_model_packages(ModelPackageGroupName="approved", **more)
        return [each["ModelPackageArn"] for each in found["ModelPackageSummaryList"]]

    assert listed(ModelApprovalStatus="Approved") == [arn]
    assert listed(SortBy="CreationTime", SortOrder="Descending", MaxResults=1) == [other]
    assert plane.sagemaker.list_model_packages(ModelPackageType="Versioned", NameContains="approved")[
        "ModelPackageSummaryList"
    ]


def test_a_group_goes_when_it_is_empty(plane: Plane) -> None:
    """With versions in it, it is a conflict."""
    plane.sagemaker.create_model_package_group(ModelPackageGroupName="full")
    arn = register(plane, "full")

    with refused("ConflictException", "still contains"):
        plane.sagemaker.delete_model_package_group(ModelPackageGroupName="full")
    plane.sagemaker.delete_model_package(ModelPackageName=arn)
    plane.sagemaker.delete_model_package_group(ModelPackageGroupName="full")

    with refused("ValidationException", "does not exist."):
        plane.sagemaker.describe_model_package_group(ModelPackageGroupName="full")
    with refused("ValidationException", "does not exist."):
        register(plane, "full")


def test_a_request_that_is_sent_again_makes_no_second_version(plane: Plane) -> None:
    """The client token says that it is the same."""
    plane.sagemaker.create_model_package_group(ModelPackageGroupName="token")

    assert register(plane, "token", ClientToken="a" * 36) == register(plane, "token", ClientToken="a" * 36)
    with refused("ValidationException", "Model Package Group already exists: arn:"):
        plane.sagemaker.create_model_package_group(ModelPackageGroupName="Token")
    with refused("ValidationException", "Tags are not supported"):
        register(plane, "token", Tags=[{"Key": "a", "Value": "b"}])


def test_a_model_is_made_from_a_version(plane: Plane) -> None:
    """Its data is the version's; a version that is not there is refused."""
    plane.put("registry/model.tar.gz", b"anything")
    plane.sagemaker.create_model_package_group(ModelPackageGroupName="source")
    arn = register(plane, "source")

    plane.sagemaker.create_model(
        ModelName="from-version", PrimaryContainer={"ModelPackageName": arn}, ExecutionRoleArn=ROLE
    )

    found = plane.sagemaker.describe_model(ModelName="from-version")
    assert found["PrimaryContainer"]["ModelPackageName"] == arn
    with refused("ValidationException", "does not exist"):
        plane.sagemaker.create_model(
            ModelName="other", PrimaryContainer={"ModelPackageName": ARN.format("source/9")}, ExecutionRoleArn=ROLE
        )
