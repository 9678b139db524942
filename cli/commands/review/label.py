"""Say what a picture shows. Any classified image may be named, sure answers too."""

from dataclasses import asdict
from typing import Annotated

from cli.display import printable, tell
from cli.errors import CommandError
from cli.options import Application, AsJson, Label, argument, flag
from cli.reviewing import reviewer, said
from console.deployed import desk_of
from monitoring.review import decide
from vehiclevision.labels import TRUTHS, either
from vehiclevision.record import Outcome


def command(
    key: Annotated[str, argument("KEY", "A whole key, an s3:// address, or the end of one: its newest version.")],
    label: Annotated[Label, argument("LABEL", f"{either(TRUTHS)}.")],
    application: Application,
    again: Annotated[bool, flag("--again", "Overrule what a person said before.")] = False,
    as_json: AsJson = False,
) -> int:
    """Take a person's label for one image."""
    target = application.target()
    records = target.results.search(target.output("BucketName"), key, list(Outcome), 1)
    if not records:
        raise CommandError(f"Nothing is recorded of {printable(key)}.", "List what is: vehiclevision results")
    reviewed = decide(desk_of(target), records[0], str(label), again=again, reviewer=reviewer())
    facts = {**records[0].to_json(), "reviewed": asdict(reviewed)}
    return tell(as_json, facts, f"{records[0].s3_key}: {said(reviewed)}")
