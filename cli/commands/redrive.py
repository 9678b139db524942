"""Work off the dead-letter queue: without --fix, only say what would be done.

With --fix each letter's photo is started again, once, and the letter is deleted when the photo has an outcome and
whoever must know has been told; not before. A letter that names no photo is left for a person. The exit code is 0 when
no letter is left, else 1.
"""

from typing import Annotated

import typer

from cli.display import notes, tell
from cli.errors import FAILURE, SUCCESS
from cli.options import Application, AsJson
from cli.reconciling import counted, parts_of, photo_line
from reconciling.repair import WorkedOff, redrive


def command(
    application: Application,
    fix: Annotated[bool, typer.Option("--fix", help="Do it: start photos again, delete what is settled.")] = False,
    as_json: AsJson = False,
) -> int:
    """Work the letters off; 1 if one is left."""
    target = application.target()
    bucket = target.output("BucketName")
    left = deleted = 0
    for worked in redrive(parts_of(target), fix=fix):
        deleted += worked.deleted
        left += not worked.deleted
        line = f"{'NO PHOTO':<17}  letter {worked.letter.message_id}: {worked.detail}"
        if worked.letter.photo:
            line = photo_line(worked.missing, worked.letter.photo, bucket, worked.detail)
        tell(as_json, _as_json(worked), line)
    if fix:
        notes().print(f"{counted(deleted, 'letter')} worked off, {left} left.")
    elif left:
        notes().print(f"{counted(left, 'letter')}. Work them off with: vehiclevision redrive --fix{target.options}")
    else:
        notes().print("The dead-letter queue is empty.")
    return FAILURE if left else SUCCESS


def _as_json(worked: WorkedOff) -> dict[str, object]:
    photo = worked.letter.photo
    return {
        "message_id": worked.letter.message_id,
        "s3_bucket": photo and photo.bucket,
        "s3_key": photo and photo.key,
        "version_id": photo and photo.version_id,
        "error": worked.letter.error,
        "missing": worked.missing,
        "deleted": worked.deleted,
        "detail": worked.detail,
    }
