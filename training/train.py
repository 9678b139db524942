"""Train the model: one command, seeded, that can be interrupted and goes on where it stopped.

    python -m training.train --data DIR [--data DIR ...] --out DIR [--quick] [--backbone NAME] [--seed N ...]
                             [--leave-out SOURCE ...] [--photos DIR]

--data is a folder per class (with a folder for each label and as many others as there are: they are what the model
learns to leave alone) or CIFAR-100's official binary archive; several sets weigh the same. --out gets model.tar.gz,
run.json and data.json. `vehiclevision train` is the same command.

With --quick, and no other beginning asked for, only the head is fitted, on what the last layer of the champion sees
(training.champion): the model of --champion, or the shipped one. Its network and its calibration stay. Else
the stages are, in order:

    look        what the published network makes of every picture, changed in several ways      training.features
    head        one linear map from that to the labels and all else                             training.head
    tune        the late layers learn, held to what they knew (not with --quick)                training.fit
    export      an ONNX graph in whole numbers                                                  training.export
    calibrate   on pictures that were not learnt from: from logits to chances, and a threshold  training.calibrate

Of several seeds, each makes a network of its own, in a folder seed-N, from the same looks; the model is the average of
their weights, and seeds.json says what each came to (training.seeds).
"""

import argparse
import importlib.metadata
import json
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from training.artefact import Artefact, compose, write_artefact
from training.calibrate import Calibration, calibrate, cross_fitted, probabilities
from training.champion import Champion, features_of, with_head
from training.data.pictures import LabelledImages, Pixels, data_manifest, stacked
from training.data.split import Indices
from training.evaluation.costs import VEHICLE_SHARE, CheapestThreshold, Costs, cheapest_threshold
from training.evaluation.plain import plain
from training.evaluation.scores import figures
from training.export import check_export, in_integers, logits_of, to_onnx, with_answers
from training.features import Looks, look, looked_at, plan
from training.fit import Run, fit, prepare_torch
from training.head import fit_head
from training.job import Job, TrainingSet, command, job, parser
from training.machine import keep_memory, machine
from training.network import DEFAULT_BACKBONE, Network, parameter_count
from training.progress import Bar, bars
from training.published import PACKAGE as PUBLISHED_WEIGHTS
from training.published import PUBLISHED, backbone, imagenet_rows
from training.recipe import INTEGERS, Recipe
from training.seeds import averaged, spread
from training.session import BATCH, Probabilities, milliseconds_per_image, open_onnx, run_session
from training.summary import summary
from vehiclevision.labels import LABELS
from vehiclevision.refusal import Refusal

CHECKPOINT: Final = "checkpoint.pt"
LOOKS: Final = "looks"
SEEDS: Final = "seeds.json"
REFUSED: Final = 2
INTERRUPTED: Final = 130
# Graph and network are compared on so many pictures; so many show how large the numbers inside become.
CHECKED: Final = 16
EXAMPLES: Final = 128
# Of the held-out pictures that show no label, at most so many of each set are measured.
MOST_MEASURED: Final = 2_000
PACKAGES: Final = ("torch", "torchvision", "timm", "onnx", "onnxruntime", "numpy", "pillow")


@dataclass(frozen=True)
class Learnt:
    """A trained network, and how it came to be."""

    network: Network
    curve: Sequence[Mapping[str, float]]
    seconds: float


@dataclass(frozen=True, eq=False)
class Measured:
    """What a set's held-out pictures were answered, as logits."""

    name: str
    images: LabelledImages
    logits: Tensor


@dataclass(frozen=True)
class Decided:
    """How logits become chances, the threshold that costs least, and the answers to each set's held-out pictures."""

    calibration: Calibration
    cheapest: CheapestThreshold
    answers: Sequence[Probabilities]


@dataclass(frozen=True)
class Answering:
    """A graph that gives calibrated answers, what it answered to held-out pictures, and how it came to be."""

    onnx: bytes
    held_out: Sequence[Measured]
    decided: Decided
    story: Mapping[str, Any]


