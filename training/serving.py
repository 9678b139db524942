"""The network as it is served: norms folded into convolutions, weights in half precision, calibration inside."""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from training.network import Block, ConvNorm, Network, magnify, normalise_colours
from vehiclevision.labels import LABELS


@dataclass(frozen=True)
class Calibration:
    """How logits become chances: of a vehicle at all, and of the one vehicle rather than the other.

    For the first, all are divided by the temperature and the vehicles' raised by the shift. For the second, the
    vehicles' two are divided by a temperature of their own.
    """

    temperature: float = 1.0
    vehicle_shift: float = 0.0
    pair_temperature: float = 1.0


@dataclass(frozen=True)
class Layer:
    """A convolution, or the last linear map; every number in it is exactly a half-precision one."""

    weight: Tensor
    bias: Tensor
    stride: int = 1
    groups: int = 1


@dataclass(frozen=True)
class ServedBlock:
    """One block of the network, without norms."""

    widen: Layer | None
    look: Layer
    narrow: Layer
    adds: bool


@dataclass(frozen=True)
class ServedNetwork:
    """All that the exported graph holds but the calibration."""

    stem: Layer
    blocks: tuple[ServedBlock, ...]
    head: Layer


def served(network: Network) -> ServedNetwork:
    """Fold and round a trained network; the rounded one is the model, and the one that is measured."""
    head = Layer(_half(network.head.weight), _half(network.head.bias))
    return ServedNetwork(
        _fold(network.stem), tuple(_served_block(cast(Block, block)) for block in network.blocks), head
    )


def logits(model: ServedNetwork, images: Tensor) -> Tensor:
    """Logits of all classes from uint8 pictures [n, side, side, 3], not calibrated yet."""
    with torch.no_grad():
        x = magnify(normalise_colours(images.permute(0, 3, 1, 2).float() / 255))
        x = functional.relu6(_convolve(x, model.stem))
        for block in model.blocks:
            inside = functional.relu6(_convolve(x, block.widen)) if block.widen else x
            found = _convolve(functional.relu6(_convolve(inside, block.look)), block.narrow)
            x = x + found if block.adds else found
        return functional.linear(x.mean(dim=(2, 3)), model.head.weight, model.head.bias)


def logits_in_batches(model: ServedNetwork, images: Tensor, batch: int = 250) -> Tensor:
    """The same for any number of pictures within a bounded memory."""
    return torch.cat([logits(model, part) for part in torch.split(images, batch)])


def probabilities(all_logits: Tensor, calibration: Calibration) -> Tensor:
    """P(bicycle) and P(motorcycle) out of everything the network knows, [n, 2]."""
    shift = torch.zeros(all_logits.shape[1])
    shift[: len(LABELS)] = calibration.vehicle_shift
    everything = torch.softmax(all_logits / calibration.temperature + shift, dim=1)
    vehicle = everything[:, : len(LABELS)].sum(dim=1, keepdim=True)
    return vehicle * torch.softmax(all_logits[:, : len(LABELS)] / calibration.pair_temperature, dim=1)


def _convolve(x: Tensor, layer: Layer) -> Tensor:
    around = layer.weight.shape[-1] // 2
    return functional.conv2d(x, layer.weight, layer.bias, layer.stride, around, groups=layer.groups)


def _served_block(block: Block) -> ServedBlock:
    widen = _fold(block.widen) if block.widen else None
    return ServedBlock(widen, _fold(block.look), _fold(block.narrow), block.adds)


def _fold(block: ConvNorm) -> Layer:
    """What the convolution and its norm do in evaluation, as one convolution."""
    norm = block.norm
    assert norm.running_mean is not None and norm.running_var is not None  # noqa: S101 - tells the type checker
    scale = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
    weight = block.conv.weight.detach() * scale.view(-1, 1, 1, 1)
    bias = norm.bias.detach() - norm.running_mean * scale
    return Layer(_half(weight), _half(bias), block.conv.stride[0], block.conv.groups)


def _half(values: Tensor) -> Tensor:
    return values.detach().half().float().contiguous()
