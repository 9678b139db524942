"""Champion against challenger on the same pictures: a paired test, not two accuracies.

    python -m training.compare --champion FILE --challenger FILE --data DIR --held-out DIR --threshold T --out FILE

Each picture costs what the answer to it costs: nothing where it passes and is right, a look by a person where it does
not pass, ten looks where a rider is sent the wrong way. The challenger is accepted if it costs less on reviewed
pictures that neither model learnt from, and if nothing says that it costs more on the base data's validation part.
Both are measured at the threshold that is deployed, so what is compared is what would run.

Reviewed pictures are no fair sample of the traffic: of the answers that were sure only a share was put up for review.
Those therefore stand for as many as were not (1 / share); whether an answer was sure is asked of the champion, which
gave it, or follows the model that did. Pictures that somebody asked about, mostly because they went wrong, are not
among the held-out ones at all.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy import stats

from training.artefact import Model, load_model
from training.comparison import (
    ACCEPTED,
    NOT_BETTER,
    SIGNIFICANCE,
    TOO_FEW,
    WORSE_ON_BASE,
    Comparison,
    Contestant,
    Paired,
    Rule,
)
from training.data.extract import extract
from training.data.pictures import LabelledImages
from training.data.reviewed import read_reviewed
from training.data.split import split
from training.evaluation import by_model
from training.evaluation.costs import VEHICLE_SHARE, each_cost
from training.evaluation.plain import plain
from training.evaluation.scores import Judged, Numbers, figures, judge
from vehiclevision.refusal import Refusal

RESAMPLINGS: Final = 9_999
SEED: Final = 20_261_121
REFUSED: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, write the result and print its figures as metrics; 0 whatever came of it, 2 if nothing could."""
    options = parser().parse_args(sys.argv[1:] if arguments is None else arguments)
    rule = Rule(options.threshold, options.wrong_cost, options.review_cost, options.sure_share, options.least)
    try:
        champion, challenger = load_model(options.champion), load_model(options.challenger)
        base = extract(options.data)
        base = base.part(split(base).validation)
        reviewed = read_reviewed(options.held_out)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return REFUSED
    comparison = compare(champion, challenger, base, reviewed, rule)
    artefact_sha256 = hashlib.sha256(options.challenger.read_bytes()).hexdigest()
    comparison = replace(comparison, challenger=replace(comparison.challenger, artefact_sha256=artefact_sha256))
    options.out.write_text(json.dumps(comparison.as_json(), indent=1) + "\n")
    for name, value in comparison.metrics().items():
        print(f"comparison:{name}={value:.6g}", flush=True)
    print(comparison.words, flush=True)
    return 0


def compare(
    champion: Model, challenger: Model, base: LabelledImages, reviewed: LabelledImages, rule: Rule
) -> Comparison:
    """Everything about the two: whether the challenger is accepted, why, and all figures."""
    sets = {"reviewed": reviewed, "base": base}
    models = {"champion": champion, "challenger": challenger}
    answers = {
        name: {role: by_model.answers(model, images.files) for role, model in models.items()}
        for name, images in sets.items()
    }
    judged = {
        name: (judge(answers[name]["champion"], images.classes), judge(answers[name]["challenger"], images.classes))
        for name, images in sets.items()
    }
    on_reviewed = paired(*judged["reviewed"], review_weights(judged["reviewed"][0], rule), rule)
    on_base = paired(*judged["base"], balanced_weights(judged["base"][0]), rule)
    reason = verdict(on_reviewed, on_base, rule)
    return Comparison(
        reason=reason,
        words=words(reason, on_reviewed, on_base, rule),
        rule=rule,
        champion=contestant(champion),
        challenger=contestant(challenger),
        reviewed=on_reviewed,
        base=on_base,
        figures={
            name: {role: plain(figures(given, images.classes, rule.threshold)) for role, given in answers[name].items()}
            for name, images in sets.items()
        },
    )


def verdict(reviewed: Paired, base: Paired, rule: Rule) -> str:
    """Better on what uploads look like now, and not shown to be worse on what they looked like before."""
    if reviewed.n < rule.least:
        return TOO_FEW
    if reviewed.p_better >= SIGNIFICANCE:
        return NOT_BETTER
    return WORSE_ON_BASE if base.p_worse < SIGNIFICANCE else ACCEPTED


def words(reason: str, reviewed: Paired, base: Paired, rule: Rule) -> str:
    """The verdict and its figures, for a person."""
    if reason == TOO_FEW:
        return f"Not decided: {reviewed.n} held-out reviewed pictures are too few, {rule.least} are needed."
    said = {
        ACCEPTED: "The new model is better.",
        NOT_BETTER: "The new model is not shown to be better.",
        WORSE_ON_BASE: "The new model is better on reviewed pictures and worse on the base data.",
    }[reason]
    return (
        f"{said} On {reviewed.n} held-out reviewed pictures it costs {reviewed.challenger:.3f} each instead of "
        f"{reviewed.champion:.3f} ({reviewed.difference:+.3f}, 95 % {reviewed.low:+.3f} to {reviewed.high:+.3f}, "
        f"p = {reviewed.p_better:.2g}): {reviewed.handled_better} are handled better, {reviewed.handled_worse} worse. "
        f"On {base.n} of the base data {base.challenger:.3f} instead of {base.champion:.3f} "
        f"(p = {base.p_worse:.2g} for worse)."
    )


