"""Every target for its share of the time: `make fuzz MINUTES=5`.

What reached new code is kept in .cache/fuzz, and the next run begins with it. Where atheris has no wheels, Hypothesis
draws uploads for the whole of the time.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from rich.console import Console

from tests.fuzz.targets import ALL, TARGETS, numbered

KEPT: Final = Path(".cache/fuzz")
CAN_BE_GUIDED: Final = importlib.util.find_spec("atheris") is not None
# What of libFuzzer's lines a person wants to see of a failure.
_TELLING: Final = ("ERROR", "SUMMARY", "Test unit", " of CPU for ", " MiB for ", "Error:")


def guided(target: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """One run of libFuzzer, from the target's own seeds and from what earlier runs kept in the folder."""
    kept, seeds = folder / target, folder / f"seeds-{target}"
    for each in (kept, seeds):
        each.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(numbered() if target == ALL else TARGETS[target].seeds()):
        (seeds / str(number)).write_bytes(seed)
    command = [sys.executable, "-m", "tests.fuzz.guided", target, f"-artifact_prefix={folder}/failed-{target}-"]
    return subprocess.run([*command, *options, str(kept), str(seeds)], capture_output=True, text=True, check=False)


def main(minutes: float) -> int:
    """Print a line a target; 1 if an input failed."""
    console = Console(highlight=False, soft_wrap=True)
    if not CAN_BE_GUIDED:
        console.print("atheris has no wheel for this machine: Hypothesis draws uploads, without a guide.")
        settings = {**os.environ, "MINUTES": str(minutes)}
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-s", "tests/fuzz"], env=settings, check=False
        ).returncode
    failed = 0
    for target in TARGETS:
        seconds = max(1, round(60 * minutes / len(TARGETS)))
        with console.status(f"{target}: {seconds} s"):
            run = guided(target, KEPT, f"-max_total_time={seconds}", "-print_final_stats=1")
        said = run.stderr.splitlines()
        if run.returncode:
            failed += 1
            console.print(f"[red]{target}: an input failed.[/] Try it again: python -m tests.fuzz.guided {target} FILE")
            console.print(*(line for line in said if any(word in line for word in _TELLING)), sep="\n", markup=False)
        else:
            runs = next(line.split()[-1] for line in said if line.startswith("stat::number_of_executed_units"))
            console.print(f"{target}: {int(runs):,} inputs, none failed; {len(list((KEPT / target).iterdir()))} kept")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
