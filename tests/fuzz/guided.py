"""One target under atheris, which changes the bytes until they reach code that none has reached.

    python -m tests.fuzz.guided TARGET [libFuzzer's options, folders of inputs, or a file to try once more]

libFuzzer ends its process, so each target has one of its own. For the target `all` the first byte is a target's number.
"""

import sys
from typing import Final

import atheris

with atheris.instrument_imports(include=["vehiclevision", "monitoring", "training"]):
    from tests.fuzz.targets import ALL, TARGETS, within_bounds

LONGEST: Final = 64 * 1024


def main(name: str, options: list[str]) -> None:
    """Run until libFuzzer has enough, or an input fails."""
    names = list(TARGETS)

    def one(data: bytes) -> None:
        if name == ALL:
            within_bounds(TARGETS[names[data[0] % len(names)]].takes, data[1:]) if data else None
        else:
            within_bounds(TARGETS[name].takes, data)

    atheris.Setup([name, f"-max_len={LONGEST}", "-timeout=20", *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
