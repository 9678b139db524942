"""What is promised of every history, and a consumer who does as the documentation says."""

from collections import defaultdict

from reconciling.gaps import Missing, missing_of
from tests.simulator.machine import Json
from tests.simulator.world import World
from vehiclevision.record import VEHICLE_REVIEWED, Outcome


def broken(world: World) -> list[str]:
    """Each promise that a settled history breaks, in a sentence."""
    return [*lost(world), *doubled(world), *stale(world), *overruled(world), *unmarked(world)]


def lost(world: World) -> list[str]:
    """Each version has an outcome, no decision stops half-way, and what is classified was announced at least once."""
    complaints = []
    for version in world.versions:
        record = world.record(version)
        if missing_of(record) is Missing.REVIEW:
            complaints.append(f"{version.version_id}: a person's decision stopped half-way")
        if record is None:
            complaints.append(f"{version.version_id} has no record")
        elif record.outcome is Outcome.CLASSIFIED and not world.said_of(version):
            complaints.append(f"{version.version_id} is classified, and nobody was told")
    return complaints


def doubled(world: World) -> list[str]:
    """An answer has one id whenever it is announced, and under one id the same is said every time."""
    complaints = []
    contents: dict[str, Json] = {}
    ids: dict[str, set[str]] = defaultdict(set)
    for event in world.heard:
        # Whether a newer photo is there may have changed since it was said first.
        detail = {name: value for name, value in event["detail"].items() if name != "superseded"}
        known_as = str(detail.get("announcement_id", f"no id, heard {len(ids[detail['version_id']])} times"))
        if contents.setdefault(known_as, detail) != detail:
            complaints.append(f"{detail['version_id']}: two things are said under one id")
        if event["detail-type"] != VEHICLE_REVIEWED:
            ids[detail["version_id"]].add(known_as)
    return complaints + [
        f"{version}: one answer has {len(known)} ids" for version, known in ids.items() if len(known) > 1
    ]


def stale(world: World) -> list[str]:
    """Whoever keeps one answer a key ends with that of the newest version of which anything was said."""
    kept: dict[str, Json] = {}
    for event in world.heard:
        key = event["detail"]["s3_key"]
        if key not in kept or newer(event, kept[key]):
            kept[key] = event
    complaints = []
    for key, event in kept.items():
        newest = [version for version in world.versions if version.key == key and world.said_of(version)][-1]
        record = world.record(newest)
        if record is None or event["detail"]["label"] != (record.label or "neither"):
            complaints.append(f"{key}: a consumer goes by {event['detail']['version_id']}, not {newest.version_id}")
    return complaints


def overruled(world: World) -> list[str]:
    """What a person decided stands."""
    complaints = []
    for (key, version_id), label in world.decided.items():
        version = next(each for each in world.versions if (each.key, each.version_id) == (key, version_id))
        record = world.record(version)
        if record is None or (record.label or "neither") != label:
            complaints.append(f"{version_id}: a person said {label}, the record says {record and record.label}")
    return complaints


def unmarked(world: World) -> list[str]:
    """What passed because somebody else agreed says so, in its record and to consumers, and nothing else does."""
    complaints = []
    for version in world.versions:
        record, seconded = world.record(version), version.shows == "seconded"
        if record and record.outcome is Outcome.CLASSIFIED and not record.decided_by:
            complaints += [f"{version.version_id}: the record hides who agreed"] * (
                bool(record.seconded_by) != seconded
            )
        complaints += [
            f"{version.version_id}: consumers are not told who agreed"
            for event in world.said_of(version)
            if event["detail-type"] != VEHICLE_REVIEWED and bool(event["detail"]["second_opinion"]) != seconded
        ]
    return complaints


def newer(event: Json, other: Json) -> bool:
    """Whether an event replaces another of the same key, as docs/guide/consumers.md tells consumers."""
    mine, theirs = event["detail"], other["detail"]
    if mine["version_id"] == theirs["version_id"]:
        return (mine.get("reviewed_at") or "") >= (theirs.get("reviewed_at") or "")
    if mine.get("sequencer") and theirs.get("sequencer"):
        longest = max(len(mine["sequencer"]), len(theirs["sequencer"]))
        return bool(mine["sequencer"].ljust(longest, "0") > theirs["sequencer"].ljust(longest, "0"))
    return bool((mine.get("uploaded_at") or "") > (theirs.get("uploaded_at") or ""))
