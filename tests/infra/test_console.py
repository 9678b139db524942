"""The page in AWS: what its template says of who comes in, and what the page itself says, are the same."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from console.roles import Role
from console.shared import SHARED_ADDRESSES
from tests.infra.checks.access import _access
from tests.infra.project import Project, rendered

_TABLE = "arn:AWS::Partition:dynamodb:AWS::Region:AWS::AccountId:table/ResultsTableName"
_BUCKET = "arn:AWS::Partition:s3:::BucketName"
_MODELS = "arn:AWS::Partition:s3:::SageMakerBucketName"
_SAGEMAKER = "arn:AWS::Partition:sagemaker:AWS::Region:AWS::AccountId"
_LOGS = "arn:AWS::Partition:logs:AWS::Region:AWS::AccountId:log-group"
_NAMED = {"Fn::Join": [":execution:", {"Fn::Split": [":stateMachine:", {"Ref": "StateMachineArn"}]}]}
_EXECUTIONS = {"Fn::Join": ["", [_NAMED, ":*"]]}
_STATES = ("SerializeImage", "ClassifyImage", "FilterInferences")
EXPECTED_ACCESS = {
    *((f"dynamodb:{action}", _TABLE) for action in ("GetItem", "BatchGetItem", "Query", "UpdateItem")),
    ("dynamodb:Query", f"{_TABLE}/index/by_outcome"),
    ("s3:ListBucket", _BUCKET),
    *((f"s3:{action}", f"{_BUCKET}/uploads/*") for action in ("GetObject", "GetObjectVersion")),
    *(("s3:PutObject", f"{_BUCKET}/{folder}/*") for folder in ("uploads/page", "uploads/partner", "reviewed")),
    ("s3:DeleteObject", f"{_BUCKET}/reviewed/*"),
    ("events:PutEvents", "arn:AWS::Partition:events:AWS::Region:AWS::AccountId:event-bus/EventBusName"),
    *((f"states:{action}", "StateMachineArn") for action in ("ListExecutions", "StartExecution")),
    *(
        (f"states:{action}", str(_EXECUTIONS))
        for action in ("DescribeExecution", "GetExecutionHistory", "DescribeStateMachineForExecution")
    ),
    (
        "lambda:GetFunctionConfiguration",
        "arn:AWS::Partition:lambda:AWS::Region:AWS::AccountId:function:FilterInferencesFunctionName",
    ),
    *(
        (f"sagemaker:{action}", f"{_SAGEMAKER}:{kind}")
        for action in ("DescribeEndpoint", "DescribeEndpointConfig", "DescribeModel")
        for kind in ("endpoint/Application", "endpoint-config/Application-*", "model/Application-*")
    ),
    *(
        (f"sagemaker:{action}", f"{_SAGEMAKER}:{kind}")
        for action in ("DescribeModelPackageGroup", "ListModelPackages", "DescribeModelPackage")
        for kind in ("model-package-group/Application", "model-package/Application/*")
    ),
    *(("s3:GetObject", f"{_MODELS}/{folder}/*") for folder in ("models", "monitoring/EndpointName")),
    ("s3:ListBucket", _MODELS),
    ("cloudwatch:DescribeAlarms", "*"),
    *(("logs:FilterLogEvents", f"{_LOGS}:{name}LogGroup:*") for name in _STATES),
    *((f"logs:{action}", "ServePageLogGroup.Arn") for action in ("CreateLogStream", "PutLogEvents")),
}


def _routes(project: Project) -> dict[str, Any]:
    routes = project.of_console().resources("AWS::ApiGatewayV2::Route").values()
    return {route["Properties"]["RouteKey"]: route["Properties"] for route in routes}


def test_the_page_s_role_may_do_exactly_this(project: Project) -> None:
    """Everything by its name, and not one action more."""
    (role,) = project.of_console().resources("AWS::IAM::Role").values()

    assert set(_access(role)) == EXPECTED_ACCESS


def test_each_address_of_systems_is_guarded_by_its_scope(project: Project) -> None:
    """API Gateway lets no token through that lacks the scope which the page asks for, too."""
    routes = _routes(project)
    guarded = {key: route["AuthorizationScopes"] for key, route in routes.items() if key != "$default"}

    assert guarded == {f"{each.method} {each.path}": [each.scope] for each in SHARED_ADDRESSES if each.scope}
    assert {route["AuthorizationType"] for key, route in routes.items() if key != "$default"} == {"JWT"}


def test_people_s_cookies_are_left_to_the_page(project: Project) -> None:
    """No authorizer of API Gateway reads a cookie, so that one route has none, and the page checks what comes there."""
    template = project.of_console()
    (authorizer,) = template.resources("AWS::ApiGatewayV2::Authorizer").values()

    assert _routes(project)["$default"]["AuthorizationType"] == "NONE"
    assert authorizer["Properties"]["IdentitySource"] == ["$request.header.Authorization"]
    assert [rendered(each) for each in authorizer["Properties"]["JwtConfiguration"]["Audience"]] == ["PartnerClient"]


def test_groups_and_scopes_are_those_that_the_page_knows(project: Project) -> None:
    """A group for each role; a scope for each address of systems; and a person's client is given no such scope."""
    template = project.of_console()
    groups = {each["Properties"]["GroupName"] for each in template.resources("AWS::Cognito::UserPoolGroup").values()}
    server = template.properties("PartnerInterface")
    scopes = {f"{server['Identifier']}/{each['ScopeName']}" for each in server["Scopes"]}

    assert groups == {role.group for role in Role if role is not Role.ANYBODY}
    assert scopes == {each.scope for each in SHARED_ADDRESSES if each.scope}
    assert set(template.properties("PartnerClient")["AllowedOAuthScopes"]) == scopes
    assert template.properties("PageClient")["AllowedOAuthScopes"] == ["openid", "email"]


