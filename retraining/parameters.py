"""What the stack of monitoring has to be told so that it can retrain; `vehiclevision monitor deploy` asks here."""

import hashlib
from pathlib import Path

from lifecycle import images, jobs, runs, source
from lifecycle.errors import NothingFoundError
from lifecycle.images import OWN
from lifecycle.prices import Price
from lifecycle.site import Aws


def parameters(
    aws: Aws, *, cost: Price, data: str = "", instance_type: str = "", shipped: Path | None = None
) -> dict[str, str]:
    """The template's parameters for retraining, with the code that trains put into the bucket.

    `cost` is that of the machine in this region. Without loaded training data it is left out, and runs are held back
    until it is there. `shipped` is the model that the endpoint serves where that is no registered version: the local
    AWS, before anything was deployed.
    """
    site, instance = aws.site, instance_type or jobs.DEFAULT_INSTANCES[OWN]
    given = {
        "TrainingSource": runs.upload_source(aws, source.pack()),
        "TrainingImage": images.training_image(site, OWN, instance),
        "TrainingInstanceType": instance,
        "TrainingRoleArn": site.role("training"),
        "ServingRoleArn": site.role("serving"),
    }
    if cost.dollars_an_hour is not None:
        given["DollarsAnHour"] = f"{cost.dollars_an_hour:g}"
    try:
        base = runs.data_at(aws, data)
    except NothingFoundError:
        if data:
            raise
    else:
        given |= {"TrainingData": base.prefix, "TrainingDataHash": base.data_hash}
    if shipped is not None:
        given |= _shipped(aws, shipped)
    return given


def _shipped(aws: Aws, path: Path) -> dict[str, str]:
    content = path.read_bytes()
    key = f"models/{hashlib.sha256(content).hexdigest()[:16]}/model.tar.gz"
    runs.put_once(aws, key, content)
    return {"ChampionModel": aws.site.s3(key), "ServingImage": aws.site.image("shipped")}
