"""Having another service answer about the same photos: what it costs, whether somebody agrees, and what came of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from botocore.exceptions import NoCredentialsError

from cli import target as targets
from cli.display import notes, printable
from cli.errors import USAGE, CommandError
from cli.options import Application, YesToQuestions, flag, option
from cli.sagemaker import Dialogue
from lifecycle import costs
from lifecycle.costs import Photo
from training.evaluate import DEFAULT_OUT, Evaluation
from training.evaluation import against as beside
from training.evaluation.services import bedrock_model
from training.progress import bars
from vehiclevision.opinion import MAX_TOKENS, Bedrock, Rekognition, Service
from vehiclevision.settings import BEDROCK, REKOGNITION

PHOTOS: Final = 200
MILLION: Final = 1_000_000


@dataclass(frozen=True)
class Asked:
    """A service, in which region, and the model's id if it is one on Bedrock."""

    service: Service
    region: str
    model_id: str | None

    def dollars(self, photos: int, tokens_in: int, tokens_out: int) -> float | None:
        """What its answers cost; None of a model whose price is not known."""
        return costs.answers_dollars(self.model_id, photos, tokens_in, tokens_out)


@dataclass(frozen=True)
class Against:
    """Whose answers ours are compared with."""

    service: Annotated[
        str | None,
        option("--against", "SERVICE", f"Compare with {REKOGNITION}, or with {BEDROCK}:MODEL; AWS bills for it."),
    ] = None
    photos: Annotated[
        int | None, option("--photos", "N", f"Compare on at most so many photos; else on {PHOTOS}.", min=1)
    ] = None
    answers: Annotated[
        Path | None, option("--answers", "FILE", "Where its answers are kept; else beside the page.")
    ] = None
    small: Annotated[
        bool, flag("--small", "Send it the small picture that the workflow carries, as for a second opinion.")
    ] = False
    yes: YesToQuestions = False

    def asked(self, application: Application, folder: Path | None) -> Asked | None:
        """The service and how it is reached; None where nobody wants to compare."""
        if self.service is None:
            if self.photos is not None or self.answers is not None or self.small or self.yes:
                raise CommandError(
                    "--photos, --answers, --small and --yes belong to --against.", "Add --against SERVICE.", USAGE
                )
            return None
        if folder is None:
            raise CommandError("--against takes the photos of a folder.", "Give FOLDER instead of --split.", USAGE)
        model_id = bedrock_model(self.service)
        target = targets.find_account(application.stack, application.region, application.profile, aws=True)
        if target.session.get_credentials() is None:
            raise NoCredentialsError
        if model_id is None:
            return Asked(Rekognition(target.client("rekognition")), target.region, None)
        return Asked(Bedrock(target.client("bedrock-runtime"), model_id), target.region, model_id)


def compare(evaluation: Evaluation, asked: Asked, against: Against, out: Path | None) -> Evaluation:
    """The evaluation with the service's answers beside ours; somebody has agreed to the price."""
    file = against.answers or (out or DEFAULT_OUT).with_suffix(".answers.jsonl")
    with bars() as bar:
        comparison = beside.prepare(
            evaluation.answered,
            asked.service,
            region=asked.region,
            most=against.photos or PHOTOS,
            small=against.small,
            file=file,
            listener=bar("making them small"),
        )
    if comparison.to_ask:
        notes().print(_priced(asked, comparison))
        Dialogue(yes=against.yes).ask("Ask it?")
        # A folder that is not there, or may not be written to, is found out before anything is paid for.
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    try:
        with bars() as bar:
            said = comparison.ask(bar(f"asking {printable(asked.service.name)[:40]}"))
    except KeyboardInterrupt:
        notes().print(f"{comparison.paid} Run the same command again.")
        raise
    threshold, ours = evaluation.report.figures.threshold, round(costs.our_answers_dollars(MILLION), 2)
    return evaluation.beside(beside.compared(comparison, said, threshold, asked.dollars, ours))


def _priced(asked: Asked, comparison: beside.Comparison) -> str:
    """What asking costs, in a sentence or two."""
    photo, photos, chosen = Photo(), comparison.to_ask, len(comparison.keys)
    tokens_in = photo.doubtful_tokens_in if comparison.small else photo.tokens_in
    about = asked.dollars(photos, photos * tokens_in, photos * photo.tokens_out)
    most = asked.dollars(photos, photos * tokens_in, photos * MAX_TOKENS)
    kept = f"; {chosen - photos:,} more are answered already" if chosen > photos else ""
    words = f"{asked.service.words} in {asked.region} is asked about {photos:,} photos{kept}."
    if about is None or most is None:
        return (
            f"{words} Its price is not known here: about {tokens_in} tokens in and {photo.tokens_out} out "
            f"a photo, {MAX_TOKENS} out at most. See the prices of Amazon Bedrock."
        )
    more = f", ${most:,.2f} at most if it talks" if most > about else ""
    return f"{words} That costs about ${about:,.2f}{more}, at {costs.prices()[0]}'s list prices."
