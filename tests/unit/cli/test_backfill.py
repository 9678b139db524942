"""What a backfill is asked to go through: what names photos, what stands in a policy, and what it costs."""

from pathlib import Path

import pytest

from cli import backfilling
from cli.backfilling import BATCH, BATCH_TRANSITIONS, MOST_PHOTOS, Counted, Source
from cli.commands.backfill import _priced
from cli.errors import USAGE, CommandError
from lifecycle import costs


@pytest.mark.parametrize(
    ("text", "bucket", "prefix", "granted"),
    [
        ("s3://old", "old", "", ""),
        ("s3://old/", "old", "", ""),
        ("s3://old/2019/may 3/", "old", "2019/may 3/", "2019/may 3/"),
        ("s3://old/a*/b", "old", "a*/b", "a"),
        ("s3://old/${aws:username}/", "old", "${aws:username}/", ""),
        ('s3://old/a"b', "old", 'a"b', "a"),
        ("s3://old/line\nbreak", "old", "line\nbreak", "line"),
        ("s3://old/ü", "old", "ü", ""),
    ],
)
def test_a_policy_names_no_more_than_a_plain_beginning(text: str, bucket: str, prefix: str, granted: str) -> None:
    """The whole prefix is listed; what would mean something else in a policy does not get into one."""
    source = Source.from_text(text, None)

    assert (source.bucket, source.prefix, source.granted_prefix) == (bucket, prefix, granted)


@pytest.mark.parametrize(
    "text",
    ["", "old/2019", "s3://", "s3:///2019", "s3://Old/", "s3://a_b/c", "https://old.s3.amazonaws.com/", "s3://o/x"],
)
def test_what_names_no_photos_is_refused(text: str) -> None:
    """With a sentence and a hint, before anything is asked of AWS."""
    with pytest.raises(CommandError) as refused:
        Source.from_text(text, None)

    assert refused.value.exit_code == USAGE
    assert refused.value.hint


def test_a_prefix_is_no_longer_than_a_key() -> None:
    """S3 knows no key of more than 1,024 bytes."""
    with pytest.raises(CommandError):
        Source.from_text("s3://old/" + "ü" * 513, None)


def test_the_price_is_the_photos_own_and_a_little_for_going_through() -> None:
    """Every line has a price, and a photo costs the same in any company."""
    lines = backfilling.bill(1_000_000)

    assert all(line.dollars is not None for line in lines)
    assert 1 < sum(line.dollars or 0 for line in lines) < 4
    assert backfilling.dollars(1_000_000) == pytest.approx(1000 * backfilling.dollars(1000))
    assert backfilling.dollars(0) == 0


@pytest.mark.parametrize(
    ("whole", "said"), [(True, "costs at most $0.01 in AWS"), (False, "costs more than $0.00 in AWS")]
)
def test_what_costs_less_than_a_cent_is_not_told_as_nothing(whole: bool, said: str) -> None:
    """At most is rounded up, and more than is rounded down."""
    assert said in _priced(Source("old", ""), Counted(16, 400_000, whole), backfilling.dollars(16))


def test_a_prefix_that_was_mistyped_is_not_priced() -> None:
    """Else it reads as a backfill that is done."""
    assert _priced(Source("old", "/2019"), Counted(0, 0, whole=True), 0.0).startswith("Nothing lies in s3://old//2019:")


def test_the_guide_says_which_quota_binds(root: Path) -> None:
    """Transitions: six a photo and four a batch. Its figures follow from the workflow and from AWS's defaults."""
    guide = (root / "docs" / "guide" / "backfill.md").read_text("utf-8")
    transitions = len(costs.way_of_a_classified_photo(costs.machine())) + BATCH_TRANSITIONS / BATCH
    starts = 1 + 1 / BATCH
    day = MOST_PHOTOS / 86_400

    assert f"**{1500 // transitions:.0f}** ({500 // transitions:.0f})" in guide
    assert f"{300 // starts:.0f} ({150 // starts:.0f})" in guide
    assert f"{round(day * transitions, -1):,.0f} a second" in guide
    assert f"{round(day * starts, -1):,.0f} a second" in guide
    assert f"a million photos in {1e6 * transitions / 1500 / 60:.0f} minutes" in guide
    assert f"{MOST_PHOTOS * transitions / 1500 / 86_400:.1f} days" in guide
