"""From the SAM templates to the CloudFormation that AWS would deploy, without a network."""

import copy
import json

from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader  # type: ignore[import-untyped]
from samtranslator.translator.transform import transform  # type: ignore[import-untyped]

from lifecycle.templates import parsed
from tests.infra.project import BACKFILL, RETRAIN_MODEL, Json, Project

_ARTEFACT = "s3://artefacts/artefact"


class NoManagedPolicies(ManagedPolicyLoader):  # type: ignore[misc]
    """IAM's list of managed policies, empty: the template names none, and a name would fail here."""

    def __init__(self) -> None:
        super().__init__(None)

    def load(self) -> dict[str, str]:
        """No policy at all."""
        return {}


def to_cloudformation(project: Project) -> Json:
    """Do what sam deploy and CloudFormation do: package, include the dashboard, translate, put the definition in."""
    template = copy.deepcopy(project.template)
    template["Globals"]["Function"]["CodeUri"] = _ARTEFACT
    machines = ("ClassifyVehicleStateMachine", "ClassifyVehicleExpressStateMachine")
    for name in machines:
        template["Resources"][name]["Properties"]["DefinitionUri"] = _ARTEFACT
    template["Resources"]["Dashboard"]["Properties"]["DashboardBody"] = parsed(project.files["dashboard.yaml"])
    translated: Json = transform(template, {}, NoManagedPolicies())
    # As text, so that cfn-lint holds it against the schema of the States Language.
    for name in machines:
        definition = translated["Resources"][name]["Properties"]
        del definition["DefinitionS3Location"]
        definition["DefinitionString"] = json.dumps(project.machine)
    return translated


def monitoring_to_cloudformation(project: Project) -> Json:
    """The same for monitoring/template.yaml."""
    template = copy.deepcopy(project.monitoring)
    template["Globals"]["Function"]["CodeUri"] = _ARTEFACT
    dashboard = template["Resources"]["Dashboard"]["Properties"]
    dashboard["DashboardBody"] = parsed(project.files["monitoring/dashboard.yaml"])
    translated: Json = transform(template, {}, NoManagedPolicies())
    return translated


def plain_to_cloudformation(template: Json) -> Json:
    """The same for a template of a function and what is around it."""
    template = copy.deepcopy(template)
    template["Globals"]["Function"]["CodeUri"] = _ARTEFACT
    translated: Json = transform(template, {}, NoManagedPolicies())
    return translated


def retraining_to_cloudformation(project: Project) -> Json:
    """The same for retraining/template.yaml."""
    return _with_machine(project.retraining, "RetrainModelStateMachine", project.files[RETRAIN_MODEL])


def backfilling_to_cloudformation(project: Project) -> Json:
    """The same for backfilling/template.yaml."""
    return _with_machine(project.backfilling, "BackfillStateMachine", project.files[BACKFILL])


def _with_machine(template: Json, name: str, text: str) -> Json:
    """A template with its state machine in it as plain CloudFormation."""
    template = copy.deepcopy(template)
    template["Globals"]["Function"]["CodeUri"] = _ARTEFACT
    machine = template["Resources"][name]["Properties"]
    machine["DefinitionUri"] = _ARTEFACT
    translated: Json = transform(template, {}, NoManagedPolicies())
    definition = translated["Resources"][name]["Properties"]
    del definition["DefinitionS3Location"]
    # cfn-lint fills in names that stand alone; some of ours have .sync or .waitForTaskToken behind them.
    for word, value in machine["DefinitionSubstitutions"].items():
        if str(value.get("Fn::Sub", "")).startswith("arn:${AWS::Partition}:states:::"):
            text = text.replace(f"${{{word}}}", value["Fn::Sub"].replace("${AWS::Partition}", "aws"))
    definition["DefinitionString"] = text
    return translated
