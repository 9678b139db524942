"""`evaluate --against`: both APIs on loopback, the real command, and nothing paid for twice."""

import io
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.unit.cli.answering_services import (
    TOKENS_IN,
    TOKENS_OUT,
    Answering,
    Services,
    bedrock_by_brightness,
    refuses,
    says,
    services,
)
from tests.unit.cli.answers import Command
from tests.unit.pages import Page
from tests.unit.pictures import encoded
from tests.unit.serving.tiny_model import write_model

MODEL = "us.anthropic.claude-haiku-5-5"
WHITE, GREY, BLACK = 255, 128, 0


def put(path: Path, level: int, width: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Each of another width, so that no two are the same picture.
    path.write_bytes(encoded(Image.new("RGB", (width, 600), (level, level, level)), "JPEG"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three bicycles, of which both know two; three motorcycles; two cats."""
    monkeypatch.chdir(tmp_path)
    kinds = {"bicycle": (WHITE, WHITE, BLACK), "motorcycle": (BLACK, BLACK, BLACK), "cat": (GREY, GREY)}
    for kind, levels in kinds.items():
        for number, level in enumerate(levels):
            put(tmp_path / "photos" / kind / f"{number}.jpg", level, 700 + 10 * number + len(kind))
    return tmp_path / "photos"


@pytest.fixture
def asked() -> Iterator[Services]:
    with services() as both:
        yield both


@pytest.fixture
def against(
    command: Command, asked: Services, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """The command line but for the service, with credentials and the two on loopback."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    for service in ("REKOGNITION", "BEDROCK_RUNTIME"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", asked.url)
    model = write_model(tmp_path / "model.tar.gz")
    common = ("--model", model, "--region", "eu-central-1", "--no-robustness")
    return lambda *arguments: command("evaluate", folder, *common, "--against", *arguments)


def test_rekognition_stands_beside_our_model(against: Command, asked: Services, tmp_path: Path) -> None:
    """The same photos, by both; a kind of bicycle is one; the page tells it, and each request is one that AWS knows."""
    answer = against("rekognition", "--yes", "--json", "--out", tmp_path / "page.html")

    (report,) = answer.json_lines()
    told = report["against"]
    assert answer.code == 0, answer.err
    assert (len(asked.pictures), asked.wrong) == (8, [])
    assert (told["service"], told["region"], told["versions"]) == ("rekognition", "eu-central-1", ["3.0"])
    assert (told["pictures"], told["ours"]["n"], told["ours"]["neither_n"]) == (8, 6, 2)
    assert (told["ours"]["accuracy_count"], told["theirs"]["accuracy_count"]) == (5, 5)
    assert told["theirs"]["dollars"] == pytest.approx(0.008)
    assert told["theirs"]["dollars_per_million"] == 1000
    instance, image, pictures_in = 0.23 * 730, 0.03, 0.32
    assert told["ours"]["dollars_per_million"] == pytest.approx(instance + image + pictures_in)
    assert 0 < told["theirs"]["latency_milliseconds"]["p50"] <= told["theirs"]["latency_milliseconds"]["p99"]
    page = Page((tmp_path / "page.html").read_text())
    assert page.open == []
    assert "Beside Rekognition DetectLabels" in page.text


def test_a_service_sees_the_whole_picture_and_nothing_else_of_the_file(
    against: Command, asked: Services, folder: Path
) -> None:
    """Upright, in its own shape, at most 512 pixels, and without what a camera wrote into the file."""
    for file in folder.rglob("*.jpg"):
        file.unlink()
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "secret"
    Image.new("RGB", (800, 400), "white").save(folder / "bicycle" / "a.jpg", exif=exif)

    assert against("rekognition", "--yes", "--json").code == 0

    (picture,) = asked.pictures
    with Image.open(io.BytesIO(picture)) as image:
        assert (image.format, image.size) == ("JPEG", (256, 512))
        assert not image.getexif()
    assert b"secret" not in picture


def test_it_can_be_asked_about_what_a_second_opinion_would_see(against: Command, asked: Services) -> None:
    """The model's own picture; an answer to the large one is none to this."""
    against("rekognition", "--yes", "--json", "--photos", "1")
    asked.pictures.clear()

    report = against("rekognition", "--yes", "--json", "--photos", "1", "--small").json_lines()[0]

    (picture,) = asked.pictures
    with Image.open(io.BytesIO(picture)) as image:
        assert image.size == (224, 224)
    assert report["against"]["small"]


def test_a_model_on_bedrock_is_asked_for_json_and_its_tokens_are_counted(against: Command, asked: Services) -> None:
    """Converse with the id as it was given; what it costs follows from what it used."""
    answer = against(f"bedrock:{MODEL}", "--yes", "--json")

    (report,) = answer.json_lines()
    theirs = report["against"]["theirs"]
    assert answer.code == 0, answer.err
    assert (set(asked.models), asked.wrong) == ({MODEL}, [])
    assert (theirs["tokens_in"], theirs["tokens_out"]) == (8 * TOKENS_IN, 8 * TOKENS_OUT)
    assert theirs["dollars"] == pytest.approx(8 * (TOKENS_IN * 0.1e-6 + TOKENS_OUT * 0.5e-6))
    assert (theirs["accuracy_count"], theirs["unusable"]) == (5, 0)


def test_what_is_no_answer_to_the_question_counts_as_none(against: Command, asked: Services, tmp_path: Path) -> None:
    """It names no vehicle, however sure it sounds; each kind is counted, and the headline says so."""
    talk = [says("A bicycle."), says('{"shows": "bicycle", "sure": 400}'), says("{", stop="max_tokens")]

    def hostile(picture: bytes) -> tuple[int, dict[str, Any]]:
        return talk.pop() if talk else bedrock_by_brightness(picture)

    asked.bedrock = hostile

    told = (f"bedrock:{MODEL}", "--yes", "--answers", tmp_path / "kept.jsonl")
    (report,) = against(*told, "--json").json_lines()

    assert report["against"]["theirs"]["unusable_reasons"] == {
        "it did not come to an end": 1,
        "it is no JSON object": 1,
        "it says no number from 0 to 100": 1,
    }
    printed = against(*told, "--out", tmp_path / "page.html").out
    assert "  it gave no usable answer to 3: they would go to a person" in printed


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ("rekognition", "asked about 8 photos. That costs about $0.01, at us-east-1's list prices."),
        (f"bedrock:{MODEL}", "That costs about $0.00"),
        ("bedrock:another.model", "Its price is not known here: about 588 tokens in"),
    ],
)
def test_nothing_is_asked_before_somebody_agrees_to_the_price(
    against: Command, asked: Services, service: str, words: str
) -> None:
    """Where nobody can answer, the price is named, and that is all."""
    answer = against(service)

    assert answer.code == 2
    assert words in " ".join(answer.err.split())
    assert "Add --yes." in answer.err
    assert asked.pictures == []
    assert not list(Path().glob("evaluation*"))


