"""BentoML: `bentoml serve bench.rivals.with_bentoml:Classifier`."""

import bentoml
import numpy as np
from PIL import Image

from bench.rivals.work import MODEL, THREADS


@bentoml.service(
    workers=THREADS, metrics={"enabled": False}, tracing={"sample_rate": 0.0}, logging={"access": {"enabled": False}}
)
class Classifier:
    """The model as a BentoML service, with as many worker processes as ours predicts on threads."""

    @bentoml.api(route="/invocations")
    async def invocations(self, image: Image.Image) -> list[float]:
        """BentoML takes a picture as a form's file, and opens it with Pillow as ours does."""
        probabilities: list[float] = MODEL.predict(np.asarray(image.convert("RGB"))[None])[0].tolist()
        return probabilities
