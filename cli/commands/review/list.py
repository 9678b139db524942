"""List what waits for a person: unsure answers, oldest first, then sampled sure ones."""

from itertools import islice

from cli.display import notes, record_line, tell
from cli.errors import SUCCESS
from cli.options import Application, AsJson, ReviewLimit, SureSample
from monitoring.review import waiting


def command(
    application: Application, limit: ReviewLimit = 100, sure: SureSample = True, as_json: AsJson = False
) -> int:
    """Print what waits, a line an image."""
    target = application.target()
    bucket = target.output("BucketName")
    records = list(islice(waiting(target.results, sure=sure), limit))
    for record in records:
        tell(as_json, record.to_json(), record_line(record, bucket))
    if not records and not as_json:
        notes().print("Nothing waits for a person.")
    return SUCCESS
