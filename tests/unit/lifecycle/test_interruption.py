"""Killed at any call that changes something: the next run goes on, and teardown misses nothing."""

from dataclasses import dataclass

import pytest

from lifecycle import foundation, registry, runs, serving_image, teardown
from lifecycle.images import OWN
from lifecycle.registry import Candidate
from lifecycle.site import Aws
from tests.unit.lifecycle.fake_aws import FakeAws, Interrupted
from tests.unit.lifecycle.steps import deploy_newest, stage, training

MADE = {
    "training-job": 1,
    "hyper-parameter-tuning-job": 1,
    "model-package-group": 1,
    "model-package": 2,
    "model": 2,
    "endpoint-config": 2,
    "endpoint": 1,
}


def path(aws: Aws) -> None:
    """Everything that makes something: two versions one after the other behind the endpoint."""
    foundation.ensure(aws)
    stage(aws)
    runs.start(aws, training(aws))
    runs.start_search(aws, training(aws, spot=False), 4, 2)
    image = serving_image.ensure(aws, {"serving/Dockerfile": b"FROM x"}, "x86_64")
    for sha256 in ("1" * 64, "2" * 64):
        url = aws.site.s3(f"models/{sha256[:16]}/model.tar.gz")
        runs.put_once(aws, f"models/{sha256[:16]}/model.tar.gz", b"model")
        registry.register(aws, Candidate(OWN, image, url, sha256, threshold=0.7))
        # As a person would: the second run finds the newer version and deploys that one.
        deploy_newest(aws, approve=True)


# A kill between two of these is a kill after the first: whatever only looks changes nothing.
LOOKS = ("Describe", "List", "Get", "Head", "BatchGet")


@dataclass(frozen=True)
class Changes:
    """The calls that change something, by their number: on the way up, and on the way down."""

    up: list[int]
    down: list[int]


@pytest.fixture(scope="module")
def changes() -> Changes:
    fake = FakeAws()
    path(fake.aws())
    top = len(fake.calls)
    teardown.remove(fake.aws(), teardown.find(fake.aws()))
    numbers = [number for number, (_, name, _) in enumerate(fake.calls) if not name.startswith(LOOKS)]
    return Changes([each for each in numbers if each < top], [each for each in numbers if each >= top])


def killed_at(number: int) -> FakeAws:
    fake = FakeAws(kill_at=number)
    with pytest.raises(Interrupted):
        path(fake.aws())
        teardown.remove(fake.aws(), teardown.find(fake.aws()))
    fake.kill_at = None
    return fake


def test_there_is_enough_to_kill(changes: Changes) -> None:
    """The run makes and deletes everything that there is."""
    assert len(changes.up) > 20
    assert len(changes.down) > 15


def test_the_next_run_goes_on(changes: Changes) -> None:
    """After a kill the same commands come to the same end: nothing twice, and teardown leaves nothing."""
    for number in changes.up:
        fake = killed_at(number)

        path(fake.aws())

        made = {kind: len(found) for kind, found in fake.things.items() if found}
        assert made == MADE, number
        assert fake.things["endpoint"]["vehiclevision"]["EndpointStatus"] == "InService", number
        teardown.remove(fake.aws(), teardown.find(fake.aws()))
        assert fake.leftovers == [], number


def test_teardown_alone_cleans_up(changes: Changes) -> None:
    """Whoever gives up after a kill runs teardown, killed itself or not: nothing is left for a second one."""
    for number in [*changes.up, *changes.down]:
        fake = killed_at(number)

        teardown.remove(fake.aws(), teardown.find(fake.aws()))

        assert fake.leftovers == [], number
        assert teardown.find(fake.aws()) == [], number
