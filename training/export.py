"""The trained network as an ONNX graph with its calibration inside, its weights in whole numbers of eight bits.

From uint8 pictures to probabilities; features and the activation map beside them cost nothing for who does not ask.
"""

import io
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor, nn

from training.calibrate import Calibration
from training.data.pictures import Pixels
from training.network import ANSWERS, Network, pooled
from training.session import FEATURES_NAME, INPUT_NAME, MAP_NAME, OUTPUT_NAME, open_onnx
from vehiclevision.labels import LABELS, MODEL_INPUT_SIDE

OPSET: Final = 17
MAX_DIFFERENCE: Final = 1e-2
LOGITS: Final = "logits"
# How the names of all that makes answers of logits begin.
ANSWER: Final = "answer"
# Where the labels lie among the logits, as an ONNX Slice takes it.
_BOUNDS: Final = {"first": 0, "end": len(LABELS), "axis": 1}


class ExportDiffersError(Exception):
    """The exported graph answers otherwise than the trained network."""


class Uncalibrated(nn.Module):  # type: ignore[misc, unused-ignore]
    """The network as it is exported, every output in single precision."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Logits, features and, where the network has one, the activation map."""
        last = self.network.late(self.network.front(pictures).float())
        features = pooled(last)
        head = self.network.head
        logits = head(features)
        if last.ndim != 4:
            return logits, features
        return logits, features, nn.functional.conv2d(last, map_weight(head.weight))


def map_weight(weight: Tensor) -> Tensor:
    """What speaks for a label, and not as much for everything: a convolution that gives every place's part of it."""
    return (weight - weight.mean(dim=0, keepdim=True))[: len(LABELS), :, None, None]


def to_onnx(network: Network) -> bytes:
    """The graph in single precision, from uint8 [n, side, side, 3] to logits, features and map, serialised."""
    exported = Uncalibrated(network).cpu().eval()
    picture = torch.zeros(1, MODEL_INPUT_SIDE, MODEL_INPUT_SIDE, 3, dtype=torch.uint8)
    with torch.inference_mode():
        outputs = [LOGITS, FEATURES_NAME, MAP_NAME][: len(exported(picture))]
    written = io.BytesIO()
    with warnings.catch_warnings():
        # It tells a person of slices that it leaves as they are.
        warnings.filterwarnings("ignore", "Constant folding")
        torch.onnx.export(
            exported,
            (picture,),
            written,
            input_names=[INPUT_NAME],
            output_names=outputs,
            dynamic_axes={name: {0: "batch"} for name in (INPUT_NAME, *outputs)},
            opset_version=OPSET,
            dynamo=False,
        )
    return written.getvalue()


def with_answers(graph: bytes, calibration: Calibration) -> bytes:
    """The same graph with the calibration at its end: probabilities instead of logits."""
    model = onnx.load_from_string(graph)
    nodes, constants = model.graph.node, model.graph.initializer

    def add(operation: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operation, inputs, [output], name=f"{ANSWER}.{output}", **attributes))
        return output

    def constant(name: str, values: Any) -> str:
        constants.append(numpy_helper.from_array(values, f"{ANSWER}.{name}"))
        return f"{ANSWER}.{name}"

    shift = np.zeros(ANSWERS, np.float32)
    shift[: len(LABELS)] = calibration.vehicle_shift
    temperature = constant("temperature", np.array(calibration.temperature, np.float32))
    pair_temperature = constant("pair_temperature", np.array(calibration.pair_temperature, np.float32))
    bounds = [constant(name, np.array([bound], np.int64)) for name, bound in _BOUNDS.items()]
    cooled = add("Div", [LOGITS, temperature], "cooled")
    everything = add("Softmax", [add("Add", [cooled, constant("shift", shift)], "raised")], "everything", axis=1)
    labels = add("Slice", [everything, *bounds], "labels")
    any_label = add("ReduceSum", [labels, bounds[-1]], "any_label")
    alone = add("Div", [add("Slice", [LOGITS, *bounds], "alone"), pair_temperature], "alone.cooled")
    add("Mul", [any_label, add("Softmax", [alone], "which", axis=1)], OUTPUT_NAME)
    answer = helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["batch", len(LABELS)])
    others = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *sides])
        for name, sides in _shapes(graph).items()
        if name != LOGITS
    ]
    del model.graph.output[:]
    model.graph.output.extend([answer, *others])
    onnx.checker.check_model(model)
    return cast(bytes, model.SerializeToString(deterministic=True))


def logits_of(graph: bytes, pictures: Iterable[Pixels]) -> Tensor:
    """What a graph that has no calibration yet says to many pictures, a few at a time."""
    session = open_onnx(graph)
    return torch.from_numpy(np.concatenate([session.run([LOGITS], {INPUT_NAME: some})[0] for some in pictures]))


def in_integers(graph: bytes, examples: Pixels) -> bytes:
    """The same graph computing in whole numbers of eight bits; the examples show how large its numbers become.

    Weights take seven bits: on processors without instructions of their own for it, sums of eight would overflow.
    """
    with tempfile.TemporaryDirectory() as scratch:
        plain, ready, small = (str(Path(scratch) / name) for name in ("plain.onnx", "ready.onnx", "small.onnx"))
        Path(plain).write_bytes(graph)
        quant_pre_process(plain, ready, skip_symbolic_shape=True)
        quantize_static(
            ready,
            small,
            _Examples(examples),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Add", "Clip"],
            nodes_to_exclude=_last_nodes(ready),
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        model = onnx.load(small)
    onnx.checker.check_model(model)
    return cast(bytes, model.SerializeToString(deterministic=True))


def check_export(graph: bytes, network: Network, pictures: Pixels) -> float:
    """The largest difference between the exact graph's logits and the network's; ExportDiffersError if it matters."""
    exported = Uncalibrated(network).eval()
    with torch.inference_mode():
        expected = exported(torch.from_numpy(pictures))[0]
    difference = float((logits_of(graph, [pictures]) - expected).abs().max())
    if not difference <= MAX_DIFFERENCE:
        raise ExportDiffersError(f"The exported graph differs by {difference:.2g}, more than {MAX_DIFFERENCE}.")
    return difference


def _last_nodes(path: str) -> list[str]:
    """The map's convolution: the only one that nothing but an output reads."""
    graph = onnx.load(path).graph
    return [node.name for node in graph.node if MAP_NAME in node.output]


def _shapes(graph: bytes) -> dict[str, list[int]]:
    """How large the outputs are without the batch: the exported graph does not always say."""
    session = open_onnx(graph)
    picture = np.zeros((1, MODEL_INPUT_SIDE, MODEL_INPUT_SIDE, 3), np.uint8)
    names = [port.name for port in session.get_outputs()]
    answers = session.run(names, {INPUT_NAME: picture})
    return {name: list(answer.shape[1:]) for name, answer in zip(names, answers, strict=True)}


class _Examples(CalibrationDataReader):  # type: ignore[misc, unused-ignore]
    """One picture after another."""

    def __init__(self, pictures: Pixels) -> None:
        self._pictures: Iterator[Any] = iter(pictures)

    def get_next(self) -> dict[str, Any] | None:
        picture = next(self._pictures, None)
        return None if picture is None else {INPUT_NAME: picture[np.newaxis]}
