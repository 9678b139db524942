"""List what became of images, newest first."""

from typing import Annotated, Final

from cli.display import notes, output, print_json, record_line
from cli.errors import SUCCESS
from cli.options import Application, AsJson, argument, option
from vehiclevision.labels import either
from vehiclevision.record import Outcome

HEADING: Final = f"{'recorded (UTC)':<19}  {'outcome':<12}  {'what':<24}  key"


def command(
    application: Application,
    key: Annotated[str | None, argument("KEY", "A whole key, for all its versions, or the end of one.")] = None,
    outcome: Annotated[
        Outcome | None, option("--outcome", "OUTCOME", f"Only {either(tuple(Outcome))}.", case_sensitive=False)
    ] = None,
    limit: Annotated[int, option("--limit", "N", "At most so many.", min=1)] = 20,
    as_json: AsJson = False,
) -> int:
    """List records, newest first."""
    target = application.target()
    outcomes = [outcome] if outcome else list(Outcome)
    if key is None:
        records = target.results.newest(outcomes, limit)
    else:
        records = target.results.search(target.output("BucketName"), key, outcomes, limit)
    if as_json:
        for record in records:
            print_json(record.to_json())
    elif records:
        output().print(HEADING, style="bold")
        for record in records:
            output().print(record_line(record))
    else:
        notes().print("Nothing is recorded of that. Images come in with: vehiclevision drop PATH...")
    return SUCCESS
