"""Which machine a figure was measured on."""

import ctypes
import os
import platform
from pathlib import Path
from typing import Final

# Of glibc's malloc.h.
_TRIM_THRESHOLD: Final = -1
_MOST_MAPPED: Final = -4
_NEVER: Final = 2**31 - 1


def processor() -> str:
    """The processor's name where the system tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def machine() -> str:
    """Processor, cores and system in a few words."""
    return f"{processor()}, {os.cpu_count()} cores, {platform.system()}"


def keep_memory() -> None:
    """Ask glibc to keep what was freed: large arrays that come and go otherwise cost a page fault for every 4 KiB.

    Measured on two cores of an EPYC: 2 to 3 times the pictures per second. Elsewhere nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(_TRIM_THRESHOLD, _NEVER)
    mallopt(_MOST_MAPPED, 0)