def test_nobody_signs_up_and_the_page_s_client_has_no_secret(project: Project) -> None:
    """People are added by whoever runs the application; a code is protected by the browser's own verifier."""
    template = project.of_console()

    assert template.properties("UserPool")["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": True}
    assert template.properties("PageClient")["AllowedOAuthFlows"] == ["code"]
    assert template.properties("PageClient")["GenerateSecret"] is False
    assert template.properties("PartnerClient")["AllowedOAuthFlows"] == ["client_credentials"]


def test_managed_login_comes_with_the_plan_that_has_it(project: Project) -> None:
    """The pages, their plan and their style are chosen together."""
    template = project.of_console()

    assert template.properties("UserPool")["UserPoolTier"] == {"Fn::If": ["IsManaged", "ESSENTIALS", "LITE"]}
    assert template.properties("UserPoolDomain")["ManagedLoginVersion"] == {"Fn::If": ["IsManaged", 2, 1]}
    assert template.template["Resources"]["PageStyle"]["Condition"] == "IsManaged"


def test_the_function_has_every_setting_that_it_reads(project: Project, root: Path) -> None:
    """Each output of the application that the page reads is a parameter, and goes to the function."""
    template = project.of_console()
    settings = (root / "console/lambda/serve_page/settings.py").read_text()
    variables = template.properties("ServePageFunction")["Environment"]["Variables"]
    outputs = set(project.template["Outputs"]) & set(template.template["Parameters"])

    given = {name.replace("_", "").lower() for name in variables}
    assert {name.lower() for name in outputs} <= given
    assert all(f'"{name}"' in settings for name in outputs)
    assert tomllib.loads((root / "console/samconfig.toml").read_text())["local"]["deploy"]["parameters"]


@pytest.mark.parametrize(
    ("missing", "imported"),
    [("numpy scipy onnxruntime", "console.shared"), ("scipy matplotlib samtranslator uvicorn", "console.versions")],
    ids=["the pages", "what runs models"],
)
def test_the_function_holds_what_it_imports(root: Path, missing: str, imported: str) -> None:
    """Pages begin without numbers, and models run without statistics, for which Lambda has no room."""
    blocked = f"import sys; sys.modules.update(dict.fromkeys({missing.split()!r}))"
    program = f"{blocked}; import {imported} as it; print(it.__file__)"
    folder = root / "console" / "lambda"

    run = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )

    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(str(folder))
