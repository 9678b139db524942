"""A model that there is, as a beginning: its network stays, and its head is fitted anew on what its last layer sees."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import numpy as np
import onnx
import torch
from onnx import NodeProto, TensorProto, numpy_helper

from training.artefact import MODEL_MEMBER, Manifest, checked_model, read_members
from training.calibrate import Calibration
from training.data.pictures import LabelledImages
from training.data.split import Indices
from training.errors import ModelRefusedError
from training.export import ANSWER, LOGITS, map_weight
from training.features import Listener
from training.head import Head
from training.network import ANSWERS
from training.session import BATCH, FEATURES_NAME, MAP_NAME, Features, open_onnx, run_output

CHAMPION: Final = "champion"
_HEAD: Final = "Gemm"


@dataclass(frozen=True)
class Champion:
    """A model's graph, and the head and the calibration that are inside it."""

    manifest: Manifest
    graph: bytes
    head: Head
    calibration: Calibration


def read_champion(path: Path) -> Champion:
    """A model to begin from; ModelRefusedError for one whose graph training did not write."""
    members = read_members(path)
    manifest, graph = checked_model(members, path).manifest, members[MODEL_MEMBER]
    model = onnx.load_from_string(graph)
    constants = {each.name: each for each in model.graph.initializer}
    try:
        last = _node(model, LOGITS)
        weight, bias = (torch.from_numpy(numpy_helper.to_array(constants[name]).copy()) for name in last.input[1:])
        temperature, shift, pair = (
            float(numpy_helper.to_array(constants[f"{ANSWER}.{name}"]).flat[0])
            for name in ("temperature", "shift", "pair_temperature")
        )
    except (KeyError, ValueError) as error:
        raise _refused(path) from error
    sound = last.op_type == _HEAD and last.input[0] == FEATURES_NAME and bias.shape == (ANSWERS,)
    if not sound or weight.ndim != 2 or len(weight) != ANSWERS:
        raise _refused(path)
    return Champion(manifest, graph, Head(weight, bias), Calibration(temperature, shift, pair))


def with_head(champion: Champion, head: Head) -> bytes:
    """The champion's graph with another head, and the activation map that goes with it; all else as it was."""
    model = onnx.load_from_string(champion.graph)
    constants = {each.name: each for each in model.graph.initializer}
    last = _node(model, LOGITS)
    _replace(constants[last.input[1]], head.weight.numpy())
    _replace(constants[last.input[2]], head.bias.numpy())
    if any(port.name == MAP_NAME for port in model.graph.output):
        _replace(constants[_node(model, MAP_NAME).input[1]], map_weight(head.weight).numpy())
    onnx.checker.check_model(model)
    return cast(bytes, model.SerializeToString(deterministic=True))


def features_of(champion: Champion, images: LabelledImages, chosen: Indices, listener: Listener) -> Features:
    """What the champion's last layer sees of the chosen pictures as they are."""
    session = open_onnx(champion.graph)
    parts = []
    for pictures in images.part(chosen).batches(BATCH):
        parts.append(run_output(session, FEATURES_NAME, pictures))
        listener(min(len(parts) * BATCH, len(chosen)), len(chosen))
    return np.concatenate(parts)


def _node(model: onnx.ModelProto, output: str) -> NodeProto:
    """What writes an output; KeyError where nothing does."""
    return {name: node for node in model.graph.node for name in node.output}[output]


def _replace(constant: TensorProto, values: np.ndarray) -> None:
    constant.CopyFrom(numpy_helper.from_array(values.astype(np.float32), constant.name))


def _refused(path: Path) -> ModelRefusedError:
    return ModelRefusedError(
        f"The head of {path} cannot be fitted anew: this project's training did not write its graph.",
        "Begin at the network as published: --start published",
    )
