"""Answers of web servers: the end of all redirects, none of them to less safety, and what is wrong in words."""

from typing import Final
from urllib.parse import urljoin, urlsplit

import requests

CONNECT_SECONDS: Final = 10
READ_SECONDS: Final = 30
MAX_REDIRECTS: Final = 5


class RefusedAnswerError(Exception):
    """This server will not give what was asked for; another may."""


class CutOffError(Exception):
    """The connection failed on the way; the same server may give the rest."""


def answer(session: requests.Session, address: str, headers: dict[str, str]) -> requests.Response:
    """The answer at the end of all redirects; none of them leads from https to anything else."""
    for _ in range(MAX_REDIRECTS + 1):
        response = session.get(
            address, headers=headers, stream=True, allow_redirects=False, timeout=(CONNECT_SECONDS, READ_SECONDS)
        )
        if not response.is_redirect:
            return response
        response.close()
        target = urljoin(address, response.headers["Location"])
        if urlsplit(target).scheme not in ("https", urlsplit(address).scheme):
            raise RefusedAnswerError(f"redirects to {shown(target)}, which is less safe")
        address = target
    raise RefusedAnswerError("redirects without end")


def shown(address: str) -> str:
    """An address as it may stand on a screen: without a password or a signature."""
    try:
        parts = urlsplit(address)
        return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
    except ValueError:
        return "the given address"


def reason(error: Exception) -> str:
    """What broke a request, in words."""
    match error:
        case requests.exceptions.ProxyError():
            return "cannot be reached through the proxy"
        case requests.exceptions.SSLError():
            return "has no certificate that this machine trusts"
        case requests.exceptions.Timeout():
            return "does not answer"
        case requests.exceptions.ConnectionError() if not isinstance(error, requests.exceptions.ChunkedEncodingError):
            return "cannot be reached"
    return "broke off"
