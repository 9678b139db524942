"""Make the folder that training and SageMaker read.

SOURCE is a folder with a folder of pictures per class, or CIFAR-100's binary archive. Every picture goes through the
image gate. The folder gets JPEGs of the model's size, lists for SageMaker's built-in algorithm, and a manifest. A
second run writes only what changed.
"""

from pathlib import Path
from typing import Annotated, Any, Final

from cli.display import notes, on_interrupt, output, print_json, printable
from cli.errors import SUCCESS
from cli.options import AsJson, argument, flag, option
from training.data.transform import Transformed, transform
from training.progress import bars

REFUSED_SHOWN: Final = 10


def command(
    source: Annotated[Path, argument("SOURCE", "A folder per class, or the archive.")],
    out: Annotated[Path, option("--out", "DIR", "A new folder, or one that this command made.")],
    all_classes: Annotated[
        bool, flag("--all-classes", "Name all classes in SageMaker's lists, not only the vehicles.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Make the folder that training reads."""
    with on_interrupt("Stopped. The folder is not complete: run the same command again."), bars() as listen:
        done = transform(source, out, all_classes=all_classes, reading=listen("read"), writing=listen("written"))
    if as_json:
        print_json(_facts(done, out))
    else:
        _print(done, out)
    return SUCCESS


def _facts(done: Transformed, out: Path) -> dict[str, Any]:
    facts = done.manifest.facts
    return {
        "folder": str(out),
        "data_hash": done.manifest.data_hash,
        "version": done.manifest.version,
        "pictures": facts["pictures"],
        "parts": {name: sum(counts.values()) for name, counts in facts["parts"].items()},
        "near_duplicates": facts["near_duplicates"],
        "refused": [{"file": refused.file, "reason": refused.reason} for refused in done.manifest.refused],
        "written": done.written,
        "unchanged": done.unchanged,
        "removed": done.removed,
        "builtin": facts["builtin"],
    }


def _print(done: Transformed, out: Path) -> None:
    facts, refused, console = done.manifest.facts, done.manifest.refused, output()
    for item in refused[:REFUSED_SHOWN]:
        notes().print(f"Refused: {printable(item.file)}: {item.reason}")
    if len(refused) > REFUSED_SHOWN:
        notes().print(f"Refused: {len(refused) - REFUSED_SHOWN:,} more; the manifest lists them.")
    parts = ", ".join(f"{sum(counts.values()):,} {name}" for name, counts in facts["parts"].items())
    console.print(f"{facts['pictures']:,} pictures of {len(facts['classes']):,} classes: {parts}.")
    console.print(f"Near-duplicates, kept on one side of the split: {facts['near_duplicates']:,}.")
    console.print(f"Data hash {done.manifest.data_hash}.")
    console.print(
        f"{printable(str(out))} is complete: {done.written:,} files written, {done.unchanged:,} unchanged, "
        f"{done.removed:,} removed."
    )
