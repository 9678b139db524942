"""Classify sample pictures end to end here.

Starts the local AWS, drops the pictures, shows what became of each and which events were announced, and stops the local
AWS again if it was not up before. The exit code is 0 if every picture came through, and of the drawn samples at least
one was classified.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Annotated, Final

from rich.console import Console
from rich.text import Text

from cli import announcements, samples, sources
from cli.announcements import Listener
from cli.display import ended_line, output, printable, telling, typed, what
from cli.drop import Ended, drop, left_out
from cli.errors import FAILURE, INTERRUPTED, SUCCESS, USAGE, CommandError
from cli.options import argument, flag
from cli.samples import Sample
from cli.target import Target, local_target, state_directory
from cli.uploads import Uploaded
from local import stack
from vehiclevision.record import Outcome
from vehiclevision.results import UPLOADS

TIMEOUT_SECONDS: Final = 300.0
EVENTS_TIMEOUT_SECONDS: Final = 20.0


@dataclass
class _Course:
    """What has happened so far."""

    began: float = field(default_factory=time.monotonic)
    ended: list[Ended] = field(default_factory=list)
    first_classified_seconds: float | None = None

    def count(self, outcome: Outcome) -> int:
        """How many pictures ended so."""
        return sum(end.outcome == outcome for end in self.ended)


def command(
    images: Annotated[
        list[Path] | None, argument("IMAGES", "Your own pictures or folders of them, instead of the drawn samples.")
    ] = None,
    open_page: Annotated[bool, flag("--open", "Then open the page, and keep all of it up until Ctrl-C.")] = False,
) -> int:
    """Start the local AWS, drop the pictures, show what became of them, and stop it again."""
    directory, console = state_directory(), output()
    course = _Course()
    if images:
        images = [image.expanduser() for image in images]
        _check(images)
    was_up = stack.status(directory).up
    drawn = [] if images else samples.of()
    try:
        with telling(console) as tell:
            running = stack.start(directory, tell)
            tell("The local AWS is up")
            paths = images or [sample.path for sample in drawn]
            tell(f"Dropping {_how_many(paths)} into the bucket")
        target = local_target(running)
        with announcements.listen(target) as listener:
            _drop(target, paths, {sample.name: sample for sample in drawn}, course, console)
            _show_events(listener, course, console)
        _sum_up(course, drawn, console)
        if open_page:
            _open(target)
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return INTERRUPTED
    finally:
        if not was_up:
            console.print("Stopping the local AWS")
            stack.stop(directory)
    code = _exit_code(course, any(sample.label for sample in drawn), console)
    _what_next(drawn, was_up, console)
    return code


def _open(target: Target) -> None:
    from cli.page import listening, serve  # noqa: PLC0415 - the demo itself does not wait for it

    with listening(None) as listener:
        serve(target, listener, browser=True)


def _check(images: Sequence[Path]) -> None:
    """Say what is wrong with the given pictures before anything is started."""
    files, refused = sources.find(images)
    unusable = [item for item in refused if item.asked_for]
    if unusable and not files:
        raise CommandError(f"{printable(str(unusable[0].path))}: {unusable[0].detail}.", "Check the path.", USAGE)
    if not files:
        raise CommandError("There is no picture to drop.", "Name a file, or a folder that holds some.", USAGE)


def _how_many(paths: Sequence[Path]) -> str:
    files, _ = sources.find(paths)
    return f"{len(files)} picture{'' if len(files) == 1 else 's'}"


def _drop(target: Target, paths: Sequence[Path], drawn: dict[str, Sample], course: _Course, console: Console) -> None:
    files, refused = sources.find(paths)
    console.print()
    console.print(_row("picture", "drawn as" if drawn else None, "outcome", "what", "took s"), style="bold")
    for item in refused:
        if item.asked_for:
            course.ended.append(left_out(item))
            console.print(ended_line(course.ended[-1]))
    # One first: the functions' cold starts then do not compete, and there is something to see sooner.
    for event in chain(drop(target, files[:1], TIMEOUT_SECONDS), drop(target, files[1:], TIMEOUT_SECONDS)):
        if isinstance(event, Uploaded):
            continue
        course.ended.append(event)
        if event.outcome is Outcome.CLASSIFIED and course.first_classified_seconds is None:
            course.first_classified_seconds = time.monotonic() - course.began
        console.print(_outcome_row(event, drawn))
    console.print()


def _row(picture: str, expected: str | None, outcome: str, says: str, seconds: str) -> str:
    """One row of 80 columns; own pictures have no expectation and leave its room to their names."""
    first = f"{picture:<36.36}" if expected is None else f"{picture:<25.25} {expected:<10.10}"
    return f"{first} {outcome:<12} {says:<23.23} {seconds:>6}".rstrip()


def _outcome_row(end: Ended, drawn: dict[str, Sample]) -> Text:
    sample = drawn.get(Path(end.key).name)
    expected = None
    if sample is not None:
        expected = sample.label or ("neither" if sample.outcome is Outcome.NEEDS_REVIEW else "broken")
    seconds = "" if end.seconds is None else f"{end.seconds:.1f}"
    name = printable(end.key.removeprefix(UPLOADS))
    row = _row(name, expected, end.outcome or "NOT DONE", what(end), seconds)
    if sample is None:
        return Text(row, "bold red" if not end.is_good else "default")
    return Text(row, "green" if _as_drawn(end, sample) else "yellow")


def _as_drawn(end: Ended, sample: Sample) -> bool:
    return end.outcome == sample.outcome and end.label == sample.label


def _show_events(listener: Listener, course: _Course, console: Console) -> None:
    """The events that subscribers of the bus were sent."""
    classified = {end.version_id for end in course.ended if end.outcome is Outcome.CLASSIFIED and end.version_id}
    if not classified:
        console.print("No VehicleClassified event was due.\n")
        return
    events = listener.receive(classified, EVENTS_TIMEOUT_SECONDS)
    console.print(
        f"{len(events)} of {len(classified)} VehicleClassified events arrived from the event bus:", style="bold"
    )
    for event in sorted(events, key=lambda event: (event["route"], event["s3_key"])):
        text = f"  {event['label']:<10} {event['confidence']:.2f}  -> {event['route']:<8} {event['s3_key']}"
        console.print(printable(text))
    console.print()


def _sum_up(course: _Course, drawn: Iterable[Sample], console: Console) -> None:
    by_name = {sample.name: sample for sample in drawn}
    ends = {Path(end.key).name: end for end in course.ended}
    for words, outcomes in (
        ("vehicles", Outcome.CLASSIFIED),
        ("others", Outcome.NEEDS_REVIEW),
        ("broken files", Outcome.REJECTED),
    ):
        group = [sample for sample in by_name.values() if sample.outcome == outcomes]
        if group:
            right = sum(sample.name in ends and _as_drawn(ends[sample.name], sample) for sample in group)
            console.print(f"{right} of {len(group)} {words} came out as drawn.")
    if course.first_classified_seconds is not None:
        console.print(f"The first picture was classified {course.first_classified_seconds:.1f} s after the start.")


def _what_next(drawn: Sequence[Sample], was_up: bool, console: Console) -> None:
    console.print()
    console.print("Try next:", style="bold")
    one = "cat.jpg" if drawn else "KEY"
    steps = [
        ("drop PATH...", "your own photos"),
        ("results", "what became of all"),
        (f"logs {one}", "the story of one"),
    ]
    if not was_up:
        steps.insert(0, ("up --detach", "the local AWS again, to stay"))
        steps.insert(1, ("console", "the page, to drop, watch and review"))
    for arguments, words in steps:
        console.print(f"  {f'{typed()} {arguments}':<42}  {words}")
    if drawn:
        console.print(f"The drawings are in {samples.FOLDER}. They show the way, not how good the model is.")


def _exit_code(course: _Course, has_vehicles: bool, console: Console) -> int:
    """Our drawings must be recognised; a person's own pictures may show anything, but each must come through."""
    if course.count(Outcome.FAILED) or any(end.outcome is None for end in course.ended):
        console.print("Not every picture came through.", style="bold red")
        return FAILURE
    if has_vehicles and not course.count(Outcome.CLASSIFIED):
        console.print("No picture was classified: the model was not sure of any.", style="bold red")
        return FAILURE
    return SUCCESS
