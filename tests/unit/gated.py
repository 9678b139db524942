"""What the image gate costs, measured in a process of its own with limits on memory and CPU."""

import subprocess
import sys
from pathlib import Path

_PEAK = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from vehiclevision.errors import InvalidImageError
from vehiclevision.image_gate import normalise
from pathlib import Path

def seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime

# What is not asked for does not count, so that a limit on address space means what memory means in Lambda.
_, most = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]) * 2**20, most))
worst = 0.0
for name in sys.argv[3:]:
    data = Path(name).read_bytes()
    took = []
    # What a busy machine adds is not the file's: what takes long is tried twice more, and the fastest counts.
    while not took or (min(took) > 1 and len(took) < 3):
        before = seconds()
        # Two more than it has used: a file that takes longer than that ends the process.
        resource.setrlimit(resource.RLIMIT_CPU, (int(before) + 3, resource.RLIM_INFINITY))
        try:
            normalise(data)
        except InvalidImageError:
            pass
        took.append(seconds() - before)
    if min(took) > 1:
        print(name, "takes", min(took), "s of CPU", file=sys.stderr)
    worst = max(worst, min(took))
# On Linux ru_maxrss also holds what the parent had before exec; VmHWM does not.
status = Path("/proc/self/status")
if status.exists():
    memory = int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
else:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(memory, worst)
"""


def peak(root: Path, files: list[Path], max_mebibytes: int = 1024) -> tuple[float, float]:
    """Peak memory in MiB of a fresh interpreter that gates these files, and the most CPU seconds that one needs."""
    command = [sys.executable, "-c", _PEAK, str(root / "functions"), str(max_mebibytes), *map(str, files)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    memory, seconds = ended.stdout.split()
    return float(memory), float(seconds)
