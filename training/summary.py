"""What a training run came to, for a person: how good the model is, where it lies, and what its threshold rests on."""

from pathlib import Path
from typing import Final

from training.artefact import Artefact

# What each share is called, and of how many pictures it is one.
SHARES: Final = (
    ("named rightly", "accuracy", "n"),
    ("sure enough to pass", "coverage", "n"),
    ("of these, right", "accuracy_covered", "covered_n"),
    ("others that pass", "neither_passed", "neither_n"),
)


def summary(artefact: Artefact, out: Path) -> list[str]:
    """Lines of at most a screen's width, but for the folder's name."""
    manifest = artefact.manifest
    champion = manifest.get("champion")
    held_out = f"held out: new to its head, perhaps not to {champion}" if champion else "held out, and so new to it"
    lines = [f"Model {artefact.version} is in {out / 'model.tar.gz'}", f"All its figures are in {out / 'run.json'}"]
    if seeds := manifest.get("seeds"):
        lines.append(f"It is the average of seeds {', '.join(map(str, seeds))}, whose own models lie beside it")
    for name, figures in manifest["metrics"].items():
        which = held_out if name == "validation" else name.replace("validation ", "those of ", 1)
        lines.append(f"{figures['n']:,} vehicles and {figures['neither_n']:,} other pictures, {which}:")
        for words, share, of in SHARES:
            if figures[share] is not None:
                count = f"{figures[f'{share}_count']:,} of {figures[of]:,}"
                percent, low, high = (100 * figures[f"{share}{edge}"] for edge in ("", "_low", "_high"))
                lines.append(f"  {words:<20} {count:<16} {percent:5.1f} %  ({low:.1f} to {high:.1f})")
    costs = manifest["costs"]
    lines += [
        f"Sure enough is {manifest['threshold']:g} and above. Where a wrong route costs {costs['wrong_route']:g} and",
        f"a look by a person {costs['review']:g}, {costs['threshold']:g} costs least.",
    ]
    return lines
