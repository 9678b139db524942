"""Asking a model file about many pictures: decoded a few at a time, on a few cores."""

from collections.abc import Sequence

import numpy as np

from training.artefact import Model
from training.data.pictures import stacked
from training.data.threads import THREADS, Listener, in_threads
from training.evaluation.scores import Numbers
from training.session import BATCH, MAP_NAME, Maps, gives_maps, run_output
from vehiclevision.labels import LABELS


def answers(model: Model, files: Sequence[bytes], listener: Listener = lambda done, total: None) -> Numbers:
    """The model's answers [n, labels] to files that the image gate made."""
    several = [files[start : start + BATCH] for start in range(0, len(files), BATCH)]
    parts: list[Numbers] = [np.zeros((0, len(LABELS)))]
    for part in in_threads(lambda some: model.predict(stacked(some)).astype(np.float64), several, THREADS):
        parts.append(part)
        listener(min(len(files), BATCH * (len(parts) - 1)), len(files))
    return np.concatenate(parts)


def maps(model: Model, files: Sequence[bytes]) -> Maps | None:
    """Where in each file the model saw what [n, labels, rows, columns]; None of a network that cannot say."""
    if not files or not gives_maps(model.session):
        return None
    several = (files[start : start + BATCH] for start in range(0, len(files), BATCH))
    return np.concatenate([run_output(model.session, MAP_NAME, stacked(part)) for part in several])
