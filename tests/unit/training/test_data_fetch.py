"""The archive is fetched whole and right or not at all, from servers that behave and from servers that do not."""

import datetime
import fcntl
import gzip
import random
import ssl
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.unit.training import mirror
from tests.unit.training.archives import accepted
from tests.unit.training.mirror import Answer, serving
from training.data.cifar100 import Archive
from training.data.errors import DataNotFetchedError
from training.data.fetch import BLOCK_BYTES, Fetched, fetch

CONTENT = gzip.compress(random.Random(1).randbytes(3 * BLOCK_BYTES))  # noqa: S311 - bytes that do not compress
ARCHIVE = accepted("archive.tar.gz", CONTENT)
THIRD = len(CONTENT) // 3


def fetched(out: Path, *mirrors: str, archive: Archive = ARCHIVE) -> Fetched:
    return fetch(out, archive=archive, mirrors=mirrors, pause_seconds=0)


def interrupted(out: Path, address: str) -> None:
    """A run that Ctrl-C ends after the first piece."""

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(out, archive=ARCHIVE, mirrors=[address], listener=stop)


def test_the_archive_gets_its_name_when_it_is_right(tmp_path: Path) -> None:
    """A good server gives the file in one request; nothing else is left in the folder."""
    heard: list[tuple[int, int]] = []
    with serving(CONTENT, mirror.well) as good:
        found = fetch(
            tmp_path / "new" / "folder",
            archive=ARCHIVE,
            mirrors=[good.address],
            listener=lambda done, total: heard.append((done, total)),
        )

    assert found == Fetched(tmp_path / "new" / "folder" / "archive.tar.gz", downloaded=True)
    assert found.path.read_bytes() == CONTENT
    assert [path.name for path in found.path.parent.iterdir()] == ["archive.tar.gz"]
    assert heard[-1] == (len(CONTENT), len(CONTENT))
    assert len(good.requests) == 1


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    """The right file is kept without a request; a wrong one of that name is replaced."""
    (tmp_path / "archive.tar.gz").write_bytes(b"x" * len(CONTENT))
    with serving(CONTENT, mirror.well) as good:
        first, second = fetched(tmp_path, good.address), fetched(tmp_path, good.address)

    assert (first.downloaded, second.downloaded) == (True, False)
    assert len(good.requests) == 1


def test_a_connection_that_breaks_is_taken_up_again(tmp_path: Path) -> None:
    """After each break it is asked for from there on, and no byte is sent twice."""
    with serving(CONTENT, mirror.cut_off(at=THIRD + 1)) as bad:
        found = fetched(tmp_path, bad.address)

    assert found.path.read_bytes() == CONTENT
    assert bad.sent == len(CONTENT)
    assert [request.get("Range") for request in bad.requests] == [
        None,
        f"bytes={THIRD + 1}-",
        f"bytes={2 * THIRD + 2}-",
    ]


def test_an_interrupted_run_is_gone_on_with(tmp_path: Path) -> None:
    """Ctrl-C leaves what has come; the next run asks for the rest only."""
    with serving(CONTENT, mirror.well) as good:
        interrupted(tmp_path, good.address)
        kept = (tmp_path / "archive.tar.gz.part").stat().st_size
        found = fetched(tmp_path, good.address)

    assert kept > 0
    assert not (tmp_path / "archive.tar.gz.part").exists()
    assert good.requests[1]["Range"] == f"bytes={kept}-"
    assert found.path.read_bytes() == CONTENT


@pytest.mark.parametrize("then", [mirror.without_ranges, mirror.encoded])
def test_a_server_that_will_not_go_on_is_read_from_the_start(tmp_path: Path, then: Answer) -> None:
    """If the server ignores the range, all of it is fetched again, undecoded."""
    with serving(CONTENT, mirror.well) as server:
        interrupted(tmp_path, server.address)
        server.answer = then
        found = fetched(tmp_path, server.address)

    assert found.path.read_bytes() == CONTENT


def test_another_mirror_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    """Mirrors are tried in order; what one has given is not fetched again from the next."""
    with serving(CONTENT, mirror.well) as first, serving(CONTENT, mirror.well) as second:
        interrupted(tmp_path, first.address)
        first.answer = mirror.with_status(404)
        kept = (tmp_path / "archive.tar.gz.part").stat().st_size
        found = fetched(tmp_path, first.address, second.address)

    assert found.path.read_bytes() == CONTENT
    assert second.sent == len(CONTENT) - kept


