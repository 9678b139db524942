"""The limit: decode and predict in a loop, with no server at all. `python -m bench.rivals.loop SECONDS < pictures`."""

import base64
import itertools
import json
import sys
import time

from bench.rivals.work import answer


def main(seconds: float) -> None:
    """Print images per second and the share of a core it got, once told to begin: several loops begin together."""
    turns = itertools.cycle([base64.b64decode(text) for text in json.loads(sys.stdin.readline())])
    for _ in range(10):
        answer(next(turns))
    print("ready", flush=True)
    sys.stdin.readline()
    began, cpu, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < seconds:
        answer(next(turns))
        count += 1
    taken = time.perf_counter() - began
    print(count / taken, (time.process_time() - cpu) / taken, flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]))
