"""Delete everything that these commands made, and look again whether it is gone.

The application stays, with its photos and results, unless --application is given. The exit code is 0 if nothing is
left.
"""

from collections.abc import Iterator
from typing import Annotated

from cli.display import output, printable
from cli.errors import FAILURE, SUCCESS
from cli.options import AsJson, flag
from cli.sagemaker import Dialogue, SageMakerAccount, Yes
from lifecycle import teardown


def command(
    *,
    account: SageMakerAccount,
    dry_run: Annotated[bool, flag("--dry-run", "List what would be deleted, and delete nothing.")] = False,
    endpoint_only: Annotated[
        bool, flag("--endpoint-only", "Only the endpoint, which is what costs; models and data stay.")
    ] = False,
    application: Annotated[
        bool, flag("--application", "The application as well: its stack, all photos and all results.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> int:
    """Take everything away, then look again."""
    connection, dialogue = account.connect(), Dialogue(yes, as_json)
    aws = connection.aws
    items = teardown.find(aws, endpoint_only=endpoint_only, application=application)
    if not as_json:
        for item in items:
            output().print(f"  {item.kind} {printable(item.name)}")
    listed = [item.as_json() for item in items]
    if dry_run or not items:
        words = "Nothing was deleted." if items else "There is nothing of ours to delete."
        return dialogue.tell({"found": listed, "deleted": []}, words)
    dialogue.ask(f"Delete these {len(items)} in {connection.words}? What is in the bucket cannot be brought back.")
    teardown.remove(aws, items)
    left = teardown.find(aws, endpoint_only=endpoint_only, application=application)
    tagged = None if endpoint_only else teardown.still_tagged(aws)
    deleted = [item.as_json() for item in items if item not in left]
    remaining = [item.as_json() for item in left]
    facts = {"found": listed, "deleted": deleted, "left": remaining, "still_tagged": tagged}
    dialogue.tell(facts, *_looked_again(left, tagged))
    return FAILURE if left else SUCCESS


def _looked_again(left: list[teardown.Item], tagged: list[str] | None) -> Iterator[str]:
    if not left:
        yield "Looked again: nothing of ours is left."
    for item in left:
        yield f"Still there: {item.kind} {item.name}. Run the same command again."
    if tagged is None:
        yield "The search by tag could not be asked; everything was looked up by its name."
    elif tagged:
        yield "The search by tag, which lags behind by some minutes, still names:"
        yield from (f"  {arn}" for arn in tagged)
