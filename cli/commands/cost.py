"""What so many photos a month cost, line by line, beside what one would take instead.

List prices of one region with their dates, without free allowances; the transitions are counted in the workflow itself.
With --aws, AWS's price list is asked for what is not published in words.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final

from rich.table import Table

from cli.display import notes, output, print_json
from cli.errors import SUCCESS
from cli.options import Account, AsJson, flag, option
from lifecycle import costs, prices
from lifecycle.costs import Bill, Profile
from lifecycle.endpoint import Serverless

MILLION: Final = 1_000_000


def command(
    *,
    account: Account,
    photos: Annotated[int, option("--photos", "N", "So many photos a month.", min=0, max=10**12)] = MILLION,
    lines: Annotated[bool, flag("--lines", "Each line of each way, not only what it comes to.")] = False,
    as_json: AsJson = False,
) -> int:
    """Print what each way costs."""
    region, known = costs.prices()
    asked = serverless_price(account)
    profiles = costs.profiles(photos, asked)
    # What is due once a month, such as our own metrics, would else be put on a dozen photos, a million times.
    of_many = costs.profiles(max(photos, MILLION), asked)
    goals = list(costs.goals(of_many))
    read = sorted({price.read.isoformat() for price in known.values()})
    bill = Bill(photos)
    seconded = costs.second_opinion_dollars(photos)
    kept, kept_lean = kept_dollars(bill), kept_dollars(replace(bill, parameters=costs.lean_parameters()))
    if as_json:
        sources = {name: {**vars(price), "read": price.read.isoformat()} for name, price in known.items()}
        print_json({
            "region": region, "photos": photos, "kept_photos_dollars": kept[0], "kept_records_dollars": kept[1],
            "prices": sources,
            "profiles": [
                {**profile.as_json(), "dollars_per_million": round(many.dollars_per_million or 0, 2)}
                for profile, many in zip(profiles, of_many, strict=True)
            ],
            "second_opinion_dollars": {name: round(dollars, 2) for name, dollars in seconded.items()},
            "goals": [{**vars(goal), "reached": goal.reached} for goal in goals],
        })  # fmt: skip
        return SUCCESS
    console = output()
    console.print(f"{photos:,} photos a month")
    console.print(own_ways([profile for profile in profiles if not profile.alone], of_many))
    console.print()
    console.print(others([profile for profile in profiles if profile.alone], of_many))
    named = ", ".join(f"{name} ${dollars:,.2f}" for name, dollars in seconded.items())
    console.print(f"SecondOpinion adds, for {100 * bill.photo.doubtful_share:.1f} % of them that are doubtful: {named}")
    for goal in goals:
        reached = {True: "reached", False: "not reached", None: "reached if the missing price allows"}[goal.reached]
        least, paper = "≥ " if goal.is_least else "", "" if goal.offered else "on paper "
        way = goal.profile.replace("-", " ")
        console.print(f"Goal ${goal.limit:g}, {goal.words}: {least}${goal.dollars:,.2f}, {way}: {paper}{reached}")
    if lines:
        for profile in profiles:
            console.print()
            console.print(details(profile))
    console = notes()
    console.print(
        f"List prices of {region}, read on {' and '.join(read)}, without free allowances: lifecycle/prices.toml."
    )
    if account.is_in_aws:
        said = "did not answer; all" if asked is None else "names the endpoint's seconds; all else"
        console.print(f"Of your region AWS's price list {said} is as above.")
    console.print(
        f"Not in it: keeping the photos themselves, {bill.photo.megabytes:g} MB each, ${kept[0]:,.2f} a month for "
        f"{bill.given('UploadRetentionDays')} days and {costs.NONCURRENT_DAYS} more in which they can be brought back "
        f"(lean ${kept_lean[0]:,.2f}); and their records, ${kept[1]:,.2f} (lean ${kept_lean[1]:,.2f})."
    )
    if any(profile.missing for profile in profiles):
        console.print("≥ and ?: a price of it was not found; --aws asks AWS's price list for the endpoint's.")
    console.print("What this release does not do is in brackets.")
    return SUCCESS


def kept_dollars(bill: Bill) -> tuple[float, float]:
    """What keeping photos and records costs a month once the oldest have come of age, in cents' precision."""
    return round(costs.kept_photos_dollars(bill), 2), round(costs.kept_records_dollars(bill), 2)


def serverless_price(account: Account) -> float | None:
    """What AWS's price list says of a second of a serverless endpoint; None unless an account is named."""
    if not account.is_in_aws:
        return None
    target = account.target()
    price_list = target.session.client("pricing", region_name=prices.PRICE_LIST_REGION)
    return prices.serverless_second(price_list, Serverless().memory_mb, target.region)


def own_ways(profiles: Sequence[Profile], of_many: Sequence[Profile]) -> Table:
    """What each way of ours comes to, by service."""
    made = _table(["dollars a month", *(_name(profile) for profile in profiles)])
    for service in dict.fromkeys(line.service for profile in profiles for line in profile.lines):
        made.add_row(service, *(_sum(profile, service) for profile in profiles))
    made.add_row()
    made.add_row("in all", *(f"{_least(profile)}{profile.dollars_total:,.2f}" for profile in profiles))
    made.add_row("idle", *(f"{profile.dollars_idle:,.2f}" for profile in profiles))
    made.add_row("idle, CloudWatch's free tier", *(f"{profile.dollars_idle_free:,.2f}" for profile in profiles))
    made.add_row("a million", *(_million(profile, of_many) for profile in profiles))
    return made


def others(profiles: Sequence[Profile], of_many: Sequence[Profile]) -> Table:
    """What answers that one would take instead come to."""
    made = _table(["instead, the answer alone", "a month", "a million"])
    for profile in profiles:
        made.add_row(profile.words, f"{profile.dollars_total:,.2f}", _million(profile, of_many))
    return made


def details(profile: Profile) -> Table:
    """Every line of a way."""
    made = _table([f"{profile.profile}: {profile.words}", "quantity", "dollars"])
    for line in profile.lines:
        dollars = "?" if line.dollars is None else f"{line.dollars:,.4f}"
        made.add_row(f"{line.service}: {line.what}", f"{line.quantity:,.3f}".rstrip("0").rstrip("."), dollars)
    return made


def _table(headings: Sequence[str]) -> Table:
    made = Table(box=None, pad_edge=False, header_style="bold")
    for index, heading in enumerate(headings):
        made.add_column(heading, justify="right" if index else "left")
    return made


def _name(profile: Profile) -> str:
    words = profile.profile.replace("-", " ")
    return words if profile.offered else f"({words})"


def _least(profile: Profile) -> str:
    return "≥ " if profile.missing else ""


def _million(profile: Profile, of_many: Sequence[Profile]) -> str:
    (many,) = [each for each in of_many if each.profile == profile.profile]
    return f"{_least(profile)}{many.dollars_per_million or 0:,.2f}"


def _sum(profile: Profile, service: str) -> str:
    of = [line for line in profile.lines if line.service == service]
    known = [line.dollars for line in of if line.dollars is not None]
    if not of:
        return ""
    return f"{sum(known):,.2f}" if known else "?"
