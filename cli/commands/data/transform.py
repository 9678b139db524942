"""Make the folder that training and SageMaker read.

SOURCE is a folder with a folder of pictures per class, or CIFAR-100's binary archive. Every picture goes through the
image gate. The folder gets JPEGs of the model's size, lists for SageMaker's built-in algorithm, and a manifest. A
second run writes only what changed.
"""

from pathlib import Path
from typing import Annotated, Final

from cli.display import notes, on_interrupt, printable, tell
from cli.options import AsJson, argument, flag, option
from training.data.transform import transform
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
    facts, refused = done.manifest.facts, done.manifest.refused
    parts = {name: sum(counts.values()) for name, counts in facts["parts"].items()}
    if not as_json:
        for item in refused[:REFUSED_SHOWN]:
            notes().print(f"Refused: {printable(item.file)}: {item.reason}")
        if len(refused) > REFUSED_SHOWN:
            notes().print(f"Refused: {len(refused) - REFUSED_SHOWN:,} more; the manifest lists them.")
    told = ", ".join(f"{count:,} {name}" for name, count in parts.items())
    return tell(
        as_json,
        {
            "folder": str(out),
            "data_hash": done.manifest.data_hash,
            "version": done.manifest.version,
            "pictures": facts["pictures"],
            "parts": parts,
            "near_duplicates": facts["near_duplicates"],
            "refused": [{"file": each.file, "reason": each.reason} for each in refused],
            "written": done.written,
            "unchanged": done.unchanged,
            "removed": done.removed,
            "builtin": facts["builtin"],
        },
        f"{facts['pictures']:,} pictures of {len(facts['classes']):,} classes: {told}.",
        f"Near-duplicates, kept on one side of the split: {facts['near_duplicates']:,}.",
        f"Data hash {done.manifest.data_hash}.",
        f"{out} is complete: {done.written:,} files written, {done.unchanged:,} unchanged, {done.removed:,} removed.",
    )