def test_a_second_time_costs_nothing(against: Command, asked: Services) -> None:
    """All answers are kept: the same figures again, without a question or a request; another model is asked anew."""
    first = against("rekognition", "--yes", "--json").json_lines()[0]["against"]

    second = against("rekognition", "--json").json_lines()[0]["against"]

    assert first == second
    assert len(asked.pictures) == 8
    assert against(f"bedrock:{MODEL}", "--json").code == 2


def test_it_goes_on_where_it_was_stopped(against: Command, asked: Services) -> None:
    """Access ends half way: the answers until then are kept, the hint says so, and then only the rest is asked for."""
    given, answer_well = iter(range(5)), asked.rekognition

    def until_denied(picture: bytes) -> tuple[int, dict[str, Any]]:
        return answer_well(picture) if next(given, None) is not None else refuses("AccessDeniedException")

    asked.rekognition = until_denied
    stopped = against("rekognition", "--yes", "--json")
    kept = len(Path("evaluation.answers.jsonl").read_text().splitlines())
    asked.rekognition = answer_well
    asked.pictures.clear()

    gone_on = against("rekognition", "--yes", "--json")

    assert stopped.code == 1
    assert "AWS denies rekognition:DetectLabels" in stopped.err
    assert "answers are kept in evaluation.answers.jsonl" in stopped.err
    assert 0 < kept <= 5
    assert gone_on.json_lines()[0]["against"]["pictures"] == 8
    assert len(asked.pictures) == 8 - kept
    assert f"{kept} more are answered already" in gone_on.err


