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
    """Run the command; its exit code, or 128 and the signal's number when a signal ended it, as a shell says it.

    SIGTERM is handed on to the command, and its end is awaited.
    """
    threading.Thread(target=end_when_closed, args=(int(arguments[0]),), daemon=True).start()
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    process = subprocess.Popen(arguments[1:])
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    if told:
        process.terminate()
    code = process.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
