"""Cold import of each function, beside a handler that imports the sagemaker SDK: `python -m bench.cold_start`.

Each run is a fresh interpreter that imports the handler's module, as Lambda does once per environment. The runs take
turns, so that a slow minute of the machine falls on all alike; what counts is the ratio of the medians.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from bench.tables import table

ROOT = Path(__file__).resolve().parents[1]
FUNCTIONS = ("serialize_image", "classify_image", "filter_inferences")
SDK_PYTHON = ROOT / ".venv-sagemaker/bin/python"
SDK_HANDLER = """
import json
import boto3
import sagemaker
from sagemaker.core.resources import Endpoint
def lambda_handler(event, context):
    return Endpoint.get(endpoint_name="vehiclevision").invoke(body=event["image_data"], content_type="image/jpeg")
"""
MEASURE = """
import pathlib, resource, sys, time
started = time.perf_counter()
__import__(sys.argv[1], fromlist=["lambda_handler"]).lambda_handler
seconds = time.perf_counter() - started
status = pathlib.Path("/proc/self/status")
if status.exists():  # on Linux ru_maxrss also holds what the parent had before exec
    print(seconds, int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024)
else:
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""
ROUNDS = 15


def measure(python: Path, module: str, path: Path) -> tuple[float, float]:
    """Seconds to import the handler and the peak memory in MiB, in a fresh interpreter."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    environment |= {
        "PYTHONPATH": str(path),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "ENDPOINT_NAME": "vehiclevision",
        "CONFIDENCE_THRESHOLD": "0.7",
        "SAGEMAKER_VALIDATE_ROLE": "false",
    }
    run = subprocess.run(
        [str(python), "-c", MEASURE, module], env=environment, check=True, capture_output=True, text=True, timeout=120
    )
    seconds, memory = run.stdout.split()[-2:]
    return float(seconds), float(memory)


def main() -> None:
    """Measure, print, compare."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sdk_handler.py").write_text(SDK_HANDLER)
        candidates = {name: (Path(sys.executable), f"{name}.app", ROOT / "functions") for name in FUNCTIONS}
        if SDK_PYTHON.exists():
            candidates["a handler with the sagemaker SDK"] = (SDK_PYTHON, "sdk_handler", Path(folder))
        results: dict[str, list[tuple[float, float]]] = {name: [] for name in candidates}
        for number in range(ROUNDS + 1):
            for name, candidate in candidates.items():
                result = measure(*candidate)
                if number:  # the first round warms the file cache and writes the bytecode
                    results[name].append(result)
    report(results)


def report(results: dict[str, list[tuple[float, float]]]) -> None:
    """A line a handler: median, fastest, memory, and how many times the slowest of ours it takes."""
    medians = {name: statistics.median(s for s, _ in runs) for name, runs in results.items()}
    ours = max(medians[name] for name in FUNCTIONS)
    rows = []
    for name, runs in results.items():
        fastest, memory = min(s for s, _ in runs), statistics.median(m for _, m in runs)
        rows.append((name, f"{medians[name]:.3f}", f"{fastest:.3f}", f"{memory:.0f}", f"{medians[name] / ours:.2f}"))
    title = f"Cold import, {ROUNDS} fresh interpreters each, Python {sys.version.split()[0]}"
    Console().print(table(title, ("handler", "median s", "fastest s", "peak MiB", "x ours"), rows, words=("handler",)))


if __name__ == "__main__":
    main()