@dataclass(frozen=True)
class Finished:
    """What a run came to."""

    artefact: Artefact
    record: Mapping[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 when a model lies in --out, 2 when something was refused, 130 after Ctrl-C."""
    given = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args(given)
    return reported(lambda: _train(options, command("training.train", given)))


def reported(work: Callable[[], int]) -> int:
    """The exit code of the work, with what stopped it said in a sentence."""
    try:
        return work()
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("Stopped. The same command goes on with what is kept.")
        return INTERRUPTED


def _train(options: argparse.Namespace, words: str) -> int:
    asked = job(options, words)
    finished = run(asked, options.out)
    if finished is None:
        return INTERRUPTED
    print("\n".join(summary(finished.artefact, options.out)))
    return 0


def run(asked: Job, out: Path) -> Finished | None:
    """Train, finish and write one model; None when Ctrl-C stopped it."""
    _say_what_comes(asked)
    if asked.champion:
        return written(_onward(asked, asked.champion), asked, out)
    learnt = _learn_several(asked, out) if asked.seeds else learn(asked, out, out / LOOKS)
    return None if learnt is None else written(export(learnt, asked), asked, out)


def written(answering: Answering, asked: Job, out: Path) -> Finished:
    """The finished model, after it was written."""
    finished = finish(answering, asked)
    write(finished, asked, out)
    return finished


def _onward(asked: Job, champion: Champion) -> Answering:
    """The champion with a head fitted anew on what its own last layer sees, which takes no other pass through it."""
    torch.manual_seed(asked.recipe.seed)
    with bars() as bar:
        return _with_own_head(asked, champion, bar)


def _with_own_head(asked: Job, champion: Champion, bar: Bar) -> Answering:
    seen = []
    for each in asked.sets:
        chosen = np.array([one.picture for one in plan(each.images, each.learnt, asked.recipe)])
        features = features_of(champion, each.images, chosen, bar(f"looking: {each.name}"))
        seen.append(looked_at(each.images, chosen, features))
    shares = [each.share for each in asked.sets]
    head = fit_head(seen, shares, champion.head.weight, asked.recipe.pull, trusts_rows=True)
    held_out = []
    for each in asked.sets:
        if len(each.held_out):
            chosen = _to_measure(each)
            features = torch.from_numpy(features_of(champion, each.images, chosen, bar(f"measuring: {each.name}")))
            logits = features @ head.weight.T + head.bias
            held_out.append(Measured(each.name, each.images.part(chosen), logits))
    decided = _decide(held_out, asked.costs, champion.calibration)
    return Answering(with_head(champion, head), held_out, decided, {"curve": []})


def learn(asked: Job, out: Path, looks: Path) -> Learnt | None:
    """A network of our own, from the one as published; None when Ctrl-C stopped it. `looks` may be another run's."""
    keep_memory()
    with bars() as bar:
        learnt = _learn(asked, out, looks, bar)
    if learnt is None:
        print(f"Stopped; the run so far is in {out}. Go on with the same command.")
    return learnt


def _learn(asked: Job, out: Path, looks: Path, bar: Bar) -> Learnt | None:
    """Look, fit the head, tune."""
    recipe = asked.recipe
    device = prepare_torch(recipe.threads)
    torch.manual_seed(recipe.seed)
    published = backbone(recipe.backbone, recipe.start)
    rows, imagenet = imagenet_rows(published), published.get_classifier()  # type: ignore[operator, unused-ignore]
    network = Network(published).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, unused-ignore]
    # Looks depend on the data and on how it is changed, not on the tuning: several seeds share them.
    seen = [_look(network, each, looks / str(number), recipe, bar) for number, each in enumerate(asked.sets)]
    shares = [each.share for each in asked.sets]
    head = fit_head(seen, shares, rows, recipe.pull)
    network.head.load_state_dict({"weight": head.weight, "bias": head.bias})
    if not recipe.steps:
        return Learnt(network, [], 0.0)
    tuned = fit(
        network,
        seen,
        shares,
        recipe,
        imagenet=imagenet,
        data_hash=asked.data_hash(),
        checkpoint=out / CHECKPOINT,
        listener=bar("tuning"),
    )
    return None if tuned is None else _learnt(tuned)


def _learn_several(asked: Job, out: Path) -> Learnt | None:
    """A network of each seed, each with a model of its own, and their average."""
    learnt: list[Learnt] = []
    manifests: list[Mapping[str, Any]] = []
    for seed in asked.seeds:
        print(f"Seed {seed}", flush=True)
        of_seed = replace(asked, recipe=replace(asked.recipe, seed=seed), seeds=())
        folder = out / f"seed-{seed}"
        one = learn(of_seed, folder, out / LOOKS)
        if one is None:
            return None
        learnt.append(one)
        manifests.append(written(export(one, of_seed), of_seed, folder).artefact.manifest)
    (out / SEEDS).write_text(json.dumps(spread(manifests), indent=2) + "\n")
    return Learnt(averaged([one.network for one in learnt]), [], sum(one.seconds for one in learnt))


