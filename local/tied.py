"""Run a command that ends, with all that it started, when the process that wanted it is gone.

`python tied.py DESCRIPTOR COMMAND…`, leading a session: the descriptor is the reading end of a pipe
whose only other end the starter holds, so it closes even when the starter is killed.
"""

import os
import signal
import subprocess
import sys
import threading


def end_when_closed(descriptor: int) -> None:
    """End this whole process group once the pipe's other end is gone."""
    os.read(descriptor, 1)
    os.killpg(0, signal.SIGKILL)


def main(arguments: list[str]) -> int:
    """Run the command; its exit code, or 1 when a signal ended it."""
    threading.Thread(target=end_when_closed, args=(int(arguments[0]),), daemon=True).start()
    code = subprocess.run(arguments[1:], check=False).returncode
    return code if code >= 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
