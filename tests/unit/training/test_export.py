"""From the trained network to the graph that is served, and from logits to chances."""

import hashlib

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed here: make test-training")

import onnx
import torch

from tests.unit.training.small_network import network
from training.calibrate import Calibration, calibrate, probabilities
from training.export import check_export, in_integers, logits_of, to_onnx, with_answers
from training.network import Network
from training.session import FEATURES_NAME, MAP_NAME, gives_maps, open_onnx, run_output, run_session
from vehiclevision.labels import LABELS

IMAGES = np.random.default_rng(3).integers(0, 256, (6, 224, 224, 3), np.uint8)
CALIBRATION = Calibration(temperature=0.6, vehicle_shift=0.8, pair_temperature=1.7)


@pytest.fixture(scope="module")
def model() -> Network:
    return network()[0]


@pytest.fixture(scope="module")
def graph(model: Network) -> bytes:
    return to_onnx(model)


def test_the_graph_answers_as_the_network_does(model: Network, graph: bytes) -> None:
    """ONNX and PyTorch agree on any picture, in a batch and alone, before and after calibration."""
    served = with_answers(graph, CALIBRATION)

    assert check_export(graph, model, IMAGES) < 1e-2
    expected = probabilities(logits_of(graph, [IMAGES]), CALIBRATION).numpy()
    assert np.abs(run_session(open_onnx(served), IMAGES) - expected).max() < 1e-5
    assert np.abs(run_session(open_onnx(served), IMAGES, batch=1) - run_session(open_onnx(served), IMAGES)).max() < 1e-4


def test_whole_numbers_change_little_and_take_a_third_of_the_room(graph: bytes) -> None:
    """Eight bits: the same order of answers, and a file a third as large at most."""
    small = in_integers(graph, IMAGES)

    before, after = logits_of(graph, [IMAGES]), logits_of(small, [IMAGES])

    assert len(small) < len(graph) / 3
    assert (before - after).abs().max() < 0.2 * max(1.0, float(before.abs().max()))


def test_a_convolution_pads_by_itself(graph: bytes) -> None:
    """Padding of its own would be computed in single precision between whole numbers."""
    operations = {node.op_type for node in onnx.load_from_string(in_integers(graph, IMAGES)).graph.node}

    assert "Conv" in operations
    assert "Pad" not in operations


def test_answers_are_probabilities_out_of_everything(graph: bytes) -> None:
    """The numbers lie in 0..1 and together leave room for whatever else a picture shows."""
    answers = run_session(open_onnx(with_answers(graph, CALIBRATION)), IMAGES)

    assert answers.shape == (len(IMAGES), len(LABELS))
    assert answers.min() >= 0
    assert answers.sum(axis=1).max() < 1


def test_the_map_is_where_the_logits_come_from(model: Network, graph: bytes) -> None:
    """Its mean over all places is the label's logit, less the bias and what all answers have in common."""
    session = open_onnx(with_answers(graph, CALIBRATION))

    maps, features = run_output(session, MAP_NAME, IMAGES), run_output(session, FEATURES_NAME, IMAGES)

    head = model.head
    own = (head.weight - head.weight.mean(dim=0)).detach().numpy()[: len(LABELS)]
    assert gives_maps(session)
    assert maps.shape == (len(IMAGES), len(LABELS), 7, 7)
    assert np.allclose(maps.mean(axis=(2, 3)), features @ own.T, atol=1e-3)


def test_a_network_without_maps_is_exported_without_one() -> None:
    """Some networks pool before their last layers: they give features, and say nothing of places."""
    graph = with_answers(to_onnx(network("mobilenetv3_small_100")[0]), CALIBRATION)

    names = [port.name for port in open_onnx(graph).get_outputs()]

    assert FEATURES_NAME in names
    assert MAP_NAME not in names


def test_the_same_network_gives_the_same_bytes(model: Network, graph: bytes) -> None:
    """The file depends on the network and the calibration, and on nothing else."""
    digests = {hashlib.sha256(with_answers(one, CALIBRATION)).hexdigest() for one in (graph, to_onnx(model))}
    other = hashlib.sha256(with_answers(graph, Calibration(0.6, 0.8, 1.6))).hexdigest()

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

    fitted = calibrate(distorted, classes)

    assert fitted.temperature == pytest.approx(3.0, rel=0.1)
    assert fitted.vehicle_shift == pytest.approx(1.0 + prior, abs=0.2)
    assert fitted.pair_temperature == pytest.approx(3.0, rel=0.1)


def test_too_sure_of_which_vehicle_does_not_touch_whether_it_is_one() -> None:
    """Where only the choice between the two is too sure, only that is cooled."""
    draw = torch.Generator().manual_seed(1)
    honest = torch.randn(6_000, 6, generator=draw) * 2
    classes = torch.multinomial(torch.softmax(honest, dim=1), 1, generator=draw).squeeze(1)
    surer = honest.clone()
    surer[:, :2] *= 3
    whole = torch.logsumexp(honest[:, :2], dim=1, keepdim=True)
    surer[:, :2] += whole - torch.logsumexp(surer[:, :2], dim=1, keepdim=True)

    before, after = calibrate(honest, classes), calibrate(surer, classes)

    assert after.pair_temperature == pytest.approx(3 * before.pair_temperature, rel=0.1)
    assert after.temperature == pytest.approx(before.temperature, rel=0.1)
    assert after.vehicle_shift == pytest.approx(before.vehicle_shift, abs=0.2)


@pytest.mark.parametrize("vehicles", [0, 4])
def test_few_pictures_do_not_make_it_surer_of_which(vehicles: int) -> None:
    """A handful of pictures that are all right, or none at all, is no reason to trust the choice more than it does."""
    classes = torch.tensor([0, 1, 0, 1, 2, 2, 2, 2])[4 - vehicles :]
    logits = torch.eye(3)[classes]

    assert calibrate(logits, classes).pair_temperature == 1.0


def test_where_nothing_but_vehicles_was_held_out_only_which_is_fitted() -> None:
    """Nothing tells how often it takes something else for a vehicle: that part stays as the network says."""
    draw = torch.Generator().manual_seed(2)
    honest = torch.randn(2_000, 2, generator=draw) * 2
    classes = torch.multinomial(torch.softmax(honest, dim=1), 1, generator=draw).squeeze(1)
    logits = torch.cat([honest * 2, torch.full((2_000, 1), -20.0)], dim=1)

    fitted = calibrate(logits, classes)

    assert (fitted.temperature, fitted.vehicle_shift) == (1.0, 0.0)
    assert fitted.pair_temperature == pytest.approx(2.0, rel=0.15)


def test_a_vehicle_shift_raises_vehicles_alone() -> None:
    """The shift moves confidence from everything else to the two vehicles, and keeps their order."""
    logits = torch.tensor([[1.0, 0.5, 2.0, 0.0]])

    plain, raised = probabilities(logits, Calibration()), probabilities(logits, Calibration(1.0, 1.0))

    assert bool((raised > plain).all())
    assert raised[0, 0] / raised[0, 1] == pytest.approx((plain[0, 0] / plain[0, 1]).item())
