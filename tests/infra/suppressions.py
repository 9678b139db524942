"""Every finding of a scanner that we do not follow, with the reason; a finding that is gone must leave this list."""

from dataclasses import dataclass
from typing import Final

_FUNCTIONS = ("SerializeImageFunction", "ClassifyImageFunction", "FilterInferencesFunction")
_LOG_GROUPS = ("ClassifyVehicleLogGroup", "SerializeImageLogGroup", "ClassifyImageLogGroup", "FilterInferencesLogGroup")

_CHECK = ("CheckDriftFunction",)
_JOIN = ("FindGapsFunction",)
_BACKFILL = ("BackfillPhotosFunction",)
_PAGE = ("ServePageFunction",)
_RETRAINING = ("StageDataFunction", "RegisterChallengerFunction")
_RETRAINING_LOG_GROUPS = ("StageDataLogGroup", "RegisterChallengerLogGroup", "RetrainModelLogGroup")
_QUEUES = ("ApprovalQueue", "RetrainingDeadLetterQueue")


@dataclass(frozen=True)
class Suppression:
    """A rule that these resources break on purpose."""

    rule: str
    resources: tuple[str, ...]
    reason: str


CFN_LINT: Final = (
    Suppression("ES6000", ("DeadLetterQueue",), "It is the dead-letter queue; nothing reads it by machine."),
    Suppression("ES4000", ("WorkflowFaultRule",), "Its target is the dead-letter queue; another would fail with it."),
    Suppression("ES7000", ("AlarmSubscription",), "A mail that was not sent must not count as a fault, and alarm."),
    Suppression("WS1000", _FUNCTIONS, "PassThrough follows the workflow's sampling; the roles need no X-Ray right."),
    Suppression("WS1004", _FUNCTIONS, "The rule does not know LoggingConfig; `every_log_ends` checks it."),
)

CHECKOV: Final = (
    Suppression("CKV_AWS_18", ("UploadBucket",), "Who reads a photo stands in CloudTrail, where it is switched on."),
    Suppression("CKV_AWS_27", ("DeadLetterQueue",), "SSE-SQS encrypts it; EventBridge cannot use AWS's own KMS key."),
    Suppression("CKV_AWS_26", ("AlarmTopic",), "CloudWatch cannot use AWS's own KMS key; only names of alarms pass."),
    Suppression("CKV_AWS_119", ("ResultsTable",), "AWS's own KMS key encrypts it; one's own costs money every month."),
    Suppression("CKV_AWS_158", _LOG_GROUPS, "CloudWatch encrypts logs anyway, and ours hold no picture and no secret."),
    Suppression("CKV_AWS_115", _FUNCTIONS, "Of a new account's ten none can be reserved; the workflow retries."),
    Suppression("CKV_AWS_116", _FUNCTIONS, "Only the workflow calls them, synchronously; its faults reach the queue."),
    Suppression("CKV_AWS_117", _FUNCTIONS, "They call AWS only; a VPC adds a way out to pay for, not a lock."),
    Suppression("CKV_AWS_173", _FUNCTIONS, "Lambda encrypts them anyway, and there is no secret among them."),
)

MONITORING_CFN_LINT: Final = (
    Suppression("WS1000", _CHECK, "PassThrough follows whoever calls; the role needs no X-Ray right."),
    Suppression("WS1004", _CHECK, "The rule does not know LoggingConfig; `monitoring_functions_are_of_one_kind` does."),
)

MONITORING_CHECKOV: Final = (
    Suppression("CKV_AWS_158", ("CheckDriftLogGroup",), "CloudWatch encrypts logs anyway, and ours hold no picture."),
    Suppression("CKV_AWS_115", _CHECK, "Of a new account's ten none can be reserved; the next check comes anyway."),
    Suppression("CKV_AWS_116", _CHECK, "A missing check alarms by itself."),
    Suppression("CKV_AWS_117", _CHECK, "It calls AWS only; a VPC adds a way out to pay for, not a lock."),
    Suppression("CKV_AWS_173", _CHECK, "Lambda encrypts them anyway, and there is no secret among them."),
)

RETRAINING_CFN_LINT: Final = (
    Suppression("ES6000", _QUEUES, "One is the dead-letter queue, the other holds questions for a person."),
    Suppression("WS1000", _RETRAINING, "PassThrough follows whoever calls; the roles need no X-Ray right."),
    Suppression(
        "WS1004", _RETRAINING, "The rule does not know LoggingConfig; `monitoring_functions_are_of_one_kind` does."
    ),
)

