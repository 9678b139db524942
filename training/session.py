"""Running an exported network: the names and the settings that writing, serving and measuring share."""

import time
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime

from vehiclevision.labels import LABELS, MODEL_INPUT_SIDE

INPUT_NAME: Final = "image"
OUTPUT_NAME: Final = "probabilities"
# What the last layer sees; nobody computes it who does not ask for it. Drift is also measured on it.
FEATURES_NAME: Final = "features"
INPUT_SHAPE: Final = (MODEL_INPUT_SIDE, MODEL_INPUT_SIDE, 3)
BATCH: Final = 250
_TIMED_IMAGES: Final = 300

# uint8 [n, side, side, 3] in, float32 [n, labels] out; features are float32 [n, as many as the network has].
Images: TypeAlias = npt.NDArray[np.uint8]
Probabilities: TypeAlias = npt.NDArray[np.float32]
Features: TypeAlias = npt.NDArray[np.float32]


def open_onnx(onnx: bytes) -> onnxruntime.InferenceSession:
    """The network, ready to run as it is served."""
    options = onnxruntime.SessionOptions()
    # One thread a prediction: several predictions then share the cores without fighting over them.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # What a damaged network makes onnxruntime print is said better by our own errors.
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])


def run_session(session: onnxruntime.InferenceSession, images: Images, batch: int = BATCH) -> Probabilities:
    """P(bicycle) and P(motorcycle) of each image, computed in batches."""
    if not len(images):
        return np.zeros((0, len(LABELS)), np.float32)
    parts = [images[start : start + batch] for start in range(0, len(images), batch)]
    found = [session.run([OUTPUT_NAME], {INPUT_NAME: part})[0] for part in parts]
    return np.asarray(np.concatenate(found), dtype=np.float32)


def run_onnx(onnx: bytes, images: Images, batch: int = BATCH) -> Probabilities:
    """The answers of an exported network that no artefact holds yet."""
    return run_session(open_onnx(onnx), images, batch)


def gives_features(session: onnxruntime.InferenceSession) -> bool:
    """Whether the network can also say what its last layer sees; older ones cannot."""
    return any(port.name == FEATURES_NAME for port in session.get_outputs())


def run_features(session: onnxruntime.InferenceSession, images: Images, batch: int = BATCH) -> Features:
    """What the last layer sees of each of at least one image."""
    parts = [images[start : start + batch] for start in range(0, len(images), batch)]
    return np.concatenate([session.run([FEATURES_NAME], {INPUT_NAME: part})[0] for part in parts])


def milliseconds_per_image(session: onnxruntime.InferenceSession) -> float:
    """Median time of one picture alone on one thread, without decoding."""
    picture = np.random.default_rng(0).integers(0, 256, (1, *INPUT_SHAPE), np.uint8)
    taken = []
    for _ in range(_TIMED_IMAGES):
        started = time.perf_counter()
        session.run([OUTPUT_NAME], {INPUT_NAME: picture})
        taken.append(time.perf_counter() - started)
    return round(1000 * float(np.median(taken)), 3)