def _say_what_comes(asked: Job) -> None:
    """What is learnt from and how, before the first minute passes."""
    for each in asked.sets:
        print(
            f"{each.name}: {len(each.learnt):,} pictures to learn from, {len(each.held_out):,} held out to measure on."
        )
    if asked.champion:
        print(f"Looking at what {asked.champion.manifest.version} makes of each; then a new head is fitted to that.")
        print("Last it is measured. All of it takes a minute or two, and begins again after Ctrl-C.", flush=True)
        return
    steps = asked.recipe.steps
    tuned = f", then {steps:,} steps of tuning for its late layers" if steps else ""
    print(f"Looking at what {asked.recipe.backbone} makes of each; then a head fitted to that{tuned}.")
    if asked.seeds:
        print(f"That under {len(asked.seeds)} seeds, from the same looks; the model is the average of their weights.")
    print("Last it is exported, calibrated and measured. Ctrl-C keeps what is done.", flush=True)


def _look(network: Network, each: TrainingSet, folder: Path, recipe: Recipe, bar: Bar) -> Looks:
    shared = replace(recipe, seed=Recipe.seed, steps=0, peak_learning_rate=0, memory=0, weights="", dropout=0)
    looks = plan(each.images, each.learnt, shared)
    keep = recipe.steps > 0
    return look(network, each.images, looks, folder, shared, keep=keep, listener=bar(f"looking: {each.name}"))


def _learnt(tuned: Run) -> Learnt:
    network = tuned.average.module
    assert isinstance(network, Network)  # noqa: S101 - tells the type checker
    return Learnt(network, tuned.curve, tuned.seconds)


def export(learnt: Learnt, asked: Job) -> Answering:
    """The trained network as a graph, calibrated on what was held out."""
    network = learnt.network.cpu().eval()
    plain = to_onnx(network)
    examples = _examples(asked.sets)
    difference = check_export(plain, network, examples[:CHECKED])
    graph = in_integers(plain, examples) if asked.recipe.weights == INTEGERS else plain
    held_out = [_measured(graph, each) for each in asked.sets if len(each.held_out)]
    decided = _decide(held_out, asked.costs)
    story = {
        "parameters": parameter_count(network),
        "training_seconds": round(learnt.seconds, 1),
        "curve": list(learnt.curve),
        "largest_difference_onnx_torch": difference,
    }
    return Answering(with_answers(graph, decided.calibration), held_out, decided, story)


def finish(answering: Answering, asked: Job) -> Finished:
    """Choose the threshold, measure, and say where the model comes from."""
    onnx, held_out, decided = answering.onnx, answering.held_out, answering.decided
    threshold = decided.cheapest.threshold if asked.threshold is None else asked.threshold
    metrics = _metrics(held_out, decided.answers, threshold)
    if asked.photos is not None:
        metrics["photos"] = _photo_figures(onnx, asked.photos, threshold)
    facts = _facts(asked, decided, metrics)
    artefact = compose(onnx, threshold, facts)
    record = {
        "model_version": artefact.version,
        "sha256": artefact.manifest["sha256"],
        **facts,
        "recipe": asked.recipe.as_json(),
        "hardware": {"machine": machine(), "threads": asked.recipe.threads},
        **answering.story,
        "onnx_bytes": len(onnx),
        "milliseconds_per_image": milliseconds_per_image(open_onnx(onnx)),
    }
    return Finished(artefact, record)