RETRAINING_CHECKOV: Final = (
    Suppression("CKV_AWS_27", _QUEUES, "SSE-SQS encrypts them; EventBridge cannot use AWS's own KMS key."),
    Suppression("CKV_AWS_158", _RETRAINING_LOG_GROUPS, "CloudWatch encrypts logs anyway, and ours hold no picture."),
    Suppression("CKV_AWS_115", _RETRAINING, "Of a new account's ten none can be reserved; the workflow retries."),
    Suppression("CKV_AWS_116", _RETRAINING, "Only the workflow calls them, and it catches their faults."),
    Suppression("CKV_AWS_117", _RETRAINING, "They call AWS only; a VPC adds a way out to pay for, not a lock."),
    Suppression("CKV_AWS_173", _RETRAINING, "Lambda encrypts them anyway, and there is no secret among them."),
)

RECONCILING_CFN_LINT: Final = (
    Suppression("WS1000", _JOIN, "PassThrough follows whoever calls; the role needs no X-Ray right."),
    Suppression("WS1004", _JOIN, "The rule does not know LoggingConfig; `monitoring_functions_are_of_one_kind` does."),
)

RECONCILING_CHECKOV: Final = (
    Suppression("CKV_AWS_119", ("LedgerTable",), "AWS's own KMS key encrypts it; one's own costs money every month."),
    Suppression("CKV_AWS_158", ("FindGapsLogGroup",), "CloudWatch encrypts logs anyway, and ours hold no picture."),
    Suppression("CKV_AWS_115", _JOIN, "Of a new account's ten none can be reserved; the next run goes on."),
    Suppression("CKV_AWS_116", _JOIN, "A missing run alarms by itself."),
    Suppression("CKV_AWS_117", _JOIN, "It calls AWS only; a VPC adds a way out to pay for, not a lock."),
    Suppression("CKV_AWS_173", _JOIN, "Lambda encrypts them anyway, and there is no secret among them."),
)

BACKFILLING_CFN_LINT: Final = (
    Suppression("WS1000", _BACKFILL, "PassThrough follows whoever calls; the role needs no X-Ray right."),
    Suppression("WS1004", _BACKFILL, "The rule does not know LoggingConfig; `every_log_ends` checks it."),
)

# Where the definition is put in, cfn-lint sees it too.
BACKFILLING_TRANSFORMED_CFN_LINT: Final = (
    *BACKFILLING_CFN_LINT,
    Suppression(
        "E3601",
        ("BackfillStateMachine",),
        "Its schema wants a number for MaxConcurrency; AWS's CDK has it be an expression: jsonataMaxConcurrency.",
    ),
)

BACKFILLING_CHECKOV: Final = (
    Suppression(
        "CKV_AWS_158",
        ("BackfillLogGroup", "BackfillPhotosLogGroup"),
        "CloudWatch encrypts logs anyway, and ours hold no picture.",
    ),
    Suppression("CKV_AWS_115", _BACKFILL, "Of a new account's ten none can be reserved; the workflow retries."),
    Suppression("CKV_AWS_116", _BACKFILL, "Only the workflow calls it, and retries."),
    Suppression("CKV_AWS_117", _BACKFILL, "It calls AWS only; a VPC adds a way out to pay for, not a lock."),
    Suppression("CKV_AWS_173", _BACKFILL, "Lambda encrypts them anyway, and there is no secret among them."),
)

CONSOLE_CFN_LINT: Final = (
    Suppression("WS1000", _PAGE, "PassThrough follows whoever calls; the role needs no X-Ray right."),
    Suppression("WS1004", _PAGE, "The rule does not know LoggingConfig; `every_log_ends` checks it."),
)

CONSOLE_CHECKOV: Final = (
    Suppression("CKV_AWS_158", ("ServePageLogGroup", "PageApiLogGroup"), "CloudWatch encrypts logs anyway."),
    Suppression("CKV_AWS_115", _PAGE, "Of a new account's ten none can be reserved; API Gateway throttles."),
    Suppression("CKV_AWS_116", _PAGE, "Only API Gateway calls it, and tells the caller."),
    Suppression("CKV_AWS_117", _PAGE, "It calls AWS only; a VPC adds a way out to pay for, not a lock."),
    Suppression("CKV_AWS_173", _PAGE, "Lambda encrypts them anyway, and there is no secret among them."),
)

SAGEMAKER_CHECKOV: Final = (
    Suppression("CKV_AWS_18", ("Bucket",), "Who reads a picture stands in CloudTrail, where it is switched on."),
    Suppression("CKV_AWS_136", ("Repository",), "AES-256 encrypts it; the image holds open-source code and no data."),
    Suppression("CKV_AWS_158", ("BuilderLogGroup",), "CloudWatch encrypts logs anyway; a build's holds no secret."),
)


def listed(suppressions: tuple[Suppression, ...]) -> set[tuple[str, str]]:
    """Each rule with each resource that may break it."""
    return {(entry.rule, resource) for entry in suppressions for resource in entry.resources}
