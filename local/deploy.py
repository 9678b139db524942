"""A SAM application into the engine: the real `sam build`, then the real `sam deploy`.

Only a copy of the built template is changed: MiniStack runs managed Python runtimes in its own
interpreter and loses error names, so the copy names Lambda's custom runtime, and the artefact's copy
gets the `bootstrap` that runs AWS's own Python runtime client.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import botocore.session
import yaml

from lifecycle import stacks
from local import processes
from local.errors import LocalAwsError
from local.place import CHECKOUT, MINISTACK_VERSION

ARTEFACT_BUCKET = "vehiclevision-local-artefacts"
CUSTOM_RUNTIME = "provided.al2023"
BOOTSTRAP = Path(__file__).parent / "engine" / "lambda_worker" / "bootstrap"
# In the folder for builds: the digest of what the build was made from.
BUILT_FROM = "built_from"
# In an application's room: what was deployed last, and the outputs of its stack.
DEPLOYED = "deployed.json"
SAM_SECONDS = 600.0
POLL_SECONDS = "0.3"
LEFT_OUT = frozenset({"__pycache__", ".mypy_cache", ".ruff_cache"})
# Properties that hold a path relative to the template.
PATH_KEYS = frozenset({"CodeUri", "DefinitionUri", "ContentUri", "Location", "TemplateURL"})


@dataclass(frozen=True)
class Application:
    """A SAM application: its template and samconfig lie in `folder`."""

    folder: Path
    stack: str
    # What decides whether a deployment is up to date.
    inputs: tuple[str, ...]
    # Where its copy lies in a state folder.
    room: str
    # Whether its artefact holds its packages, as in AWS. Without them the functions use those of this environment,
    # which a worker finds behind the artefact: numpy and scipy alone are 200 MB, to be packed and unpacked every time.
    with_packages: bool = True

    def at(self, checkout: Path) -> "Application":
        """The same application of another checkout."""
        return replace(self, folder=checkout / self.folder.relative_to(CHECKOUT))


VEHICLEVISION = Application(
    CHECKOUT,
    "vehiclevision",
    ("template.yaml", "samconfig.toml", "dashboard.yaml", "statemachine/classify_vehicle.asl.json", "functions"),
    "deploy",
)


def _beside(name: str, *inputs: str) -> Application:
    """The application of a room, whose functions lie in its folder `lambda`."""
    made_from = ("template.yaml", "samconfig.toml", *inputs, "lambda")
    return Application(CHECKOUT / name, f"vehiclevision-{name}", made_from, f"deploy-{name}", with_packages=False)


MONITORING = _beside("monitoring", "dashboard.yaml")
RETRAINING = _beside("retraining", "statemachine")
RECONCILING = _beside("reconciling")
BACKFILLING = _beside("backfilling", "statemachine")
CONSOLE = _beside("console")


def deploy(
    application: Application,
    directory: Path,
    environment: Mapping[str, str],
    progress: Callable[[str], None],
    parameters: Mapping[str, str] = {},
) -> dict[str, str]:
    """Bring the engine's stack up to date with the application; returns the stack's outputs."""
    room = directory / application.room
    inputs = fingerprint(application, parameters)
    done = processes.read_json(room / DEPLOYED)
    if done.get("inputs") == inputs and (outputs := stack_outputs(environment, application.stack)):
        return outputs
    with _build_room(application.folder) as shared:
        build(application, shared, room, environment, progress)
        template = prepare(shared, room)
    progress("Deploying the stack with SAM")
    if _stack(environment, application.stack).get("StackStatus") in stacks.HOPELESS:
        # It cannot be updated and holds nothing.
        stacks.remove(lambda service: client(service, environment), application.stack)
    deploy_stack(application.folder, room, template, environment, parameters)
    outputs = stack_outputs(environment, application.stack)
    processes.write_atomically(room / DEPLOYED, json.dumps({"inputs": inputs, "outputs": outputs}, indent=1))
    return outputs


def remove(application: Application, directory: Path, environment: Mapping[str, str]) -> bool:
    """Delete the engine's stack of the application; whether there was one."""
    shutil.rmtree(directory / application.room, ignore_errors=True)
    is_there = bool(_stack(environment, application.stack))
    stacks.remove(lambda service: client(service, environment), application.stack)
    return is_there


