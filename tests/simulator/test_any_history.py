"""Any history at all: uploads, overwrites, deletions, reviews and restarts, with a fault in every effect.

A history that breaks a promise is shrunk to its shortest; it then belongs into test_histories.py. The short search is
the same every time; the long one (`make soak`) draws anew.
"""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.simulator.machine import Fault, Run, read_machine
from tests.simulator.promises import broken
from tests.simulator.world import Version, World
from vehiclevision.labels import LABELS, NEITHER

ASL = Path(__file__).resolve().parents[2] / "statemachine/classify_vehicle.asl.json"
MACHINE, EXPRESS = read_machine(ASL.read_text()), read_machine(ASL.read_text(), express=True)
ANY = st.integers(0, 10_000)
SHORT = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


class AnyHistory(RuleBasedStateMachine):
    """What people and AWS may do to some photos, one thing after the other."""

    @initialize(is_express=st.booleans())
    def begin(self, is_express: bool) -> None:
        """Uploads start the workflow of either type."""
        self.world = World(MACHINE, EXPRESS if is_express else None)

    @property
    def running(self) -> list[Run]:
        """The runs that have not ended."""
        return [run for run in self.world.runs if run.status == "RUNNING"]

    def version(self, which: int) -> Version:
        """One of the last uploaded versions."""
        return self.world.versions[-1 - which % min(3, len(self.world.versions))]

    @rule(
        key=st.sampled_from("ab"),
        shows=st.sampled_from(["bicycle", "motorcycle", "unsure", "seconded", "disputed", "junk"]),
        heard=st.booleans(),
    )
    def upload(self, key: str, shows: str, heard: bool) -> None:
        """A photo comes, over another of its name perhaps; its event may get lost."""
        version = self.world.upload(key, shows)
        if heard:
            self.world.deliver(version)

    @precondition(lambda self: self.world.versions)
    @rule(which=ANY)
    def deliver_again(self, which: int) -> None:
        """S3 sends an event a second time, or late."""
        self.world.deliver(self.version(which))

    @precondition(lambda self: self.world.versions)
    @rule(which=ANY)
    def start_by_hand(self, which: int) -> None:
        """Somebody starts a photo again."""
        self.world.start(self.version(which))

    @precondition(lambda self: self.running)
    @rule(which=ANY, fault=st.sampled_from(Fault))
    def step(self, which: int, fault: Fault) -> None:
        """A run takes its next step, with a fault."""
        self.world.step(self.running[which % len(self.running)], fault)

    @precondition(lambda self: self.running)
    @rule(which=ANY, steps=st.integers(2, 4))
    def go_on(self, which: int, steps: int) -> None:
        """A run goes on for some steps without a fault."""
        run = self.running[which % len(self.running)]
        for _ in range(steps):
            if run.status == "RUNNING":
                self.world.step(run)

    @precondition(lambda self: self.world.versions)
    @rule(
        which=ANY,
        label=st.sampled_from([*LABELS, NEITHER]),
        fault=st.sampled_from([Fault.NONE, Fault.REFUSED, Fault.LOST]),
        at=st.sampled_from(["table", "bus"]),
    )
    def decide(self, which: int, label: str, fault: Fault, at: str) -> None:
        """A person decides, and table or bus may fail under it."""
        self.world.person_decides(self.version(which), label, fault, at)

    @precondition(lambda self: self.world.versions)
    @rule(which=ANY)
    def delete(self, which: int) -> None:
        """A version is deleted for good."""
        self.version(which).deleted = True

    @rule(seconds=st.sampled_from([1, 60, 1200]), model=st.sampled_from(["m1", "m2"]))
    def time_passes(self, seconds: int, model: str) -> None:
        """Time passes, and another model may be deployed."""
        self.world.wait(seconds)
        self.world.model = model

    def teardown(self) -> None:
        """However it went: put right as the command does it, and no promise is broken."""
        self.world.put_right()
        assert broken(self.world) == []


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = SHORT


@pytest.mark.soak
class TestVeryManyHistories(AnyHistory.TestCase):  # type: ignore[misc,valid-type]
    """The same for some minutes, each time with other histories."""

    settings = settings(SHORT, max_examples=3000, stateful_step_count=40, derandomize=False)
