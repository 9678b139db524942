"""Photos through the whole workflow, beside an empty workflow of three functions: `python -m bench.workflow [N ...]`.

Both run on the same local engine in the same run, take turns, are fed the same files in the same bucket, and are
timed the same way: from the first upload to the end of the last execution. The empty one starts by the same kind of
rule, its three functions return their input, and it records nothing; what it reaches is the engine's own speed.
The CPU that a photo takes, of all processes of the local AWS, says the same on a busy machine; only Linux tells it.
"""

import contextlib
import io
import json
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console

from bench.tables import table
from local import stack
from local.deploy import BOOTSTRAP, CUSTOM_RUNTIME, client
from vehiclevision.storage import listed

UPLOADS_AT_A_TIME = 16
ROUNDS = 2
PATIENCE_SECONDS = 900
EMPTY_HANDLER = "import json\n\ndef lambda_handler(event, context):\n    print('{}')\n    return event\n"
console = Console(stderr=True)


def deploy_empty_workflow(aws: stack.LocalAws, outputs: Mapping[str, str]) -> str:
    """Three functions that return their input, in a row, started by uploads under empty/."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        bootstrap = zipfile.ZipInfo("bootstrap")
        bootstrap.external_attr = 0o755 << 16
        archive.writestr(bootstrap, BOOTSTRAP.read_bytes())
        archive.writestr("empty.py", EMPTY_HANDLER)
    account = outputs["StateMachineArn"].split(":")[4]
    role = f"arn:aws:iam::{account}:role/bench"
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
            for service in ("lambda", "states", "events")
        ],
    }
    iam = client("iam", aws.environment())
    iam.create_role(RoleName="bench", AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(RoleName="bench", PolicyName="all", PolicyDocument=json.dumps(policy))
    states: dict[str, Any] = {}
    for number in (1, 2, 3):
        function = client("lambda", aws.environment()).create_function(
            FunctionName=f"empty-{number}",
            Runtime=CUSTOM_RUNTIME,
            Role=role,
            Handler="empty.lambda_handler",
            Code={"ZipFile": package.getvalue()},
            Timeout=30,
        )
        step = {"Type": "Task", "Resource": function["FunctionArn"]}
        states[f"Step {number}"] = {**step, "Next": f"Step {number + 1}"} if number < 3 else {**step, "End": True}
    machine: str = client("stepfunctions", aws.environment()).create_state_machine(
        name="empty", roleArn=role, definition=json.dumps({"StartAt": "Step 1", "States": states})
    )["stateMachineArn"]
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [outputs["BucketName"]]}, "object": {"key": [{"prefix": "empty/"}]}},
    }
    events = client("events", aws.environment())
    events.put_rule(Name="empty", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="empty", Targets=[{"Id": "empty", "Arn": machine, "RoleArn": role}])
    return machine


def photo() -> bytes:
    """A file as a phone's messenger sends it: JPEG, 640 x 480."""
    noise = Image.effect_noise((640, 480), 40).convert("RGB")
    buffer = io.BytesIO()
    Image.blend(noise, Image.linear_gradient("L").resize((640, 480)).convert("RGB"), 0.8).save(
        buffer, "JPEG", quality=85
    )
    return buffer.getvalue()


def executions(states: Any, machine: str) -> list[dict[str, Any]]:
    """All executions of the state machine that have ended."""
    return [
        execution
        for status in ("SUCCEEDED", "FAILED")
        for execution in listed(states, "list_executions", "executions", stateMachineArn=machine, statusFilter=status)
    ]


def cpu_seconds(folder: Path) -> float:
    """What the local AWS's processes have taken so far, those that ended included."""
    groups = {part.pid for part in stack.status(folder).parts.values()}
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            _state, _parent, group, *rest = path.read_text().rpartition(")")[2].split()
            ticks += sum(map(int, rest[8:12])) if int(group) in groups else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def rate(aws: stack.LocalAws, upload_to: tuple[str, str], machine: str, count: int, data: bytes) -> tuple[float, float]:
    """Images per second, from the first upload to the end of the last execution, and milliseconds of CPU an image.

    The end is read from the executions themselves, so that looking for it can be rare: each look costs the engine time.
    """
    bucket, prefix = upload_to
    s3, states = client("s3", aws.environment()), client("stepfunctions", aws.environment())
    before, batch = len(executions(states, machine)), time.time_ns()
    cpu = cpu_seconds(aws.state_dir)
    started = time.time()

    def upload(number: int) -> None:
        s3.put_object(Bucket=bucket, Key=f"{prefix}/{batch}/{number}.jpg", Body=data)

    with ThreadPoolExecutor(UPLOADS_AT_A_TIME) as pool:
        for _ in pool.map(upload, range(count)):
            pass
    while time.time() - started < PATIENCE_SECONDS:
        time.sleep(max(1.0, count / 200))
        ended = executions(states, machine)
        if len(ended) - before >= count:
            last: float = max(execution["stopDate"].timestamp() for execution in ended)
            return count / (last - started), 1000 * (cpu_seconds(aws.state_dir) - cpu) / count
    raise SystemExit(f"{prefix}: not all of {count} executions ended within {PATIENCE_SECONDS} s")


def main(counts: list[int]) -> None:
    """Measure both in turns and print the ratio."""
    data = photo()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        aws = stack.start(Path(folder), console.print)
        try:
            outputs = aws.outputs()
            empty = deploy_empty_workflow(aws, outputs)
            ours, bucket = outputs["StateMachineArn"], outputs["BucketName"]
            rate(aws, (bucket, "empty"), empty, 20, data)
            rate(aws, (bucket, "uploads"), ours, 20, data)
            for count in counts:
                turns = []
                for number in range(ROUNDS):
                    console.print(f"{count} photos, turn {number + 1} of {ROUNDS}")
                    plain = rate(aws, (bucket, "empty"), empty, count, data)
                    turns.append((*plain, *rate(aws, (bucket, "uploads"), ours, count, data)))
                plain, plain_cpu, full, full_cpu = (sum(values) / len(values) for values in zip(*turns, strict=True))
                rates = f"{plain:.1f}", f"{full:.1f}", f"{full / plain:.2f}"
                rows.append((str(count), *rates, f"{plain_cpu:.0f}", f"{full_cpu:.0f}"))
        finally:
            stack.stop(Path(folder))
    title = f"Photos per second through the workflow ({len(data) // 1024} KB each), mean of {ROUNDS} turns"
    columns = ("photos", "empty workflow", "VehicleVision", "ratio", "CPU ms, empty", "CPU ms, ours")
    Console().print(table(title, columns, rows))


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [100, 1000])
