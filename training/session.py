"""Running an exported network: the names and the settings that writing, serving and measuring share."""

import os
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
# How much each place of the picture speaks for each label; their mean is what the label's share is made from.
MAP_NAME: Final = "activation_map"
INPUT_SHAPE: Final = (MODEL_INPUT_SIDE, MODEL_INPUT_SIDE, 3)
# Larger batches are no faster and take much more memory: a picture is half a megabyte inside the network.
BATCH: Final = 16
_TIMED_IMAGES: Final = 100

# uint8 [n, side, side, 3] in, float32 [n, labels] out; features are float32 [n, as many as the network has], maps
# float32 [n, labels, rows, columns].
Images: TypeAlias = npt.NDArray[np.uint8]
Probabilities: TypeAlias = npt.NDArray[np.float32]
Features: TypeAlias = npt.NDArray[np.float32]
Maps: TypeAlias = npt.NDArray[np.float32]


def open_onnx(onnx: bytes) -> onnxruntime.InferenceSession:
    """The network, ready to run as it is served."""
    options = onnxruntime.SessionOptions()
    # One thread a prediction: several predictions then share the cores without fighting over them.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # ONNX can keep weights in files that it names: below this there is none, and elsewhere onnxruntime looks for none.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    # What a damaged network makes onnxruntime print is said better by our own errors.
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])


def run_session(session: onnxruntime.InferenceSession, images: Images, batch: int = BATCH) -> Probabilities:
    """The probability of each label for each image, computed in batches."""
    if not len(images):
        return np.zeros((0, len(LABELS)), np.float32)
    return run_output(session, OUTPUT_NAME, images, batch)


def gives_features(session: onnxruntime.InferenceSession) -> bool:
    """Whether the network can also say what its last layer sees; older ones cannot."""
    return _gives(session, FEATURES_NAME)


def gives_maps(session: onnxruntime.InferenceSession) -> bool:
    """Whether the network can also say where in the picture it saw what; not every kind of network can."""
    return _gives(session, MAP_NAME)


def run_output(
    session: onnxruntime.InferenceSession, output: str, images: Images, batch: int = BATCH
) -> npt.NDArray[np.float32]:
    """One output for each of at least one image, computed in batches."""
    parts = [images[start : start + batch] for start in range(0, len(images), batch)]
    outputs = [session.run([output], {INPUT_NAME: part})[0] for part in parts]
    return np.asarray(np.concatenate(outputs), dtype=np.float32)


def _gives(session: onnxruntime.InferenceSession, output: str) -> bool:
    return any(port.name == output for port in session.get_outputs())


def milliseconds_per_image(session: onnxruntime.InferenceSession) -> float:
    """Median time of one picture alone on one thread, without decoding."""
    picture = np.random.default_rng(0).integers(0, 256, (1, *INPUT_SHAPE), np.uint8)
    taken = []
    for _ in range(_TIMED_IMAGES):
        started = time.perf_counter()
        session.run([OUTPUT_NAME], {INPUT_NAME: picture})
        taken.append(time.perf_counter() - started)
    return round(1000 * float(np.median(taken)), 3)