def fingerprint(application: Application, parameters: Mapping[str, str] = {}) -> str:
    """A digest of all that goes into the deployment."""
    words = [sys.version_info[:2], MINISTACK_VERSION, platform.machine(), sorted(parameters.items())]
    files = [path for name in application.inputs for path in _files(application.folder / name)]
    return _digest(json.dumps(words), {str(path): path for path in files})


def _digest(words: str, files: Mapping[str, Path]) -> str:
    digest = hashlib.sha256(words.encode())
    for name, path in {**files, "bootstrap": BOOTSTRAP}.items():
        digest.update(f"\0{name}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir() and path.name not in LEFT_OUT:
        for child in sorted(path.iterdir()):
            yield from _files(child)


def stack_outputs(environment: Mapping[str, str], name: str = VEHICLEVISION.stack) -> dict[str, str]:
    """The outputs of the deployed stack, or nothing when there is no sound one."""
    stack = _stack(environment, name)
    if stack.get("StackStatus") not in stacks.SOUND:
        return {}
    return stacks.outputs(stack)


def _stack(environment: Mapping[str, str], name: str) -> stacks.Stack:
    return stacks.described(lambda service: client(service, environment), name) or {}


def sealed_session(access_key_id: str, secret_access_key: str) -> botocore.session.Session:
    """A session that never looks at the person's own profiles and files: they may name anything, or be broken."""
    nowhere = {"profile": None, "config_file": os.devnull, "credentials_file": os.devnull}
    session = botocore.session.Session({name: (None, None, value, None) for name, value in nowhere.items()})
    session.set_credentials(access_key_id, secret_access_key)
    return session


def client(service: str, environment: Mapping[str, str]) -> Any:
    """A client of the engine."""
    session = sealed_session(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
    return session.create_client(service, environment["AWS_REGION"], endpoint_url=environment["AWS_ENDPOINT_URL"])


@contextlib.contextmanager
def _build_room(application: Path) -> Iterator[Path]:
    """The application's folder for builds for this machine, held alone; emptied if its last build was cut off.

    All state folders share it, so that only the first builds and fetches packages. It lies beside the packages
    that SAM keeps in the application's `.aws-sam`, which two builds at a time would take from each other.
    """
    shared = application / ".aws-sam" / "local"
    shared.mkdir(parents=True, exist_ok=True)
    unfinished = shared / "unfinished"
    with (shared / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if unfinished.exists():
            shutil.rmtree(shared / "build", ignore_errors=True)
            (shared / "build.toml").unlink(missing_ok=True)
            (shared / BUILT_FROM).unlink(missing_ok=True)
        unfinished.touch()
        yield shared
        unfinished.unlink()


def build(
    application: Application, shared: Path, room: Path, environment: Mapping[str, str], progress: Callable[[str], None]
) -> None:
    """Build the functions for this machine's Python and processor, in a folder apart from a build for AWS.

    Where the last build was made from the same files, there is nothing to do.
    """
    built_from, inputs = shared / BUILT_FROM, fingerprint(application)
    if built_from.exists() and built_from.read_text() == inputs and (shared / "build" / "template.yaml").exists():
        return
    built_from.unlink(missing_ok=True)
    progress("Building the functions with SAM")
    runtime = f"PythonRuntime=python{sys.version_info.major}.{sys.version_info.minor}"
    architecture = f"Architecture={'arm64' if platform.machine() in ('arm64', 'aarch64') else 'x86_64'}"
    arguments = ["--build-dir", str(shared / "build"), "--cached", "--cache-dir", str(shared / "cache")]
    if not application.with_packages:
        processes.write_atomically(room / "requirements.txt", "# Nothing beside what is installed here.\n")
        arguments += ["--manifest", str((room / "requirements.txt").resolve())]
    overrides = ["--parameter-overrides", runtime, architecture]
    _sam(["build", *arguments, *overrides], application.folder, room, environment)
    processes.write_atomically(built_from, inputs)


def prepare(shared: Path, room: Path) -> Path:
    """Copy what was built and fit the copy to the engine; returns the copied template."""
    built = shared / "build"
    template = yaml.safe_load((built / "template.yaml").read_text())
    prepared: dict[str, Path] = {}
    for resource in template["Resources"].values():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        properties = resource["Properties"]
        artefact = built / properties["CodeUri"]
        content = _digest("", {str(path.relative_to(artefact)): path for path in _files(artefact)})[:16]
        prepared[content] = room / "functions" / content
        properties |= {"CodeUri": str(prepared[content].resolve()), "Runtime": CUSTOM_RUNTIME}
        if not prepared[content].exists():
            _copy_artefact(artefact, prepared[content])
    for old in (room / "functions").iterdir():
        if old not in prepared.values():
            shutil.rmtree(old)
    template.get("Globals", {}).get("Function", {}).pop("CodeUri", None)
    _make_absolute(template, built)
    copy = room / "template.json"
    processes.write_atomically(copy, json.dumps(template, indent=1))
    return copy


def _copy_artefact(artefact: Path, copy: Path) -> None:
    unfinished = copy.with_name(copy.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(artefact, unfinished, copy_function=_link_or_copy)
    shutil.copy(BOOTSTRAP, unfinished / "bootstrap")
    (unfinished / "bootstrap").chmod(0o755)
    _compile(unfinished)
    unfinished.rename(copy)


def _compile(folder: Path) -> None:
    """Ship the bytecode: the engine unpacks anew at each start, and every first call would compile again."""
    command = [sys.executable, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    # What cannot be compiled is not imported either, or says so itself; the exit code has no news.
    subprocess.run([*command, str(folder)], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _make_absolute(node: Any, base: Path) -> None:
    """Paths in the template are relative to the folder it was built into."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in PATH_KEYS and isinstance(value, str) and (base / value).exists():
                node[key] = str((base / value).resolve())
            else:
                _make_absolute(value, base)
    elif isinstance(node, list):
        for value in node:
            _make_absolute(value, base)


def deploy_stack(
    application: Path, room: Path, template: Path, environment: Mapping[str, str], parameters: Mapping[str, str] = {}
) -> None:
    """Run `sam deploy` of the copied template."""
    # A bucket of our own: SAM's managed one is a stack more, whose waiter looks every 15 s.
    client("s3", environment).create_bucket(Bucket=ARTEFACT_BUCKET)
    arguments = ["--template-file", str(template), "--s3-bucket", ARTEFACT_BUCKET, "--no-resolve-s3"]
    if parameters:
        arguments += ["--parameter-overrides", *overrides(parameters)]
    _sam(["deploy", *arguments], application, room, environment)


def overrides(parameters: Mapping[str, str]) -> list[str]:
    """Parameters as `sam deploy` takes them; it refuses empty ones, and reads one with a space only in quotes."""
    words = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in parameters.items() if value}
    return [f'{name}="{value}"' for name, value in words.items()]


def sam_executable() -> Path:
    """The SAM CLI, which lives in an environment of its own: its pins and the engine's do not agree."""
    sam = Path(os.environ.get("VEHICLEVISION_SAM") or Path(__file__).parents[1] / ".venv-sam" / "bin" / "sam")
    if not sam.exists():
        raise LocalAwsError("The SAM CLI is not installed.", "Install everything with: make setup")
    return sam


def _sam(arguments: list[str], application: Path, room: Path, environment: Mapping[str, str]) -> None:
    """Run one SAM command of samconfig.toml's local environment; its whole output goes to a log."""
    verb = arguments[0]
    log = room / f"sam-{verb}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    config = ["--config-file", str((application / "samconfig.toml").resolve()), "--config-env", "local"]
    python = Path(sys.executable).parent
    own = {
        "PATH": f"{python}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": POLL_SECONDS,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = [str(sam_executable()), *arguments, *config]
    try:
        code = processes.run_tied(command, {**kept, **environment, **own}, application, log, SAM_SECONDS)
    except subprocess.TimeoutExpired:
        raise LocalAwsError(f"`sam {verb}` did not end within {SAM_SECONDS:.0f} s.", f"Its log is {log}") from None
    if code != 0:
        raise LocalAwsError(f"`sam {verb}` failed: {_error_line(log)}", f"Its log is {log}")


def _error_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("Error:")]
    return (errors or lines or ["it said nothing"])[-1]
