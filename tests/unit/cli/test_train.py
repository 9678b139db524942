"""The `train` command hands its options to the Python that has PyTorch."""

from pathlib import Path

from cli.commands.train import _words


def test_options_become_words() -> None:
    """Flags stand alone, several values one after another, and what was not given is left out."""
    words = _words(
        {"data": [Path("cifar"), Path("photos")], "out": Path("o"), "quick": True, "seed": None, "leave_out": None}
    )

    assert words == ["--data", "cifar", "--data", "photos", "--out", "o", "--quick"]
