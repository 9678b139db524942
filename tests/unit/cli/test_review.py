"""A person's word: recorded, announced, kept to learn from; a break between the steps loses nothing."""

import dataclasses
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from cli.commands import review
from cli.commands.review import list as list_
from cli.commands.status import seconded
from cli.errors import CommandError
from cli.reviewing import confidences, in_colours, keys, question, understood
from cli.target import Target
from console.deployed import desk_of
from console.pictures import Pictures, View
from monitoring import labels
from monitoring.errors import LabelRefusedError
from monitoring.holding import Desk
from monitoring.review import decide, drawn, picture, waiting
from tests.unit.cli.answers import Called, Command, known
from tests.unit.cli.recorded import put_record
from vehiclevision.image_gate import normalise
from vehiclevision.labels import LABELS
from vehiclevision.record import Record

UNSURE: dict[str, Any] = {
    "inferences": {"L": [{"N": "0.40"}, {"N": "0.35"}]},
    "confidence": {"N": "0.40"},
    "label": {"NULL": True},
}
SURE: dict[str, Any] = {
    "inferences": {"L": [{"N": "0.97"}, {"N": "0.01"}]},
    "confidence": {"N": "0.97"},
    "label": {"S": "bicycle"},
}


class Bus:
    """An event bus that remembers, and can be out of order."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.broken = False
        self.answers = True

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        if self.broken:
            raise ConnectionError("the bus is down")
        self.heard += [json.loads(entry["Detail"]) | {"detail-type": entry["DetailType"]} for entry in Entries]
        if not self.answers:
            raise ConnectionError("the answer is lost")
        return {"FailedEntryCount": 0}


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def desk(deployed: Target, bus: Bus) -> Desk:
    return dataclasses.replace(desk_of(deployed), events=bus)


def photo(colour: str = "teal") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (80, 60), colour).save(stream, format="JPEG")
    return stream.getvalue()


def recorded(target: Target, key: str, outcome: str, colour: str = "teal", **fields: Any) -> Record:
    """An uploaded photo and its record."""
    bucket = target.output("BucketName")
    version = target.client("s3").put_object(Bucket=bucket, Key=key, Body=photo(colour))["VersionId"]
    put_record(target, key, version, outcome, **fields)
    return case(target, key, version)


def case(target: Target, key: str, version: str) -> Record:
    found = target.results.look_up(target.output("BucketName"), [(key, version)])
    return found[key, version]


def kept(target: Target) -> list[str]:
    pages = target.client("s3").list_objects_v2(Bucket=target.output("BucketName"), Prefix="reviewed/")
    return [entry["Key"] for entry in pages.get("Contents", [])]


def test_a_label_is_recorded_announced_and_kept(deployed: Target, desk: Desk, bus: Bus) -> None:
    """The record says that a person decided, consumers get the route, and the picture is named by what was sent."""
    found = recorded(deployed, "uploads/a.jpg", "NEEDS_REVIEW", **UNSURE)

    decide(desk, found, "motorcycle")

    record = deployed.results.versions(desk.bucket, "uploads/a.jpg")[0]
    assert (record.outcome, record.label, record.route) == ("CLASSIFIED", "motorcycle", "distant")
    assert (record.decided_by, record.reviewed_label, record.confidence) == ("human", "motorcycle", 0.40)
    [event] = bus.heard
    assert (event["detail-type"], event["label"], event["route"]) == ("VehicleReviewed", "motorcycle", "distant")
    assert (event["s3_key"], event["decided_by"], event["changed"]) == ("uploads/a.jpg", "human", True)
    digest = labels.digest_of(normalise(photo()).jpeg)
    assert kept(deployed) == [f"reviewed/motorcycle/{digest}.jpg"]
    assert labels.read(f"s3://{desk.bucket}/reviewed/", desk.s3).drawn == {digest: "motorcycle"}


def test_neither_vehicle_sends_no_rider(deployed: Target, desk: Desk, bus: Bus) -> None:
    """The image ends as REJECTED, with the reason, and without a route."""
    found = recorded(deployed, "uploads/cat.jpg", "NEEDS_REVIEW", **UNSURE)

    decide(desk, found, "neither")

    record = deployed.results.versions(desk.bucket, "uploads/cat.jpg")[0]
    assert (record.outcome, record.reason) == ("REJECTED", "NEITHER_VEHICLE")
    assert (record.label, record.route, bus.heard[0]["route"]) == (None, None, None)


def test_a_broken_bus_leaves_the_image_waiting_and_nothing_is_lost(deployed: Target, desk: Desk, bus: Bus) -> None:
    """What could not be announced still waits; reviewing it again announces it and closes it."""
    found = recorded(deployed, "uploads/a.jpg", "NEEDS_REVIEW", **UNSURE)
    bus.broken = True
    with pytest.raises(ConnectionError):
        decide(desk, found, "bicycle")
    assert [each.s3_key for each in waiting(deployed.results, sure=False)] == ["uploads/a.jpg"]

    bus.broken = False
    decide(desk, case(deployed, "uploads/a.jpg", found.version_id), "bicycle")

    assert len(bus.heard) == 1
    assert not list(waiting(deployed.results, sure=True))


def test_a_repeated_announcement_has_the_same_id_and_content(deployed: Target, desk: Desk, bus: Bus) -> None:
    """The bus took it and its answer was lost: the next review says the very same; once closed, nothing is said."""
    seen = recorded(deployed, "uploads/a.jpg", "CLASSIFIED", sequencer={"S": "0055AED6DCD90281E5"}, **SURE)
    bus.answers = False
    with pytest.raises(ConnectionError):
        decide(desk, seen, "motorcycle")
    bus.answers = True
    later = dataclasses.replace(desk, now=lambda: datetime.now(UTC) + timedelta(hours=1))

    decide(later, case(deployed, "uploads/a.jpg", seen.version_id), "motorcycle")
    decide(later, case(deployed, "uploads/a.jpg", seen.version_id), "motorcycle")

    first, second = bus.heard
    assert first == second
    assert first["changed"]
    assert first["sequencer"] == "0055AED6DCD90281E5"
    assert (len(first["announcement_id"]), first["superseded"]) == (64, False)


def test_each_decision_has_an_id_of_its_own(deployed: Target, desk: Desk, bus: Bus) -> None:
    """Bicycle, then motorcycle, then bicycle again: three announcements that a consumer can tell apart and order."""
    seen = recorded(deployed, "uploads/a.jpg", "NEEDS_REVIEW", **UNSURE)
    for second, label in enumerate(("bicycle", "motorcycle", "bicycle")):
        at = dataclasses.replace(desk, now=partial(datetime, 2026, 11, 28, 9, 0, second, tzinfo=UTC))
        decide(at, case(deployed, "uploads/a.jpg", seen.version_id), label, again=True)

    assert len({event["announcement_id"] for event in bus.heard}) == 3
    in_order = sorted(bus.heard, key=lambda event: event["reviewed_at"])
    assert [event["label"] for event in in_order] == ["bicycle", "motorcycle", "bicycle"]


def test_a_word_on_an_overwritten_photo_says_so(deployed: Target, desk: Desk, bus: Bus) -> None:
    """Whoever keeps one answer a key need not take this one: a newer version is there."""
    seen = recorded(deployed, "uploads/a.jpg", "NEEDS_REVIEW", **UNSURE)
    desk.s3.put_object(Bucket=desk.bucket, Key="uploads/a.jpg", Body=photo("red"))

    decide(desk, seen, "bicycle")

    assert [event["superseded"] for event in bus.heard] == [True]


def test_a_photo_of_before_its_bucket_had_versions_is_shown_itself(deployed: Target, desk: Desk) -> None:
    """Not what lies over it since: the label is about the picture that the model saw."""
    here: Any = {"LocationConstraint": desk.s3.meta.region_name}
    desk.s3.create_bucket(Bucket="old", CreateBucketConfiguration=here)
    desk.s3.put_object(Bucket="old", Key="a.jpg", Body=photo())
    desk.s3.put_bucket_versioning(Bucket="old", VersioningConfiguration={"Status": "Enabled"})
    desk.s3.put_object(Bucket="old", Key="a.jpg", Body=photo("red"))
    put_record(deployed, "a.jpg", "null", object={"S": "old/a.jpg"}, s3_bucket={"S": "old"})
    (record,) = deployed.results.versions("old", "a.jpg")

    shown = Pictures(desk.s3).jpeg(("old", "a.jpg", "null"), View.UPLOADED)
    _, green, blue = Image.open(io.BytesIO(shown)).tobytes()[:3]

    assert picture(desk, record) == photo()
    assert min(green, blue) > 100  # teal, and not red


def test_two_people_do_not_overrule_each_other_by_accident(deployed: Target, desk: Desk, bus: Bus) -> None:
    """The second label is refused with what to do; said to be meant, it replaces the first, the picture with it."""
    seen = recorded(deployed, "uploads/a.jpg", "NEEDS_REVIEW", **UNSURE)
    decide(desk, seen, "bicycle")

    with pytest.raises(LabelRefusedError, match="meanwhile"):
        decide(desk, seen, "motorcycle")
    decide(desk, case(deployed, "uploads/a.jpg", seen.version_id), "motorcycle", again=True)

    assert [event["label"] for event in bus.heard] == ["bicycle", "motorcycle"]
    [key] = kept(deployed)
    assert key.startswith("reviewed/motorcycle/")


def test_of_two_corrections_at_once_the_picture_has_the_label_of_the_one_that_stands(
    deployed: Target, desk: Desk
) -> None:
    """The overruled one is about to keep its picture when the other is taken to its end: a model learns what stands."""
    found = recorded(deployed, "uploads/a.jpg", "NEEDS_REVIEW", **UNSURE)

    class Overtaken:
        def __getattr__(self, name: str) -> Any:
            return getattr(desk.s3, name)

        def put_object(self, **request: Any) -> Any:
            decide(desk, case(deployed, found.s3_key, found.version_id), "motorcycle", again=True)
            return desk.s3.put_object(**request)

    with pytest.raises(LabelRefusedError, match="meanwhile"):
        decide(dataclasses.replace(desk, s3=Overtaken()), found, "bicycle")

    record = deployed.results.versions(desk.bucket, "uploads/a.jpg")[0]
    assert (record.label, [key.split("/")[1] for key in kept(deployed)]) == ("motorcycle", ["motorcycle"])


def test_a_sure_answer_that_somebody_asks_about_is_no_fair_sample(deployed: Target, desk: Desk, bus: Bus) -> None:
    """It corrects the record and teaches the model, but does not count when accuracy is estimated."""
    number = next(n for n in range(100) if not drawn("vehicles-uploads", f"uploads/{n}.jpg", "x"))
    found = recorded(deployed, f"uploads/{number}.jpg", "CLASSIFIED", **SURE)
    while drawn(found.s3_bucket, found.s3_key, found.version_id):
        found = recorded(deployed, f"uploads/{number}.jpg", "CLASSIFIED", **SURE)

    decide(desk, found, "motorcycle")

    read = labels.read(f"s3://{desk.bucket}/reviewed/", desk.s3)
    assert list(read.by_digest.values()) == ["motorcycle"]
    assert read.drawn == {}
    assert bus.heard[0]["changed"]


def test_the_sample_of_sure_answers_has_the_stated_size_and_is_the_same_every_time() -> None:
    """One in twenty, by hash: neither the answer nor the time decides."""
    found = [drawn("photos", f"uploads/{number}.jpg", "v1") for number in range(20_000)]

    assert sum(found) == pytest.approx(1000, abs=130)
    assert found == [drawn("photos", f"uploads/{number}.jpg", "v1") for number in range(20_000)]


def test_what_passed_by_a_second_opinion_is_seen_twice_as_often(deployed: Target) -> None:
    """One in ten of those, and among them each that would be seen without it."""
    opinion = {"by": {"S": "rekognition"}, "label": {"S": "bicycle"}, "confidence": {"N": "0.9"}}
    passed = {"M": {**opinion, "passed": {"BOOL": True}}}
    for number in range(80):
        put_record(deployed, f"uploads/{number}.jpg", "1", second_opinion=passed)

    seen = {record.s3_key for record in waiting(deployed.results, sure=True)}

    keys = [f"uploads/{number}.jpg" for number in range(80)]
    assert seen == {key for key in keys if drawn("vehicles-uploads", key, "1", 0.1)}
    assert seen > {key for key in keys if drawn("vehicles-uploads", key, "1")}


def test_status_tells_how_often_people_agreed(deployed: Target) -> None:
    """Of those that passed by a second opinion, the ones that a person has seen since; not what others passed."""
    opinion = {"by": {"S": "rekognition"}, "label": {"S": "bicycle"}, "confidence": {"N": "0.9"}}
    passed, differed = ({"M": {**opinion, "passed": {"BOOL": value}}} for value in (True, False))
    human: dict[str, Any] = {"decided_by": {"S": "human"}, "reviewed_at": {"S": "2026-11-22T10:00:00.000Z"}}
    put_record(deployed, "unseen.jpg", "1", second_opinion=passed)
    put_record(deployed, "right.jpg", "1", second_opinion=passed, reviewed_label={"S": "bicycle"}, **human)
    put_record(deployed, "wrong.jpg", "1", second_opinion=passed, reviewed_label={"S": "motorcycle"}, **human)
    put_record(
        deployed, "neither.jpg", "1", "REJECTED", second_opinion=passed, reviewed_label={"S": "neither"}, **human
    )
    put_record(deployed, "differed.jpg", "1", second_opinion=differed, reviewed_label={"S": "bicycle"}, **human)
    put_record(deployed, "sure.jpg", "1", reviewed_label={"S": "bicycle"}, **human)

    assert seconded(deployed.results) == {"passed": 4, "seen_by_people": 3, "people_agreed": 1}


def test_what_waits_is_listed_unsure_ones_first(deployed: Target, called: Called) -> None:
    """The longest waiting unsure one comes first; of the sure ones only drawn ones appear, and on request none."""
    recorded(deployed, "uploads/late.jpg", "NEEDS_REVIEW", recorded_at={"S": "2026-11-21T10:09:00.000Z"}, **UNSURE)
    recorded(deployed, "uploads/early.jpg", "NEEDS_REVIEW", recorded_at={"S": "2026-11-21T10:01:00.000Z"}, **UNSURE)
    for number in range(60):
        put_record(deployed, f"uploads/sure{number}.jpg", "1", "CLASSIFIED", **SURE)
    sample = {f"uploads/sure{n}.jpg" for n in range(60) if drawn("vehicles-uploads", f"uploads/sure{n}.jpg", "1")}

    def keys(*, sure: bool) -> list[str]:
        answer = called(lambda: list_.command(known(deployed), sure=sure, as_json=True))
        return [line["s3_key"] for line in answer.json_lines()]

    both, unsure = keys(sure=True), keys(sure=False)

    assert unsure == ["uploads/early.jpg", "uploads/late.jpg"]
    assert both[:2] == unsure
    assert set(both[2:]) == sample


@pytest.mark.parametrize("outcome", ["FAILED", "REJECTED"])
def test_what_was_never_classified_cannot_be_reviewed(deployed: Target, desk: Desk, outcome: str) -> None:
    """There is no picture to name; the refusal says what to do instead."""
    found = recorded(deployed, "uploads/a.jpg", outcome, inferences={"NULL": True})

    with pytest.raises(LabelRefusedError, match="never classified"):
        decide(desk, found, "bicycle")


def test_a_photo_that_is_gone_is_said_to_be_gone(deployed: Target, desk: Desk) -> None:
    """An expired version cannot be labelled any more, and the record is left alone."""
    found = recorded(deployed, "uploads/a.jpg", "NEEDS_REVIEW", **UNSURE)
    desk.s3.delete_object(Bucket=desk.bucket, Key=found.s3_key, VersionId=found.version_id)

    with pytest.raises(LabelRefusedError, match="no longer in the bucket"):
        decide(desk, found, "bicycle")

    assert case(deployed, "uploads/a.jpg", found.version_id).reviewed_label is None


def test_without_a_terminal_nobody_is_asked(command: Command, deployed: Target) -> None:
    """A script gets told which commands are meant for it."""
    context = SimpleNamespace(invoked_subcommand=None)

    with pytest.raises(CommandError, match="no terminal"):
        review.command(context, known(deployed))  # type: ignore[arg-type]


@pytest.fixture
def three(deployed: Target) -> list[Record]:
    """Three photos that wait, in this order."""
    for minute, name in enumerate("abc"):
        at = {"S": f"2026-11-21T10:0{minute}:00.000Z"}
        recorded(deployed, f"uploads/{name}.jpg", "NEEDS_REVIEW", recorded_at=at, **UNSURE)
    return list(waiting(deployed.results, sure=False))


def typing(*words: str) -> Callable[[str], str]:
    """A person who types these, one after the other."""
    left = iter(words)
    return lambda _: next(left)


def left(target: Target) -> list[str]:
    return [record.s3_key for record in waiting(target.results, sure=False)]


def test_in_the_terminal_each_picture_is_shown_and_asked_about(
    deployed: Target, desk: Desk, three: list[Record], called: Called
) -> None:
    """Path, confidences and the picture itself; skipping leaves it waiting."""
    answer = called(lambda: review.go_through(desk, three, LABELS, typing("x", "b", "s", "q")))

    assert answer.code == 1
    assert "bicycle 0.400  motorcycle 0.350" in answer.out
    assert ".jpg" in answer.out
    assert "▀" in answer.out
    assert left(deployed) == ["uploads/b.jpg", "uploads/c.jpg"]


def test_only_keys_and_whole_words_are_understood(
    deployed: Target, desk: Desk, bus: Bus, three: list[Record], called: Called
) -> None:
    """What merely begins like a label sends no rider anywhere: it is asked again."""
    said = typing("banana", "bi", "", "mm", "motorcycle", "quit")

    answer = called(lambda: review.go_through(desk, three, LABELS, said))

    assert [event["label"] for event in bus.heard] == ["motorcycle"]
    assert answer.err.count("a key in brackets, or a whole word") == 4


def test_the_last_decision_can_be_undone_before_anything_is_announced(
    deployed: Target, desk: Desk, bus: Bus, three: list[Record], called: Called
) -> None:
    """Until the next picture is answered; what is announced already is overruled with a command that is named."""
    said = typing("b", "undo", "u", "m", "s", "n", "u", "b", "")

    answer = called(lambda: review.go_through(desk, three, LABELS, said))

    assert [(event["s3_key"], event["label"]) for event in bus.heard] == [
        ("uploads/a.jpg", "motorcycle"),
        ("uploads/c.jpg", "bicycle"),
    ]
    assert "review label KEY LABEL --again" in answer.err
    assert left(deployed) == ["uploads/b.jpg"]


def test_what_was_answered_stays_answered_however_it_ends(
    deployed: Target, desk: Desk, bus: Bus, three: list[Record]
) -> None:
    """Ctrl-C and a closed terminal come after the decision, not instead of it."""

    def ending(error: type[BaseException]) -> Callable[[str], str]:
        words = iter(["b"])

        def read(_: str) -> str:
            word = next(words, None)
            if word is None:
                raise error
            return word

        return read

    with pytest.raises(KeyboardInterrupt):
        review.go_through(desk, three, LABELS, ending(KeyboardInterrupt))
    assert review.go_through(desk, three[1:], LABELS, ending(EOFError)) == 1
    assert left(deployed) == ["uploads/c.jpg"]


FOUR = ("bicycle", "motorcycle", "scooter", "car")


@pytest.mark.parametrize("labels", [LABELS, FOUR, ("sun", "s", "squid", "u"), tuple(f"n{n}" for n in range(20))])
def test_each_label_has_a_key_of_its_own(labels: tuple[str, ...]) -> None:
    """However many labels there are and however alike, each is reached by one key, and so is everything else."""
    answers = keys(labels)

    assert sorted(answers.values()) == sorted((*labels, "neither", "skip", "undo", "quit"))
    assert all(len(key) == 1 for key in answers)
    assert [understood(key, answers) for key in answers] == list(answers.values())
    assert all(understood(label, answers) == label for label in labels if len(label) > 1)


def test_what_is_asked_names_all_labels() -> None:
    """Two by default; four where vehicles.toml has four, and nothing assumes two."""
    assert question(keys(("bicycle", "motorcycle"))) == ("[b]icycle  [m]otorcycle  [n]either  [s]kip  [u]ndo  [q]uit: ")
    assert question(keys(FOUR)) == ("[b]icycle  [m]otorcycle  s[c]ooter  c[a]r  [n]either  [s]kip  [u]ndo  [q]uit: ")
    assert confidences(FOUR, [0.4, 0.3, 0.2, 0.05]) == "bicycle 0.400  motorcycle 0.300  scooter 0.200  car 0.050"
    assert confidences(FOUR, [0.4, 0.35]) == "0.400  0.350"
    assert confidences(FOUR, None) == "no answer"


@pytest.mark.parametrize(
    ("size", "columns", "lines", "drawn_as"),
    [
        ((224, 224), 78, 40, (78, 39)),
        ((224, 224), 400, 300, (224, 112)),
        ((40, 200), 78, 30, (12, 30)),
        ((9, 1), 5, 5, (5, 1)),
    ],
)
def test_a_picture_is_drawn_as_large_as_fits_and_in_its_own_shape(
    size: tuple[int, int], columns: int, lines: int, drawn_as: tuple[int, int]
) -> None:
    """Neither wider nor higher than asked for, and never wider than what the model sees."""
    rows = in_colours(Image.new("RGB", size, "teal"), columns, lines).plain.splitlines()

    assert (len(rows[0].strip()), len(rows)) == drawn_as