def test_a_piece_that_was_spoilt_is_thrown_away(tmp_path: Path) -> None:
    """If the whole is wrong and part of it came earlier, it is fetched once more from nothing."""
    for spoilt in (b"x" * THIRD, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 1)):
        (tmp_path / "archive.tar.gz").unlink(missing_ok=True)
        (tmp_path / "archive.tar.gz.part").write_bytes(spoilt)
        with serving(CONTENT, mirror.well) as good:
            found = fetched(tmp_path, good.address)

        assert found.path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda request, content: request.give(content[::-1]), "checksums differ"),
        (mirror.endless, "sends more than"),
        (lambda request, content: request.give(content + b"x"), "offers 786,"),
        (lambda request, content: request.give(content[:-1]), "offers 786,"),
        (mirror.sign_in_page, "sign-in to this network"),
        (mirror.with_status(404), "HTTP 404"),
        (mirror.with_status(503), "too busy"),
        (mirror.redirecting("file:///etc/passwd"), "redirects to file:///etc/passwd, which is less safe"),
        (mirror.redirecting("http://[bad"), "is no web address"),
        (mirror.redirecting("/archive.tar.gz"), "redirects without end"),
        (lambda request, content: request.wfile.write(b"not even HTTP\r\n\r\n"), "cannot be reached"),
        (lambda request, content: request.start(200, Content_Length=len(content)), "broke off"),
    ],
)
def test_a_server_that_gives_something_else_is_refused(tmp_path: Path, answer: Answer, words: str) -> None:
    """Whatever a server does, there is no archive under that name afterwards; the next mirror is asked."""
    with serving(CONTENT, answer) as bad, serving(CONTENT, mirror.well) as good:
        with pytest.raises(DataNotFetchedError, match=words) as failure:
            fetched(tmp_path, bad.address)
        assert not (tmp_path / "archive.tar.gz").exists()
        assert bad.sent < 50_000_000

        found = fetched(tmp_path, bad.address, good.address)

    assert found.path.read_bytes() == CONTENT
    assert failure.value.hint
    assert str(failure.value).isprintable()


@pytest.mark.parametrize("then", [mirror.sign_in_page, mirror.another_piece, mirror.with_status(500)])
def test_a_wrong_answer_costs_nothing_of_what_has_come(tmp_path: Path, then: Answer) -> None:
    """A sign-in page, another piece or an error leaves the part as it was."""
    with serving(CONTENT, mirror.well) as server:
        interrupted(tmp_path, server.address)
        kept = (tmp_path / "archive.tar.gz.part").read_bytes()
        server.answer = then
        with pytest.raises(DataNotFetchedError):
            fetched(tmp_path, server.address)

    assert (tmp_path / "archive.tar.gz.part").read_bytes() == kept


def test_a_redirect_is_followed_but_not_to_less_safety(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From http to http is as safe as before; from https to http is refused, even to the same machine."""
    bundle, certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with serving(CONTENT, mirror.well) as good:
        with serving(CONTENT, mirror.redirecting(good.address)) as plain:
            assert fetched(tmp_path / "plain", plain.address).downloaded
        with serving(CONTENT, mirror.well, certificate) as safe:
            assert fetched(tmp_path / "safe", safe.address).downloaded
            safe.answer = mirror.redirecting(good.address)
            with pytest.raises(DataNotFetchedError, match="less safe"):
                fetched(tmp_path / "downgraded", safe.address)
            monkeypatch.delenv("REQUESTS_CA_BUNDLE")
            with pytest.raises(DataNotFetchedError, match="no certificate"):
                fetched(tmp_path / "unknown", safe.address)

    assert len(good.requests) == 1


def test_an_address_is_told_without_its_secrets(tmp_path: Path) -> None:
    """A password or a signature in a mirror's address does not come onto the screen."""
    with pytest.raises(DataNotFetchedError) as failure:
        fetched(tmp_path, "http://me:secret@127.0.0.1:9/archive?signature=secret", "http://[bad", "nonsense")

    assert "http://127.0.0.1/archive cannot be reached" in str(failure.value)
    assert "is no web address" in str(failure.value)
    assert "secret" not in str(failure.value)


def test_a_full_disk_is_told_in_a_sentence(tmp_path: Path) -> None:
    """Where there is no room nothing is begun; where the room runs out, that is said."""
    with pytest.raises(DataNotFetchedError, match="MB are to come"):
        fetched(tmp_path, "http://127.0.0.1:9/", archive=Archive("huge.tar.gz", (), 10**18, "", ""))
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    (tmp_path / "archive.tar.gz.part").symlink_to("/dev/full")

    with serving(CONTENT, mirror.well) as good, pytest.raises(DataNotFetchedError, match="is full"):
        fetched(tmp_path, good.address)


def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    """A file where the folder should be is named."""
    (tmp_path / "file").touch()

    with pytest.raises(DataNotFetchedError, match="cannot be written"):
        fetched(tmp_path / "file", "http://127.0.0.1:9/")


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    """While another run works on the part, this one ends at once and leaves it alone."""
    with (tmp_path / "archive.tar.gz.part").open("wb") as other:
        other.write(b"half of it")
        other.flush()
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DataNotFetchedError, match="Another run"):
            fetched(tmp_path, "http://127.0.0.1:9/")

    assert (tmp_path / "archive.tar.gz.part").read_bytes() == b"half of it"


def self_signed(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for this machine: as a file to trust, and for a server."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, both = folder / "trusted.pem", folder / "server.pem"
    trusted.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    both.write_bytes(private + trusted.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return trusted, context
