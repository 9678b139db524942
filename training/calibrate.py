"""Fit temperature and vehicle shift on held-out pictures, so that 0.7 means seven in ten.

Half of the uploads are taken to show a vehicle and half something else: the truth depends on who uploads what, and the
training data, where one picture in fifty shows a vehicle, says nothing about it.
"""

import torch
from torch import Tensor

from training.serving import Calibration, probabilities
from vehiclevision.labels import LABELS

VEHICLE_SHARE = 0.5
_TEMPERATURES = torch.exp(torch.linspace(-1.5, 1.5, 61))
_SHIFTS = torch.linspace(-3.0, 6.0, 91)
_NEVER = 1e-7


def calibrate(all_logits: Tensor, classes: Tensor) -> Calibration:
    """The pair with the smallest weighted loss over bicycle, motorcycle and neither, from a fixed grid."""
    # A grid of 5,551 pairs is exact enough, cannot diverge, and gives the same pair on every machine.
    outcome = classes.clamp(max=len(LABELS))
    weights = outcome_weights(outcome)
    # Where the network knows nothing but the two vehicles, raising both changes no answer.
    shifts = _SHIFTS if all_logits.shape[1] > len(LABELS) else torch.zeros(1)
    best, found = float("inf"), Calibration()
    for temperature in _TEMPERATURES.tolist():
        losses = _losses(all_logits / temperature, outcome, weights, shifts)
        for shift, loss in zip(shifts.tolist(), losses, strict=True):
            if loss < best:
                best, found = loss, Calibration(round(temperature, 6), round(shift, 6))
    return found


def cross_fitted(all_logits: Tensor, classes: Tensor) -> Tensor:
    """Answers [n, 2] to held-out pictures, each half calibrated on the other: as to pictures never seen at all."""
    answers = torch.empty(len(classes), len(LABELS))
    # Every class lies together, so every other picture gives halves with the same share of each class.
    first = torch.arange(len(classes)) % 2 == 0
    for half in (first, ~first):
        answers[half] = probabilities(all_logits[half], calibrate(all_logits[~half], classes[~half]))
    return answers


def outcome_weights(outcome: Tensor) -> Tensor:
    """Weights of pictures that sum to 1, vehicles VEHICLE_SHARE of it; outcome 0 and 1 are vehicles, 2 neither."""
    vehicle = outcome < len(LABELS)
    share = torch.where(vehicle, VEHICLE_SHARE / vehicle.sum(), (1 - VEHICLE_SHARE) / (~vehicle).sum().clamp(min=1))
    return share / share.sum()


def _losses(scaled: Tensor, outcome: Tensor, weights: Tensor, shifts: Tensor) -> list[float]:
    """The weighted loss at every shift; all other classes count by the logarithm of their sum."""
    others = torch.logsumexp(scaled[:, len(LABELS) :], dim=1, keepdim=True)
    three = torch.cat([scaled[:, : len(LABELS)], others], dim=1)
    raised = three.unsqueeze(0) + shifts.view(-1, 1, 1) * torch.tensor([1.0, 1.0, 0.0])
    chances = torch.softmax(raised, dim=2).gather(2, outcome.view(1, -1, 1).expand(len(shifts), -1, 1)).squeeze(2)
    losses: list[float] = (-(chances.clamp(min=_NEVER).log()) * weights).sum(dim=1).tolist()
    return losses
