"""Build the application and deploy it to AWS; endpoint and threshold are those of the model that serves.

The functions are built for the very Python that they will run on. Run it again after a new model is deployed, so that
the threshold follows; what was given before stays. Nothing is changed before you have agreed to the list of changes.
"""

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from cli.display import notes, printable, tell, typed
from cli.errors import USAGE, CommandError
from cli.options import AsJson, YesToQuestions, flag, option
from cli.sagemaker import SageMakerAccount
from cli.sam import Deployer, given_parameters, parameters_in, template_of
from lifecycle import lean as thrift
from lifecycle import stacks
from lifecycle.site import CAPTURES, Aws
from lifecycle.standing import standing
from local.deploy import VEHICLEVISION, overrides

RUNTIMES: Final = ("python3.14", "python3.13", "python3.12", "python3.11")


def command(
    *,
    account: SageMakerAccount,
    parameters: Annotated[
        list[str] | None, option("--parameter", "NAME=VALUE", "A parameter of template.yaml; repeatable.")
    ] = None,
    lean: Annotated[
        bool | None,
        flag(
            "--lean/--no-lean",
            "As cheaply as it goes: the parameters of samconfig.toml's environment lean; --no-lean takes them back.",
        ),
    ] = None,
    dry_run: Annotated[bool, flag("--dry-run", "Say what would be run and given, and do nothing.")] = False,
    yes: YesToQuestions = False,
    as_json: AsJson = False,
) -> int:
    """Build, deploy, and say what comes next."""
    if not account.is_in_aws:
        raise CommandError("This deploys to AWS.", f"Add --aws. On this machine: {typed()} up", USAGE)
    given = given_parameters(parameters or [], parameters_in(VEHICLEVISION), "template.yaml lists")
    connection = account.connect()
    target, aws = connection.target, connection.aws
    before = stacks.parameters(stacks.described(aws.client, target.stack))
    thrifty = {} if lean is None else thrift.parameters(VEHICLEVISION.folder)
    chosen = thrifty if lean else {name: default(name) for name in thrifty}
    of_model = {} if asks_another_endpoint(before, aws) else of_the_model(aws, {**before, **chosen})
    asked = {**chosen, **of_model, **given}
    asked["PythonRuntime"] = runtime(given.get("PythonRuntime"), before.get("PythonRuntime"), shutil.which)
    asked.setdefault("Architecture", before.get("Architecture") or default("Architecture"))
    changed = {name for name, value in asked.items() if before.get(name) != value}
    for name, value in sorted(asked.items()):
        was = f" (was {before[name]})" if before.get(name, value) != value else ""
        notes().print(printable(f"{name} is {value}{was}"))
    facts: dict[str, Any] = {"stack": target.stack, "parameters": asked, "changed": sorted(changed)}
    if dry_run:
        return tell(as_json, facts, *dry_words(asked))
    facts["outputs"] = Deployer(target, account.profile, yes, quiet=as_json).deploy(VEHICLEVISION, target.stack, asked)
    words = [f"{target.stack} is deployed. Classify images with: {typed()} drop PATH...{target.options}"]
    if changed & {"ConfidenceThreshold", "Watch"} and stacks.described(aws.client, target.beside("monitoring")):
        words.append(f"Its monitoring takes that over with: {typed()} monitor deploy{target.options}")
    elif asked.get("Watch") == "lean" and not stacks.described(aws.client, target.beside("reconciling")):
        words.append(f"Lost photos are found by reconciling alone: {typed()} monitor deploy{target.options}")
    return tell(as_json, facts, *words)


def dry_words(parameters: Mapping[str, str]) -> list[str]:
    """The two commands that would be run."""
    built = [f"{name}={parameters[name]}" for name in ("PythonRuntime", "Architecture")]
    return [
        f"sam build --parameter-overrides {' '.join(built)}",
        f"sam deploy --parameter-overrides {' '.join(overrides(parameters))}",
    ]


def of_the_model(aws: Aws, before: Mapping[str, str]) -> dict[str, str]:
    """Endpoint, its version's threshold and who captures, as the application's parameters; {} without one."""
    now = standing(aws)
    if now.endpoint_status is None:
        notes().print(f"There is no endpoint yet. Make one with: {typed()} sagemaker deploy --aws --latest")
        return {}
    # AWS captures nothing on a serverless endpoint, so the application does; elsewhere nothing is captured twice.
    captured = {}
    if now.serverless:
        percent = before.get("CapturePercent", "0")
        captured = {"CaptureBucketName": aws.site.bucket, "CapturePrefix": CAPTURES}
        captured["CapturePercent"] = percent if percent != "0" else "100"
    elif before.get("CaptureBucketName"):
        captured = {"CapturePercent": "0"}
    if now.serving is None or now.serving.threshold is None:
        notes().print("What serves is no version with a threshold of its own; the application's stays as it is.")
        return {"EndpointName": now.endpoint, **captured}
    return {"EndpointName": now.endpoint, "ConfidenceThreshold": json.dumps(now.serving.threshold), **captured}


def asks_another_endpoint(before: Mapping[str, str], aws: Aws) -> bool:
    """Whether the deployed application asks an endpoint that is none of ours; it and its threshold are left alone."""
    another = before.get("EndpointName", aws.site.endpoint) != aws.site.endpoint
    if another:
        notes().print(
            printable(f"It asks the endpoint {before['EndpointName']}; endpoint and threshold stay as they are.")
        )
    return another


def runtime(given: str | None, before: str | None, which: Callable[[str], str | None]) -> str:
    """The Python that the functions are built for and run on: it must be on this machine, or packages of another would
    be packed. The one that was asked for, else the deployed one, the template's, the one that runs this, any other."""
    own = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if given is not None:
        if which(given) or given == own:
            return given
        raise CommandError(
            f"{given} is not on the path, and sam build takes it to build for it.",
            f"Install it, or leave PythonRuntime out: the functions then run on {own}.",
            USAGE,
        )
    for each in (before, default("PythonRuntime"), own, *RUNTIMES):
        if each in RUNTIMES and (which(each) or each == own):
            return each
    raise CommandError("There is no Python that Lambda runs.", "Install Python 3.11 to 3.14.")


def default(name: str) -> str:
    """A parameter's default in the template."""
    return str(template_of(VEHICLEVISION)["Parameters"][name]["Default"])