def test_ctrl_c_keeps_what_was_paid_for(against: Command, asked: Services) -> None:
    """What was on its way is waited for and kept; no page is written."""
    asked.before = lambda number: os.kill(os.getpid(), signal.SIGINT) if number == 5 else None
    # As in a terminal: what a shell has put into the background ignores the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    try:
        answer = against("rekognition", "--yes")
    finally:
        signal.signal(signal.SIGINT, before)

    assert answer.code == 130
    assert "only the rest is asked for" in answer.err
    assert len(Path("evaluation.answers.jsonl").read_text().splitlines()) == len(asked.pictures)
    assert not Path("evaluation.html").exists()


def test_a_file_of_answers_is_not_believed(against: Command, asked: Services) -> None:
    """Lines that are cut short, made up or too long are asked for again; sound ones beside them still count."""
    against("rekognition", "--yes", "--json")
    file = Path("evaluation.answers.jsonl")
    lines = file.read_text().splitlines()
    first = json.loads(lines[0])
    spoilt = [
        json.dumps(first | {"confidences": [7, 7]}),
        json.dumps(first | {"confidences": [0.5]}),
        json.dumps(first | {"stranger": 1}),
        json.dumps(first | {"key": []}),
        "[" * 100_000,
        '"text"',
        lines[1][: len(lines[1]) // 2],
    ]
    file.write_text("\n".join([*lines[2:], *spoilt]))
    asked.pictures.clear()

    answer = against("rekognition", "--yes", "--json")

    assert answer.code == 0
    assert len(asked.pictures) == 2
    assert against("rekognition", "--json").code == 0


def test_at_most_so_many_photos_are_asked_about(against: Command, asked: Services) -> None:
    """Some of each class; our own figures of the comparison are of the same photos, all others of the whole folder."""
    report = against("rekognition", "--yes", "--json", "--photos", "4").json_lines()[0]

    assert len(asked.pictures) == 4
    assert (report["against"]["pictures"], report["against"]["of_pictures"]) == (4, 8)
    assert report["against"]["ours"]["n"] + report["against"]["ours"]["neither_n"] == 4
    assert report["against"]["ours"]["neither_n"] == 1
    assert report["n"] == 6


@pytest.mark.parametrize(
    ("service", "answer", "words"),
    [
        (f"bedrock:{MODEL}", refuses("AccessDeniedException", 403), "the account access to the model in eu-central-1"),
        (f"bedrock:{MODEL}", refuses("ResourceNotFoundException", 404), "Bedrock in eu-central-1 does not take this"),
        (f"bedrock:{MODEL}", refuses("ValidationException"), "the id of an inference profile"),
        ("rekognition", refuses("InvalidSignatureException"), "gave no answer (InvalidSignatureException)"),
    ],
)
def test_what_aws_refuses_is_said_in_a_sentence(
    against: Command, asked: Services, service: str, answer: tuple[int, dict[str, Any]], words: str
) -> None:
    """With a hint, on standard error, and how to go on."""
    both: Answering = lambda picture: answer  # noqa: E731
    asked.rekognition = asked.bedrock = both

    ended = against(service, "--yes")

    assert (ended.code, ended.out) == (1, "")
    assert words in ended.err
    assert "Then run the same again: 0 of 8 answers are kept" in ended.err


def test_a_picture_that_rekognition_does_not_take_goes_to_a_person(against: Command, asked: Services) -> None:
    """One refused picture ends nothing; where none was of use, the reader is told that nothing follows."""
    asked.rekognition = lambda picture: refuses("InvalidImageFormatException")

    answer = against("rekognition", "--yes", "--json")

    assert answer.code == 0
    assert answer.json_lines()[0]["against"]["theirs"]["unusable"] == 8
    assert "nothing can be concluded" in answer.err


def test_without_credentials_nothing_is_begun(command: Command, folder: Path) -> None:
    """It is said at once, before any picture is read."""
    answer = command("evaluate", folder, "--against", "rekognition", "--region", "eu-central-1", "--yes")

    assert answer.code == 1
    assert "No AWS credentials were found." in answer.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("photos", "--against", "textract"),
        ("photos", "--against", "bedrock"),
        ("photos", "--against", "bedrock:"),
        ("photos", "--against", "rekognition:x"),
        ("photos", "--photos", "4"),
        ("photos", "--yes"),
        ("photos", "--small"),
        ("--split", "validation", "--data", "x", "--against", "rekognition"),
    ],
)
def test_mistakes_are_told_before_anything_is_read(command: Command, folder: Path, arguments: tuple[str, ...]) -> None:
    """Exit code 2, and a sentence."""
    answer = command("evaluate", *arguments)

    assert (answer.code, answer.out) == (2, "")
    assert answer.err.strip()
