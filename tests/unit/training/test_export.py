"""From the trained network to the graph that is served."""

import hashlib

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed here: make test-training")

import torch

from training.calibrate import calibrate
from training.export import check_export, to_onnx
from training.fit import class_logits
from training.network import Network
from training.serving import Calibration, ServedNetwork, logits_in_batches, probabilities, served
from training.session import run_onnx

IMAGES = np.random.default_rng(3).integers(0, 256, (40, 32, 32, 3), np.uint8)
CALIBRATION = Calibration(temperature=0.6, vehicle_shift=0.8, pair_temperature=1.7)


@pytest.fixture(scope="module")
def network() -> Network:
    """A network whose norms have seen pictures, so that folding them has something to do."""
    torch.manual_seed(5)
    network = Network(blocks=4, classes=7)
    for _ in range(5):
        network(torch.randn(64, 3, 32, 32) * 2 + 1)
    return network.eval()


@pytest.fixture(scope="module")
def model(network: Network) -> ServedNetwork:
    return served(network)


def test_the_graph_answers_as_the_network_does(model: ServedNetwork) -> None:
    """ONNX and PyTorch agree within 1e-4 on any picture, in a batch and alone."""
    onnx = to_onnx(model, CALIBRATION)

    difference = check_export(onnx, model, CALIBRATION, IMAGES)

    assert difference < 1e-4
    assert np.abs(run_onnx(onnx, IMAGES, batch=1) - run_onnx(onnx, IMAGES)).max() < 1e-5


def test_answers_are_probabilities_out_of_everything(model: ServedNetwork) -> None:
    """Both numbers lie in 0..1 and together leave room for whatever else a picture shows."""
    answers = run_onnx(to_onnx(model, CALIBRATION), IMAGES)

    assert answers.shape == (40, 2)
    assert answers.dtype == np.float32
    assert answers.min() >= 0
    assert answers.sum(axis=1).max() < 1


def test_folding_and_rounding_change_next_to_nothing(network: Network, model: ServedNetwork) -> None:
    """Folded norms and half-precision weights move no logit by more than a hundredth of their spread."""
    trained = class_logits(network, torch.from_numpy(IMAGES).permute(0, 3, 1, 2), torch.device("cpu"))

    kept = logits_in_batches(model, torch.from_numpy(IMAGES))

    assert (kept - trained).abs().max() < 0.01 * trained.std()


def test_the_same_network_gives_the_same_bytes(network: Network) -> None:
    """The file depends on the network and the calibration, and on nothing else."""
    digests = {hashlib.sha256(to_onnx(served(network), CALIBRATION)).hexdigest() for _ in range(2)}
    other = hashlib.sha256(to_onnx(served(network), Calibration(0.6, 0.8, 1.6))).hexdigest()

    assert len(digests) == 1
    assert other not in digests


def test_calibration_finds_what_was_distorted() -> None:
    """Logits made three times too sure, and vehicles too rare by one, are put right."""
    draw = torch.Generator().manual_seed(0)
    honest = torch.randn(6_000, 6, generator=draw) * 2
    classes = torch.multinomial(torch.softmax(honest, dim=1), 1, generator=draw).squeeze(1)
    # Half of the weight on vehicles, as calibration assumes, is a third here: the shift has to make up for that too.
    prior = float(torch.log((classes >= 2).sum() / (classes < 2).sum()))
    distorted = honest * 3
    distorted[:, :2] -= 3.0

    found = calibrate(distorted, classes)

    assert found.temperature == pytest.approx(3.0, rel=0.1)
    assert found.vehicle_shift == pytest.approx(1.0 + prior, abs=0.2)
    assert found.pair_temperature == pytest.approx(3.0, rel=0.1)


def test_too_sure_of_which_vehicle_does_not_touch_whether_it_is_one() -> None:
    """Where only the choice between the two is too sure, only that is cooled."""
    draw = torch.Generator().manual_seed(1)
    honest = torch.randn(6_000, 6, generator=draw) * 2
    classes = torch.multinomial(torch.softmax(honest, dim=1), 1, generator=draw).squeeze(1)
    surer = honest.clone()
    surer[:, :2] *= 3
    whole = torch.logsumexp(honest[:, :2], dim=1, keepdim=True)
    surer[:, :2] += whole - torch.logsumexp(surer[:, :2], dim=1, keepdim=True)

    before, found = calibrate(honest, classes), calibrate(surer, classes)

    assert found.pair_temperature == pytest.approx(3 * before.pair_temperature, rel=0.1)
    assert found.temperature == pytest.approx(before.temperature, rel=0.1)
    assert found.vehicle_shift == pytest.approx(before.vehicle_shift, abs=0.2)


@pytest.mark.parametrize("vehicles", [0, 4])
def test_few_pictures_do_not_make_it_surer_of_which(vehicles: int) -> None:
    """A handful of pictures that are all right, or none at all, is no reason to trust the choice more than it does."""
    classes = torch.tensor([0, 1, 0, 1, 2, 3, 2, 3])[4 - vehicles :]
    logits = torch.eye(4)[classes]

    assert calibrate(logits, classes).pair_temperature == 1.0


def test_a_network_that_knows_two_vehicles_alone() -> None:
    """Whatever it is shown is a vehicle to it; calibration makes it no less sure of that, nor more of which."""
    draw = torch.Generator().manual_seed(2)
    honest = torch.randn(2_000, 2, generator=draw) * 2
    classes = torch.multinomial(torch.softmax(honest, dim=1), 1, generator=draw).squeeze(1)

    found = calibrate(honest * 2, classes)

    assert (found.temperature, found.vehicle_shift) == (1.0, 0.0)
    assert found.pair_temperature == pytest.approx(2.0, rel=0.15)
    assert probabilities(honest, found).sum(dim=1) == pytest.approx(torch.ones(2_000))


def test_a_vehicle_shift_raises_vehicles_alone() -> None:
    """The shift moves confidence from everything else to the two vehicles, and keeps their order."""
    logits = torch.tensor([[1.0, 0.5, 2.0, 0.0]])

    plain, raised = probabilities(logits, Calibration()), probabilities(logits, Calibration(1.0, 1.0))

    assert bool((raised > plain).all())
    assert raised[0, 0] / raised[0, 1] == pytest.approx((plain[0, 0] / plain[0, 1]).item())
