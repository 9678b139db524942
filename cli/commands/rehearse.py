"""Ask AWS itself what it says of the application, before anything is deployed, changed or paid.

Definitions, every state with made-up answers, event patterns, a change set that is never executed, what each role may
do, quotas and prices. The transcript has no account number, and can be kept beside the code. The exit code is 1 if an
answer is not as promised.
"""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cli.display import notes, output, printable, tell
from cli.errors import FAILURE, SUCCESS, USAGE, CommandError
from cli.options import AsJson, option
from cli.quotas import BLOCKED, account_quotas
from cli.rehearsal import Answer, rehearse
from cli.sagemaker import Connection, SageMakerAccount
from lifecycle import prices
from lifecycle.endpoint import DEFAULT_INSTANCE


def command(
    *,
    account: SageMakerAccount,
    out: Annotated[Path | None, option("--out", "FILE", "Write the transcript there too, as Markdown.")] = None,
    as_json: AsJson = False,
) -> int:
    """Ask everything, tell each answer, and write the transcript."""
    if not account.is_in_aws:
        raise CommandError("This asks AWS.", "Add --aws.", USAGE)
    connection = account.connect()
    answers = []
    for answer in questions(connection):
        answers.append(answer)
        tell(as_json, asdict(answer), line(answer))
    wrong = sum(not answer.good for answer in answers)
    if out is not None:
        out.write_text(transcript(connection.target.region, answers), "utf-8")
        notes().print(f"The transcript is in {printable(str(out))}.")
    if not as_json:
        output().print(f"{len(answers) - wrong} of {len(answers)} answers are as promised.")
    return FAILURE if wrong else SUCCESS


def questions(connection: Connection) -> Iterator[Answer]:
    """What is asked of the account, and what it has and costs."""
    yield from rehearse(connection.aws)
    for finding in account_quotas(connection.aws.client("service-quotas")):
        yield Answer(f"Service Quotas, {finding.what}", finding.state != BLOCKED, finding.sentence)
    price = connection.price(DEFAULT_INSTANCE, prices.HOSTING)
    known = price.dollars_an_hour is not None
    words = f"${price.dollars_an_hour} an hour ({price.source})" if known else price.source
    yield Answer(f"GetProducts {DEFAULT_INSTANCE}", known, words)


def line(answer: Answer) -> str:
    """An answer as people read it."""
    return f"{'ok' if answer.good else 'NOT'}  {answer.question}: {answer.words}"


def transcript(region: str, answers: list[Answer]) -> str:
    """The whole rehearsal as a page."""
    wrong = sum(not answer.good for answer in answers)
    told = f"{len(answers) - wrong} of {len(answers)} as promised."
    head = f"# A rehearsal in {region}, {datetime.now(UTC):%d %B %Y}\n\n{told}\n\n"
    return head + "".join(f"- {line(answer)}\n" for answer in answers)
