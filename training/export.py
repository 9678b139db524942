"""The served network as an ONNX graph, written node by node: nothing but the network, always the same bytes."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from training.data.pictures import Pixels
from training.network import LEVEL_MIDDLE, LEVEL_SPREAD, MAGNIFIED
from training.serving import Calibration, Layer, ServedNetwork, logits_in_batches, probabilities
from training.session import FEATURES_NAME, INPUT_NAME, OUTPUT_NAME, run_onnx
from vehiclevision.labels import LABELS, MODEL_INPUT_SIDE

OPSET: Final = 17
IR_VERSION: Final = 8
MAX_DIFFERENCE: Final = 1e-4


class ExportDiffersError(Exception):
    """The exported graph answers otherwise than the trained network."""


class _Graph:
    """Nodes and constants in the order in which they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operation: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operation, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, name: str, values: npt.NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def number(self, name: str, value: float) -> str:
        """A constant of one number in single precision."""
        return self.constant(name, np.array(value, np.float32))

    def half(self, name: str, values: torch.Tensor) -> str:
        """A constant kept in half precision and used in single; the runtime converts it once, on loading."""
        stored = self.constant(f"{name}.half", values.numpy().astype(np.float16))
        return self.add("Cast", [stored], name, to=TensorProto.FLOAT)

    def convolve(self, name: str, x: str, layer: Layer) -> str:
        weights = [self.half(f"{name}.weight", layer.weight), self.half(f"{name}.bias", layer.bias)]
        kernel = layer.weight.shape[-1]
        return self.add(
            "Conv",
            [x, *weights],
            name,
            kernel_shape=[kernel, kernel],
            pads=[kernel // 2] * 4,
            strides=[layer.stride, layer.stride],
            group=layer.groups,
        )

    def relu6(self, x: str) -> str:
        return self.add("Clip", [x, "nothing", "six"], f"{x}.relu6")


def to_onnx(model: ServedNetwork, calibration: Calibration) -> bytes:
    """The graph from uint8 [n, side, side, 3] to calibrated float32 [n, 2], serialised."""
    graph = _Graph()
    for name, bound in (("nothing", 0), ("six", 6)):
        graph.number(name, bound)
    x = graph.relu6(graph.convolve("stem", _magnified(graph, _colours(graph)), model.stem))
    for number, block in enumerate(model.blocks):
        name = f"block{number}"
        inside = graph.relu6(graph.convolve(f"{name}.widen", x, block.widen)) if block.widen else x
        inside = graph.relu6(graph.convolve(f"{name}.look", inside, block.look))
        found = graph.convolve(f"{name}.narrow", inside, block.narrow)
        x = graph.add("Add", [x, found], f"{name}.sum") if block.adds else found
    x = graph.add("Flatten", [graph.add("GlobalAveragePool", [x], "pooled")], FEATURES_NAME, axis=1)
    head = [graph.half("head.weight", model.head.weight), graph.half("head.bias", model.head.bias)]
    x = graph.add("Gemm", [x, *head], "logits", transB=1)
    _answer(graph, x, calibration, classes=len(model.head.bias))
    return _serialised(graph, features=model.head.weight.shape[1])


def check_export(onnx_bytes: bytes, model: ServedNetwork, calibration: Calibration, images: Pixels) -> float:
    """The largest difference between the graph's answers and the network's; ExportDiffersError if it matters."""
    expected = probabilities(logits_in_batches(model, torch.from_numpy(images)), calibration).numpy()
    difference = float(np.abs(run_onnx(onnx_bytes, images) - expected).max())
    if not difference <= MAX_DIFFERENCE:
        raise ExportDiffersError(f"The exported graph differs by {difference:.2g}, more than {MAX_DIFFERENCE}.")
    return difference


def _colours(graph: _Graph) -> str:
    x = graph.add("Cast", [INPUT_NAME], "levels", to=TensorProto.FLOAT)
    x = graph.add("Transpose", [x], "planes", perm=[0, 3, 1, 2])
    x = graph.add("Sub", [x, graph.number("middle", LEVEL_MIDDLE)], "centred")
    return graph.add("Div", [x, graph.number("spread", LEVEL_SPREAD)], "colours")


def _magnified(graph: _Graph, x: str) -> str:
    scales = graph.constant("scales", np.array([1, 1, MAGNIFIED, MAGNIFIED], np.float32))
    return graph.add("Resize", [x, "", scales], "magnified", mode="linear", coordinate_transformation_mode="half_pixel")


def _answer(graph: _Graph, x: str, calibration: Calibration, classes: int) -> None:
    shift = np.zeros(classes, np.float32)
    shift[: len(LABELS)] = calibration.vehicle_shift
    cooled = graph.add("Div", [x, graph.number("temperature", calibration.temperature)], "cooled")
    raised = graph.add("Add", [cooled, graph.constant("shift", shift)], "raised")
    everything = graph.add("Softmax", [raised], "everything", axis=1)
    bounds = {"first": 0, "end": len(LABELS), "axis": 1}
    first, end, axis = (graph.constant(f"labels.{name}", np.array([bound], np.int64)) for name, bound in bounds.items())
    vehicles = graph.add("Slice", [everything, first, end, axis], "vehicles")
    vehicle = graph.add("ReduceSum", [vehicles, axis], "vehicle")
    pair_temperature = graph.number("pair_temperature", calibration.pair_temperature)
    pair = graph.add("Slice", [x, first, end, axis], "pair")
    which = graph.add("Softmax", [graph.add("Div", [pair, pair_temperature], "pair.cooled")], "which", axis=1)
    graph.add("Mul", [vehicle, which], OUTPUT_NAME)


def _serialised(graph: _Graph, features: int) -> bytes:
    side = MODEL_INPUT_SIDE
    widths = {OUTPUT_NAME: len(LABELS), FEATURES_NAME: features}
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "vehiclevision",
            [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, ["batch", side, side, 3])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])
                for name, width in widths.items()
            ],
            graph.constants,
        ),
        producer_name="vehiclevision",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))