def _facts(asked: Job, decided: "Decided", metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest says of where a model comes from and how good it is."""
    return {
        "data_hash": asked.data_hash(),
        "data": [
            {
                "name": each.name,
                "data_hash": each.images.data_hash(),
                "learnt": len(each.learnt),
                "left_out": list(each.left_out),
                "held_out_hash": each.images.part(each.held_out).data_hash(),
            }
            for each in asked.sets
        ],
        **({"seeds": list(asked.seeds)} if asked.seeds else {"seed": asked.recipe.seed}),
        **({"champion": asked.champion.manifest.version} if asked.champion else {}),
        "backbone": asked.recipe.backbone,
        "calibration": {**vars(decided.calibration), "vehicle_share": VEHICLE_SHARE},
        "metrics": metrics,
        "costs": {name: value for name, value in plain(decided.cheapest).items() if name != "curve"},
        "versions": _versions(asked.recipe),
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": asked.command,
    }


def write(finished: Finished, asked: Job, out: Path) -> None:
    """The artefact, the run record and the data manifest, side by side."""
    sets = [
        {
            "name": each.name,
            **data_manifest(each.images),
            "parts": {"train": len(each.learnt), "validation": len(each.held_out)},
        }
        for each in asked.sets
    ]
    data = sets[0] if len(sets) == 1 else {"data_hash": asked.data_hash(), "sets": sets}
    write_artefact(finished.artefact, out / "model.tar.gz")
    (out / "run.json").write_text(json.dumps(finished.record, indent=2) + "\n")
    (out / "data.json").write_text(json.dumps(data, indent=2) + "\n")


def _examples(sets: Sequence[TrainingSet]) -> Pixels:
    """Learnt pictures, as many of each set and spread over its classes."""
    each_set = EXAMPLES // len(sets)
    files = [
        one.images.files[index]
        for one in sets
        for index in one.learnt[np.linspace(0, len(one.learnt) - 1, min(each_set, len(one.learnt))).astype(int)]
    ]
    return stacked(files)


def _measured(graph: bytes, each: TrainingSet) -> Measured:
    part = each.images.part(_to_measure(each))
    return Measured(each.name, part, logits_of(graph, part.batches(BATCH)))


def _to_measure(each: TrainingSet) -> Indices:
    """The held-out pictures, of those that show no label a part."""
    classes = each.images.classes[each.held_out]
    labels, others = each.held_out[classes < len(LABELS)], each.held_out[classes >= len(LABELS)]
    if len(others) > MOST_MEASURED:
        others = others[np.linspace(0, len(others) - 1, MOST_MEASURED).astype(int)]
    return np.concatenate([labels, others])


def _decide(held_out: Sequence[Measured], costs: Costs, kept: Calibration | None = None) -> Decided:
    """Confidences and threshold, on photos of sources that were left out where there are any.

    They are what both are to hold for. What decided is answered by the other half's numbers, all else by the model's.
    A calibration that is kept was fitted on other pictures and answers all.
    """
    deciding = [each for each in held_out if any(each.images.sources)] or list(held_out)
    logits = torch.cat([each.logits for each in deciding])
    classes = torch.from_numpy(np.concatenate([each.images.classes for each in deciding]))
    calibration = kept or calibrate(logits, classes)
    fitted = (probabilities(logits, kept) if kept else cross_fitted(logits, classes)).numpy()
    own = iter(np.split(fitted, np.cumsum([len(each.images) for each in deciding])[:-1]))
    answers = [next(own) if each in deciding else probabilities(each.logits, calibration).numpy() for each in held_out]
    cheapest = cheapest_threshold(fitted, classes.numpy(), costs)
    return Decided(calibration, cheapest, answers)


def _metrics(held_out: Sequence[Measured], answers: Sequence[Probabilities], threshold: float) -> dict[str, Any]:
    """The figures of all held-out pictures together and, where there are several sets, of each."""
    classes = np.concatenate([each.images.classes for each in held_out])
    metrics = {"validation": plain(figures(np.concatenate(answers), classes, threshold))}
    if len(held_out) > 1:
        for each, own in zip(held_out, answers, strict=True):
            metrics[f"validation {each.name}"] = plain(figures(own, each.images.classes, threshold))
    return metrics


def _photo_figures(onnx: bytes, photos: LabelledImages, threshold: float) -> dict[str, Any]:
    session = open_onnx(onnx)
    answers = np.concatenate([run_session(session, some) for some in photos.batches()])
    return {
        "pictures": len(photos),
        "refused": len(photos.refused),
        "data_hash": photos.data_hash(),
        **plain(figures(answers, photos.classes, threshold)),
    }


def _versions(recipe: Recipe) -> dict[str, str]:
    published = recipe.start == PUBLISHED and recipe.backbone == DEFAULT_BACKBONE
    names = (*PACKAGES, PUBLISHED_WEIGHTS) if published else PACKAGES
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names}


if __name__ == "__main__":
    sys.exit(main())
