"""Imports run one way: a room uses what lies under it, and nothing uses what lies above."""

from pathlib import Path

from docs.site.rooms import imports

ABOVE_ALL = frozenset({"cli", "local"})


def test_the_product_uses_no_other_room(root: Path) -> None:
    """What runs in Lambda stands alone."""
    assert [used for user, used in imports(root) if user == "functions"] == []


def test_no_production_room_knows_of_the_command_or_of_a_local_mode(root: Path) -> None:
    """Only the command starts the local AWS, and neither is imported by anything else."""
    users = {(user, used) for user, used in imports(root) if used in ABOVE_ALL and user not in ABOVE_ALL}

    assert users == set()
    assert ("local", "cli") not in imports(root)


def test_no_two_rooms_use_each_other(root: Path) -> None:
    """Rooms can be taken away one after the other, each when nothing uses it any more."""
    uses = set(imports(root))
    assert uses

    while uses:
        used = {pair[1] for pair in uses}
        remaining = {pair for pair in uses if pair[0] in used}
        assert remaining != uses, f"a circle among {sorted(used)}"
        uses = remaining
