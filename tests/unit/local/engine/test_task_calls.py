"""What a task asks its role for is what the API's reference says, on the resource that its parameters name."""

from typing import Any

import pytest

from local.engine.task_calls import calls

ACCOUNT, REGION = "000000000000", "us-east-1"
BUS = {"EventBusName": "vehicles", "Source": "vehiclevision", "DetailType": "VehicleClassified"}
JOB = {"TrainingJobName": "Cars-Retrain-1", "RoleArn": "arn:aws:iam::000000000000:role/trains", "Tags": [{}]}


@pytest.mark.parametrize(
    ("resource", "parameters", "asked"),
    [
        ("arn:aws:lambda:us-east-1:000000000000:function:filter", {"any": "input"},
         [("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:000000000000:function:filter")]),
        ("arn:aws:states:::lambda:invoke", {"FunctionName": "filter"},
         [("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:000000000000:function:filter")]),
        ("arn:aws:states:::dynamodb:updateItem", {"TableName": "results"},
         [("dynamodb:UpdateItem", "arn:aws:dynamodb:us-east-1:000000000000:table/results")]),
        ("arn:aws:states:::aws-sdk:dynamodb:query", {"TableName": "results", "IndexName": "by_outcome"},
         [("dynamodb:Query", "arn:aws:dynamodb:us-east-1:000000000000:table/results/index/by_outcome")]),
        ("arn:aws:states:::events:putEvents", {"Entries": [BUS, {}]},
         [("events:PutEvents", "arn:aws:events:us-east-1:000000000000:event-bus/vehicles"),
          ("events:PutEvents", "arn:aws:events:us-east-1:000000000000:event-bus/default")]),
        ("arn:aws:states:::sqs:sendMessage.waitForTaskToken", {"QueueUrl": "http://localhost:4566/000000000000/letters"},
         [("sqs:SendMessage", "arn:aws:sqs:us-east-1:000000000000:letters")]),
        ("arn:aws:states:::sns:publish", {"TopicArn": "arn:aws:sns:us-east-1:000000000000:alarms"},
         [("sns:Publish", "arn:aws:sns:us-east-1:000000000000:alarms")]),
        ("arn:aws:states:::states:startExecution.sync:2", {"StateMachineArn": "arn:aws:states:::stateMachine:other"},
         [("states:StartExecution", "arn:aws:states:::stateMachine:other")]),
        ("arn:aws:states:::aws-sdk:s3:getObject", {"Bucket": "photos", "Key": "uploads/a b.jpg"},
         [("s3:GetObject", "arn:aws:s3:::photos/uploads/a b.jpg")]),
        ("arn:aws:states:::aws-sdk:s3:listObjectsV2", {"Bucket": "photos"}, [("s3:ListBucket", "arn:aws:s3:::photos")]),
        ("arn:aws:states:::aws-sdk:cloudwatch:describeAlarms", {"AlarmNames": ["ringing"]},
         [("cloudwatch:DescribeAlarms", "*")]),
        ("arn:aws:states:::sagemaker:createTrainingJob.sync", JOB,
         [("sagemaker:CreateTrainingJob", "arn:aws:sagemaker:us-east-1:000000000000:training-job/cars-retrain-1"),
          ("sagemaker:AddTags", "arn:aws:sagemaker:us-east-1:000000000000:training-job/cars-retrain-1"),
          ("iam:PassRole", "arn:aws:iam::000000000000:role/trains")]),
        ("arn:aws:states:::aws-sdk:sagemaker:updateEndpoint", {"EndpointName": "cars", "EndpointConfigName": "Cars-V2"},
         [("sagemaker:UpdateEndpoint", "arn:aws:sagemaker:us-east-1:000000000000:endpoint/cars"),
          ("sagemaker:UpdateEndpoint", "arn:aws:sagemaker:us-east-1:000000000000:endpoint-config/cars-v2")]),
        ("arn:aws:states:::aws-sdk:sagemaker:createModelPackage", {"ModelPackageGroupName": "Cars"},
         [("sagemaker:CreateModelPackage", "arn:aws:sagemaker:us-east-1:000000000000:model-package/cars/*")]),
        ("arn:aws:states:::aws-sdk:sagemaker:listModelPackages", {"ModelPackageGroupName": "cars"},
         [("sagemaker:ListModelPackages", "arn:aws:sagemaker:us-east-1:000000000000:model-package-group/cars")]),
        ("arn:aws:states:::aws-sdk:sagemaker:addTags", {"ResourceArn": "arn:aws:sagemaker:us-east-1:0:endpoint/cars"},
         [("sagemaker:AddTags", "arn:aws:sagemaker:us-east-1:0:endpoint/cars")]),
        ("arn:aws:states:us-east-1:000000000000:activity:by-hand", {}, []),
    ],
    ids=lambda value: value.rpartition(":::")[2] if isinstance(value, str) else "",
)  # fmt: skip
def test_a_task_asks_for(resource: str, parameters: Any, asked: list[tuple[str, str]]) -> None:
    """Each action, and the ARN that a policy's Resource is held against."""
    assert [(each.action, each.resource) for each in calls(resource, parameters, REGION, ACCOUNT)] == asked


def test_a_policy_may_ask_who_tells_and_whom_a_role_is_handed_to() -> None:
    """The keys that conditions of AWS's own examples use."""
    (told,) = calls("arn:aws:states:::events:putEvents", {"Entries": [BUS]}, REGION, ACCOUNT)
    *_, passed = calls("arn:aws:states:::sagemaker:createTrainingJob", JOB, REGION, ACCOUNT)

    assert told.conditions == {"events:source": "vehiclevision", "events:detail-type": "VehicleClassified"}
    assert passed.conditions == {"iam:passedtoservice": "sagemaker.amazonaws.com"}
