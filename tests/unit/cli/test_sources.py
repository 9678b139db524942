"""Which files are meant, and under which key each is uploaded."""

import os
from pathlib import Path

import pytest

from cli.sources import find
from vehiclevision.requests import MAX_KEY_BYTES

HOSTILE_NAMES = (
    "a b.jpg",
    "a+b.jpg",
    "100%.jpg",
    "%2B.jpg",
    "qu'ote\".jpg",
    "new\nline.jpg",
    "\x1b[31mred.jpg",
    "[bold]x.jpg",
    "back\\slash.jpg",
    "a&b?c#d.jpg",
    "-dash.jpg",
    ".hidden.jpg",
    " lead",
    "trail ",
    "\N{BICYCLE}.jpg",
    "u\u0308.jpg",
)


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def _keys(*paths: Path) -> list[str]:
    return [source.key for source in find(paths)[0]]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_any_name_is_kept_as_it_is(tmp_path: Path, name: str) -> None:
    """Whatever a file is called, its key ends with exactly that."""
    _touch(tmp_path / name)

    assert _keys(tmp_path) == _keys(tmp_path / name) == [f"uploads/{name}"]


def test_a_folder_gives_all_its_files_with_their_paths(tmp_path: Path) -> None:
    """Files at every depth are found, hidden ones too, and empty folders give none."""
    for name in ("b.jpg", "sub/.hidden", "sub/deeper/a.jpg", ".git/c"):
        _touch(tmp_path / name)
    (tmp_path / "nothing here").mkdir()

    assert sorted(_keys(tmp_path)) == [
        "uploads/.git/c",
        "uploads/b.jpg",
        "uploads/sub/.hidden",
        "uploads/sub/deeper/a.jpg",
    ]


def test_equal_names_get_the_folders_above_them(tmp_path: Path) -> None:
    """Two files of one name from different paths keep apart, by as many folders as that takes."""
    first, second, third = (_touch(tmp_path / name) for name in ("a/x/p.jpg", "b/x/p.jpg", "q.jpg"))

    assert _keys(first, second, third) == ["uploads/a/x/p.jpg", "uploads/b/x/p.jpg", "uploads/q.jpg"]
    assert _keys(tmp_path / "a", tmp_path / "b") == ["uploads/a/x/p.jpg", "uploads/b/x/p.jpg"]


def test_a_lengthened_name_does_not_meet_another(tmp_path: Path) -> None:
    """A name that grew by a folder is checked against all others again."""
    files = [_touch(tmp_path / name) for name in ("a/p.jpg", "b/p.jpg")]
    folder = _touch(tmp_path / "c/a/p.jpg").parent.parent

    assert len(set(_keys(*files, folder))) == 3


def test_the_same_file_is_taken_once(tmp_path: Path) -> None:
    """Naming a file again, by itself, in other words or through its folder, uploads it once."""
    file = _touch(tmp_path / "a" / "p.jpg")

    assert len(_keys(file, file, tmp_path / "a" / ".." / "a" / "p.jpg", tmp_path, tmp_path / "a")) == 1


def test_links_out_of_the_folder_are_left_out(tmp_path: Path) -> None:
    """What lies elsewhere is not uploaded by way of a link, and a loop of folders ends."""
    secret, folder = _touch(tmp_path / "secret"), tmp_path / "photos"
    inside = _touch(folder / "p.jpg")
    (folder / "out").symlink_to(secret)
    (folder / "gone").symlink_to(tmp_path / "nowhere")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "in.jpg").symlink_to(inside)

    sources, left_out = find([folder])

    assert [source.key for source in sources] == ["uploads/in.jpg", "uploads/p.jpg"]
    assert {item.path.name for item in left_out} == {"out", "gone", "loop"}
    assert not any(item.asked_for for item in left_out)


def test_a_link_that_is_named_itself_is_followed(tmp_path: Path) -> None:
    """A person who names a link means what it leads to, under the name that was given."""
    folder, file = tmp_path / "photos", _touch(tmp_path / "photos" / "p.jpg")
    (tmp_path / "album").symlink_to(folder, target_is_directory=True)
    (tmp_path / "best.jpg").symlink_to(file)

    assert _keys(tmp_path / "album") == ["uploads/p.jpg"]
    assert _keys(tmp_path / "best.jpg") == ["uploads/best.jpg"]


def test_pipes_are_left_out_without_being_opened(tmp_path: Path) -> None:
    """A named pipe in a folder does not hold up the command; asked for by name it is refused."""
    os.mkfifo(tmp_path / "pipe")

    assert [(item.reason, item.asked_for) for item in find([tmp_path])[1]] == [("NOT_A_FILE", False)]
    assert [(item.reason, item.asked_for) for item in find([tmp_path / "pipe"])[1]] == [("NOT_A_FILE", True)]


def test_names_that_are_no_keys_are_refused_one_by_one(tmp_path: Path) -> None:
    """A name that S3 cannot hold is reported with its reason; the other files go on."""
    folder = tmp_path / "/".join("x" * 200 for _ in range(6))
    _touch(folder / "deep.jpg")
    _touch(tmp_path / "good.jpg")
    try:
        (tmp_path / os.fsdecode(b"bad\xff.jpg")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes only Unicode names")

    sources, left_out = find([tmp_path])

    assert [source.key for source in sources] == ["uploads/good.jpg"]
    assert sorted(item.reason for item in left_out) == ["NAME_NOT_UNICODE", "NAME_TOO_LONG"]
    assert all(item.asked_for for item in left_out)


def test_a_key_of_just_the_limit_is_taken(tmp_path: Path) -> None:
    """1,024 bytes are a key, 1,025 are none."""
    room = MAX_KEY_BYTES - len("uploads/") - 4 * 201
    folder = tmp_path / "/".join("x" * 200 for _ in range(4))
    _touch(folder / ("y" * room))
    _touch(folder / ("z" * (room + 1)))

    sources, left_out = find([tmp_path])

    assert [len(source.key) for source in sources] == [MAX_KEY_BYTES]
    assert [item.reason for item in left_out] == ["NAME_TOO_LONG"]
