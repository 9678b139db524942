"""How logits become chances, and the numbers for that: fitted on held-out pictures, so that 0.7 means seven in ten.

Half of the uploads (VEHICLE_SHARE) are taken to show a vehicle and half something else: the truth depends on who
uploads what, and the training data, where one picture in fifty shows a vehicle, says nothing about it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from training.evaluation.costs import VEHICLE_SHARE
from vehiclevision.labels import LABELS

# Grids are exact enough, cannot diverge, and give the same numbers on every machine.
_TEMPERATURES = torch.exp(torch.linspace(-1.5, 1.5, 61))
# Between vehicles never surer than the network itself: few pictures, all of them right, would make it so.
_PAIR_TEMPERATURES = torch.exp(torch.linspace(0, 1.5, 31))
_SHIFTS = torch.linspace(-3.0, 6.0, 91)
_NEVER = 1e-7


@dataclass(frozen=True)
class Calibration:
    """How logits become chances: of a vehicle at all, and of one vehicle rather than another.

    For the first, all are divided by the temperature and the vehicles' raised by the shift. For the second, the
    vehicles' are divided by the pair's temperature, however many there are.
    """

    temperature: float = 1.0
    vehicle_shift: float = 0.0
    pair_temperature: float = 1.0


def probabilities(all_logits: Tensor, calibration: Calibration) -> Tensor:
    """The probability of each label out of everything, [n, labels], from logits of the labels and of all else."""
    shift = torch.zeros(all_logits.shape[1])
    shift[: len(LABELS)] = calibration.vehicle_shift
    everything = torch.softmax(all_logits / calibration.temperature + shift, dim=1)
    vehicle = everything[:, : len(LABELS)].sum(dim=1, keepdim=True)
    return vehicle * torch.softmax(all_logits[:, : len(LABELS)] / calibration.pair_temperature, dim=1)


def calibrate(all_logits: Tensor, classes: Tensor) -> Calibration:
    """The numbers with the smallest loss: of two questions, is it a vehicle and which, each fitted on its own."""
    vehicle = classes < len(LABELS)
    temperature, shift = 1.0, 0.0
    # Where nothing but vehicles was held out, everything is one.
    if not bool(vehicle.all()):
        temperature, shift = _whether(all_logits, vehicle)
    pair = _which(all_logits[vehicle, : len(LABELS)], classes[vehicle])
    return Calibration(round(temperature, 6), round(shift, 6), round(pair, 6))


def cross_fitted(all_logits: Tensor, classes: Tensor) -> Tensor:
    """Answers [n, labels] to held-out pictures, each half calibrated on the other: as to pictures never seen at all."""
    answers = torch.empty(len(classes), len(LABELS))
    # Every class lies together, so every other picture gives halves with the same share of each class.
    first = torch.arange(len(classes)) % 2 == 0
    for half in (first, ~first):
        answers[half] = probabilities(all_logits[half], calibrate(all_logits[~half], classes[~half]))
    return answers


def _whether(all_logits: Tensor, vehicle: Tensor) -> tuple[float, float]:
    """Temperature and shift for the chance of a vehicle; vehicles weigh VEHICLE_SHARE of all."""
    weights = torch.where(vehicle, VEHICLE_SHARE / vehicle.sum(), (1 - VEHICLE_SHARE) / (~vehicle).sum().clamp(min=1))
    best, fitted = float("inf"), (1.0, 0.0)
    for temperature in _TEMPERATURES.tolist():
        scaled = all_logits / temperature
        odds = torch.logsumexp(scaled[:, : len(LABELS)], dim=1) - torch.logsumexp(scaled[:, len(LABELS) :], dim=1)
        chances = torch.sigmoid(torch.where(vehicle, 1, -1) * (odds + _SHIFTS.view(-1, 1)))
        losses = -(chances.clamp(min=_NEVER).log() * weights).sum(dim=1)
        if float(losses.min()) < best:
            best, fitted = float(losses.min()), (temperature, float(_SHIFTS[losses.argmin()]))
    return fitted


def _which(pair_logits: Tensor, classes: Tensor) -> float:
    """The temperature for the choice between the vehicles."""
    losses = [
        float(functional.cross_entropy(pair_logits / one, classes, reduction="sum"))
        for one in _PAIR_TEMPERATURES.tolist()
    ]
    return float(_PAIR_TEMPERATURES[losses.index(min(losses))])
