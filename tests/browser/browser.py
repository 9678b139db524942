"""A page in headless Chromium: what it measures there, and how it looks. Needs no driver, only the browser.

The page is put into a frame as wide as wanted, because Chromium's own window is never narrower than 500 pixels; a
script outside the frame measures it, and the browser prints the outer page when it is done.
"""

import html
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

import pytest

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DARK: Final = "--blink-settings=preferredColorScheme=0"
SECONDS: Final = 90

# Computed by the browser itself, of the page as it is laid out.
MEASURE: Final = Path(__file__).with_name("measure.js")


def chromium() -> str:
    """The browser; tests that need it skip where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    return found


def measured(page: Path, *widths: int, dark: bool = False) -> list[dict[str, Any]]:
    """What the browser finds in the page at each width."""
    framed = html.escape(page.read_text(encoding="utf-8"))
    frames = "".join(f'<iframe style="width: {width}px" srcdoc="{framed}"></iframe>' for width in widths)
    outer = (
        '<!doctype html><meta charset="utf-8"><style>iframe { border: 0; height: 2000px; display: block }</style>'
        f'{frames}<pre id="result"></pre><script>{MEASURE.read_text()}\naddEventListener("load", () => {{'
        'const found = [...document.querySelectorAll("iframe")].map(measure);'
        'document.getElementById("result").textContent = JSON.stringify(found); });</script>'
    )
    with tempfile.TemporaryDirectory() as folder:
        around = Path(folder) / "around.html"
        around.write_text(outer, encoding="utf-8")
        options = [DARK] if dark else []
        dumped = _run(folder, f"--window-size={max(500, *widths)},2000", *options, "--dump-dom", f"file://{around}")
    found = re.search(r'<pre id="result">(.+?)</pre>', dumped, re.DOTALL)
    assert found, "the page's script did not end"
    result: list[dict[str, Any]] = json.loads(html.unescape(found[1]))
    return result


def opened(url: str) -> str:
    """What the page at an address wrote into its element `result` by the time that all of it had loaded."""
    with tempfile.TemporaryDirectory() as folder:
        dumped = _run(folder, "--dump-dom", url)
    written = re.search(r'<pre id="result">(.*?)</pre>', dumped, re.DOTALL)
    assert written, "the page's script did not end"
    return html.unescape(written[1])


def screenshot(page: Path, out: Path, width: int, height: int, *, dark: bool = False) -> None:
    """The upper part of the page as a picture."""
    with tempfile.TemporaryDirectory() as folder:
        options = [DARK] if dark else []
        _run(
            folder,
            f"--window-size={width},{height}",
            *options,
            f"--screenshot={out.resolve()}",
            f"file://{page.resolve()}",
        )


def printed(page: Path, out: Path) -> bytes:
    """The page on paper."""
    with tempfile.TemporaryDirectory() as folder:
        _run(folder, "--no-pdf-header-footer", f"--print-to-pdf={out.resolve()}", f"file://{page.resolve()}")
    return out.read_bytes()


def _run(profile: str, *options: str) -> str:
    done = subprocess.run(
        [
            chromium(),
            "--headless",
            "--no-sandbox",  # in a container it cannot have one; the page is our own
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--hide-scrollbars",
            f"--user-data-dir={profile}/profile",
            *options,
        ],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    return done.stdout
