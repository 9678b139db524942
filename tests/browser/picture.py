"""The picture of the report in the README: a week of drawn traffic, in which it gets dark.

    python -m tests.browser.picture docs/report.png

It takes Chromium and some minutes.
"""

import contextlib
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from PIL import Image

from cli.main import main
from monitoring.drift.making import from_pictures
from tests.browser.browser import screenshot
from tests.browser.traffic import ENDPOINT, START, night, review, sort, traffic, write
from training.artefact import DEFAULT_MODEL, load_model

WIDTH, HEIGHT = 1200, 1745
A_DAY, DARK_DAYS, DAYS = 100, 2, 7


def draw(out: Path) -> int:
    """Make traffic, labels, a baseline, the report, and its picture."""
    model = load_model(DEFAULT_MODEL)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sort(traffic(7, A_DAY, 1), folder / "pictures")
        from_pictures(folder / "pictures", model, lambda done, total: None, neither=0.08).save(folder / "baseline.json")
        week = traffic(DAYS - DARK_DAYS, A_DAY, 2)
        week += traffic(DARK_DAYS, A_DAY, 3, start=START + timedelta(days=DAYS - DARK_DAYS), worse=night, share=0.7)
        write(week, folder / "captured", model.manifest.version)
        review(week, folder / "reviewed", model.manifest.threshold)
        with contextlib.chdir(folder):
            options = ["--labels", "reviewed", "--baseline", "baseline.json", "--endpoint", ENDPOINT]
            code = main(["report", "--from", "captured", "--out", "report.html", *options])
        screenshot(folder / "report.html", out, WIDTH, HEIGHT)
    # A page has few colours: a palette makes the file a third as large.
    Image.open(out).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(out, optimize=True)
    return code


if __name__ == "__main__":
    sys.exit(draw(Path(sys.argv[1])))
