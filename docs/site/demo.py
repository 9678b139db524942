"""The picture of the demo in the documentation: what it prints, in its own colours.

    python -m docs.site.demo

It takes a minute, on a machine that does little else.
"""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = 86
# A terminal's colours without the moving parts of one.
TERMINAL = {"FORCE_COLOR": "1", "TTY_INTERACTIVE": "0", "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}


def drawn(printed: str) -> str:
    """A terminal's window as SVG, with what was printed there after `make demo`."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi(f"$ make demo\n{printed}"))
    picture = console.export_svg(title="VehicleVision", unique_id="demo")
    # rich's own has its fonts fetched; a reader's own do.
    return re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)


def main() -> None:
    """Run the demo, and write docs/demo.svg."""
    command = [str(Path(sys.executable).with_name("vehiclevision")), "demo"]
    ran = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **TERMINAL}, check=True, stdout=subprocess.PIPE, encoding="utf-8"
    )
    picture = drawn(ran.stdout.replace(f"{ROOT}/", ""))
    (ROOT / "docs/demo.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