# ---- one set of pictures ---------------------------------------------------------------------------------------------


def paired(champion: Judged, challenger: Judged, weights: Numbers, rule: Rule) -> Paired:
    """Both models on the same pictures: signs of the differences in cost are flipped, as if it did not matter which
    model gave which answer; and, of the pictures that only one handled rightly, how many each did (McNemar, exact)."""
    before, after = costs(champion, rule), costs(challenger, rule)
    difference = weights * (after - before)
    right_before, right_after = before == 0, after == 0
    better, worse = int((right_after & ~right_before).sum()), int((right_before & ~right_after).sum())
    low, high = interval(difference)
    return Paired(
        n=len(before),
        champion=_rounded((weights * before).mean()),
        challenger=_rounded((weights * after).mean()),
        difference=_rounded(difference.mean()),
        low=_rounded(low),
        high=_rounded(high),
        p_better=flipped(difference, "less"),
        p_worse=flipped(difference, "greater"),
        handled_better=better,
        handled_worse=worse,
        p_mcnemar=_p(stats.binomtest(better, better + worse, 0.5, "greater").pvalue) if better + worse else 1.0,
    )


def costs(judged: Judged, rule: Rule) -> Numbers:
    """What each answer costs at the threshold; a picture of no vehicle that passes sends a rider nowhere."""
    return each_cost(judged, rule.threshold, rule.wrong_cost, rule.review_cost)


def review_weights(champion: Judged, rule: Rule) -> Numbers:
    """A sure answer stands for all those that were not put up for review; mean 1."""
    weights: Numbers = np.where(champion.passed(rule.threshold), 1 / rule.sure_share, 1.0)
    weights /= weights.mean()
    return weights


def balanced_weights(judged: Judged) -> Numbers:
    """Vehicles and others weigh as much as their assumed share of the uploads, however many the data holds; mean 1."""
    vehicle = judged.vehicle
    share = float(vehicle.mean())
    if share in (0.0, 1.0):
        return np.ones(len(vehicle))
    weights: Numbers = np.where(vehicle, VEHICLE_SHARE / share, (1 - VEHICLE_SHARE) / (1 - share))
    return weights


def flipped(difference: Numbers, alternative: str) -> float:
    """How often random signs give so low (or high) a sum; pictures without a difference say nothing either way."""
    told = difference[difference != 0]
    if not len(told):
        return 1.0
    if len(told) == 1:
        # scipy wants two; a picture without a difference changes no sum.
        told = np.append(told, 0.0)
    # With so few that all signs can be tried, scipy tries them all.
    drawn = stats.permutation_test(
        (told,), np.sum, permutation_type="samples", alternative=alternative, n_resamples=RESAMPLINGS, batch=500,
        vectorized=True, rng=np.random.default_rng(SEED),
    )  # fmt: skip
    return _p(drawn.pvalue)


def interval(difference: Numbers) -> tuple[float, float]:
    """95 % of the means of as many pictures drawn again."""
    if len(difference) < 2 or bool((difference == difference[0]).all()):
        mean = float(difference.mean())
        return mean, mean
    drawn = stats.bootstrap(
        (difference,), np.mean, n_resamples=2_000, batch=100, method="percentile", vectorized=True,
        rng=np.random.default_rng(SEED),
    ).confidence_interval  # fmt: skip
    return float(drawn.low), float(drawn.high)


def contestant(model: Model) -> Contestant:
    """What a comparison says of a model."""
    given = model.manifest.fields
    return Contestant(
        version=model.manifest.version,
        sha256=model.manifest.sha256,
        threshold=model.manifest.threshold,
        cheapest_threshold=(given.get("costs") or {}).get("threshold", model.manifest.threshold),
        data_hash=given.get("data_hash", ""),
        metrics=given.get("metrics", {}),
    )


def _rounded(value: Any) -> float:
    return round(float(value), 6)


def _p(value: Any) -> float:
    """Enough digits for what decides."""
    return float(f"{min(1.0, float(value)):.4g}")


def parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    parsed = argparse.ArgumentParser(description="Champion against challenger on the same pictures.")
    for name in ("--champion", "--challenger", "--data", "--held-out", "--out"):
        parsed.add_argument(name, type=Path, required=True)
    parsed.add_argument("--threshold", type=float, required=True, help="the deployed confidence threshold")
    parsed.add_argument("--wrong-cost", type=float, default=Rule.wrong_cost, help="what a wrong route costs")
    parsed.add_argument("--review-cost", type=float, default=Rule.review_cost, help="what a look by a person costs")
    parsed.add_argument("--sure-share", type=float, default=1.0, help="the share of sure answers that is reviewed")
    parsed.add_argument("--least", type=int, default=Rule.least, help="so many held-out reviewed pictures are needed")
    return parsed


if __name__ == "__main__":
    sys.exit(main())
