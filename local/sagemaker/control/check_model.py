"""Whether a model can be served, asked by loading it as the runtime does: `python -m … FILE IMAGE`."""

import sys
from pathlib import Path

from local.sagemaker.control.training_operations import BUILTIN_IMAGE
from training.artefact import load_model
from training.errors import ModelRefusedError


def main(arguments: list[str]) -> int:
    """Load the model; the reason in one line when it is refused."""
    path, image = Path(arguments[0]), arguments[1]
    try:
        load_model(path)
    except ModelRefusedError as error:
        print(" ".join(str(error).split()))
        if BUILTIN_IMAGE in image:
            print("The built-in algorithm's models are served in AWS only; here, train with `--algorithm own`.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
