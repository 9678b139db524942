"""Write down what pictures and answers are like while all is well, for checks to compare with.

--from is captured data of a good time (a folder, a file or s3://bucket/prefix), or pictures that the model did not
learn from, a folder per class; of its own training data the held-out part counts.
"""

from pathlib import Path
from typing import Annotated

from cli.display import on_interrupt, printable, tell
from cli.errors import USAGE, CommandError
from cli.options import Application, AsJson, Captures, option
from cli.times import window
from monitoring.captures.source import is_captured, open_source
from monitoring.drift.baseline import Baseline, load
from monitoring.drift.decision import needed
from monitoring.drift.making import from_captures, from_pictures
from monitoring.summary import summarise
from training.artefact import DEFAULT_MODEL, load_model
from training.progress import BYTES, bars
from vehiclevision.results import ADDRESS


def command(
    *,
    source: Annotated[str, option("--from", "FOLDER|S3", "Captured files, or a folder of pictures per class.")],
    captures: Captures,
    application: Application,
    out: Annotated[Path, option("--out", "FILE", "Where it goes.")] = Path("baseline.json"),
    model: Annotated[Path | None, option("--model", "FILE", "A model.tar.gz; else the shipped model.")] = None,
    neither: Annotated[
        float, option("--neither", "SHARE", "Pictures: that share shows no vehicle.", min=0, max=0.9)
    ] = 0.0,
    threshold: Annotated[
        float | None, option("--threshold", "X", "Captures: confidence that counts; else the model's.", min=0, max=1)
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Make the baseline, write it, and say what it holds."""
    if not source.strip():
        raise CommandError("--from names nothing.", "Give a folder, a file or s3://bucket/prefix.", USAGE)
    ends, model = captures.ends(), model or DEFAULT_MODEL
    if out.is_dir() or not out.name.endswith(".json"):
        raise CommandError(f"{printable(str(out))} cannot be the baseline.", "Name a file that ends in .json.", USAGE)
    with on_interrupt("Stopped. Nothing was written."):
        if is_captured(source):
            threshold = load_model(model).manifest.threshold if threshold is None else threshold
            s3 = application.s3() if source.startswith(ADDRESS) else None
            with bars(BYTES) as listen:
                summary = summarise(
                    open_source(source, s3),
                    threshold=threshold,
                    window=window(*ends),
                    endpoint=captures.endpoint,
                    variant=captures.variant,
                    progress=listen("Reading"),
                )
            shipped = model.with_name("baseline.json")
            baseline = from_captures(summary, load(shipped) if shipped.is_file() else None)
        else:
            baseline = _of_pictures(Path(source), model, neither, captures, threshold)
        baseline.save(out)
    return _tell(baseline, out, as_json=as_json)


def _of_pictures(folder: Path, model: Path, neither: float, captures: Captures, threshold: float | None) -> Baseline:
    if captures.are_chosen:
        raise CommandError(
            "--since, --until, --endpoint and --variant choose among captured data.", "Leave them out.", USAGE
        )
    if threshold is not None:
        raise CommandError("With pictures the threshold is the model's.", "Leave --threshold out.", USAGE)
    with bars() as bar:
        asking, reading = bar("asking the model"), bar("reading pictures")
        return from_pictures(folder, load_model(model), asking, neither=neither, reading=reading)


def _tell(baseline: Baseline, out: Path, *, as_json: bool) -> int:
    pictures = needed(baseline)
    facts = {
        "path": str(out),
        "model_version": baseline.model_version,
        "made_from": baseline.made_from,
        "values": {name: len(values) for name, values in baseline.columns.items()},
        "mix": dict(baseline.mix),
        "estimates": bool(baseline.calibration),
        "pictures_needed": pictures,
    }
    enough = "It is too small for checks to say that nothing changed: they can only find what did."
    if pictures:
        enough = f"A check needs {pictures:,} pictures before it says that nothing changed."
    no_estimate = "Accuracy cannot be estimated with it: that takes pictures with labels, or the shipped baseline."
    model = f"{out}: model {baseline.model_version}, {baseline.made_from}."
    return tell(as_json, facts, model, enough, "" if baseline.calibration else no_estimate)
