"""Roles and policies, made worse."""

from tests.infra.project import Project
from tests.infra.weakenings.planting import resources, statement, weakens


@weakens("roles_may_do_exactly_this")
def a_role_for_every_bucket(project: Project) -> None:
    statement(project, "SerializeImageRole")["Resource"] = {"Fn::Sub": "arn:${AWS::Partition}:s3:::*/*"}


@weakens("nothing_is_granted_on_everything")
def a_role_for_everything(project: Project) -> None:
    statement(project, "ClassifyImageRole")["Resource"] = "*"


@weakens("roles_may_do_exactly_this")
def an_action_too_many(project: Project) -> None:
    statement(project, "SerializeImageRole")["Action"].append("s3:PutObject")


@weakens("no_action_is_a_wildcard")
def a_wildcard_action(project: Project) -> None:
    statement(project, "ClassifyVehicleRole", 0, 1)["Action"] = "dynamodb:*"


@weakens("no_action_is_a_wildcard")
def an_allow_by_exception(project: Project) -> None:
    statement(project, "FilterInferencesRole")["NotAction"] = "iam:*"


@weakens("roles_have_no_other_source_of_rights")
def a_managed_policy(project: Project) -> None:
    project.properties("FilterInferencesRole")["ManagedPolicyArns"] = ["arn:x"]


@weakens("roles_have_no_other_source_of_rights")
def a_function_with_policies_beside_its_role(project: Project) -> None:
    project.properties("FilterInferencesFunction")["Policies"] = ["AmazonS3FullAccess"]


@weakens("policies_beside_roles_are_there_when_needed")
def a_hand_over_to_any_workflow(project: Project) -> None:
    project.properties("HandOverPolicy")["PolicyDocument"]["Statement"][0]["Resource"] = "*"


@weakens("policies_beside_roles_are_there_when_needed")
def a_capture_that_writes_anywhere(project: Project) -> None:
    project.properties("CapturePolicy")["PolicyDocument"]["Statement"][0]["Resource"] = "*"


@weakens("policies_beside_roles_are_there_when_needed")
def a_right_to_rekognition_for_who_does_not_ask_it(project: Project) -> None:
    del project.resources("AWS::IAM::Policy")["RekognitionPolicy"]["Condition"]


@weakens("policies_beside_roles_are_there_when_needed")
def a_right_to_every_model_on_bedrock(project: Project) -> None:
    project.properties("BedrockPolicy")["PolicyDocument"]["Statement"][0]["Resource"] = "*"


@weakens("only_the_service_takes_the_role")
def a_role_that_anyone_s_rule_can_take(project: Project) -> None:
    del project.properties("UploadRuleRole")["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]


@weakens("only_the_service_takes_the_role")
def a_role_that_another_account_can_take(project: Project) -> None:
    project.properties("ClassifyImageRole")["AssumeRolePolicyDocument"] = {
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]
    }


@weakens("every_function_has_its_own_role")
def a_function_without_a_role_of_its_own(project: Project) -> None:
    project.properties("FilterInferencesFunction")["Role"] = {"Fn::GetAtt": ["ClassifyImageRole", "Arn"]}


@weakens("guests_are_held_to_this_account")
def a_queue_open_to_every_rule(project: Project) -> None:
    del project.properties("DeadLetterQueuePolicy")["PolicyDocument"]["Statement"][0]["Condition"]


@weakens("guests_are_held_to_this_account")
def a_bucket_open_to_the_world(project: Project) -> None:
    project.properties("UploadBucketPolicy")["PolicyDocument"]["Statement"].append(
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": {"Fn::Sub": "${UploadBucket.Arn}/*"},
        }
    )


@weakens("plain_text_is_denied")
def a_bucket_without_tls(project: Project) -> None:
    del resources(project)["UploadBucketPolicy"]


@weakens("plain_text_is_denied")
def a_topic_without_tls(project: Project) -> None:
    del project.properties("AlarmTopicPolicy")["PolicyDocument"]["Statement"][1]
