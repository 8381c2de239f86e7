"""Is the new model good enough? Macro-F1 on the gate rows, against the champion and the best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wenliu.metrics import Interval, accuracy_of, confusion_matrix, gate, gold_macro_f1_of, mcnemar
from wenliu.params import PromotionParams
from wenliu.pipelines.promotion.checks import Check, Group
from wenliu.pipelines.promotion.contest import Answers, Contest, Ints

#: Below so many gate rows the record says how much a decision can see.
_ENOUGH_ROWS = 2000
#: Numbers of rows for which it says so.
_ASKED_ROWS = (2000, 10_000)


def score_set(
    answers: Answers, contest: Contest, params: PromotionParams, seed: int
) -> dict[str, Any]:
    """Scores of both models on one set of rows, and their difference.

    Returns:
        ``rows``, ``champion`` and ``challenger`` (``macro_f1`` and ``accuracy``; the champion may
        be None), and with a champion ``compared_rows`` (of labels that both know), ``delta``,
        ``low``, ``high`` (of macro-F1, one-sided bounds) and ``mcnemar``. All scores are shares,
        and macro-F1 is the mean over the labels that the rows have (``gold_macro_f1_of``).
    """
    scores = {
        "rows": len(answers),
        "champion": None
        if answers.champion is None
        else _scores(answers.gold, answers.champion, contest),
        "challenger": _scores(answers.gold, answers.challenger, contest),
    }
    compared = answers.only(answers.gold < contest.old_labels)
    if compared.champion is None or not len(compared):
        return scores
    difference = gate.compare(
        compared.gold,
        compared.challenger,
        compared.champion,
        len(contest.labels),
        confidence=params.confidence,
        resamples=params.bootstrap,
        seed=seed,
    )
    test = mcnemar(compared.gold, compared.challenger, compared.champion)
    return {
        **scores,
        "compared_rows": len(compared),
        "delta": difference.value,
        "low": difference.low,
        "high": difference.high,
        "mcnemar": {"fixed": test.only_first, "broken": test.only_second, "p": test.p},
    }


def _scores(gold: Ints, predicted: Ints, contest: Contest) -> dict[str, float]:
    counts = confusion_matrix(gold, predicted, len(contest.labels))
    return {
        "macro_f1": float(gold_macro_f1_of(counts)),
        "accuracy": float(accuracy_of(counts)),
    }


def score_gate(contest: Contest, params: PromotionParams, seed: int) -> dict[str, Any]:
    """What :func:`score_set` says of the gate rows, and what it is held against.

    Returns:
        Besides, ``rows_sha256`` (of the rows and their golds), and with a champion ``margin`` and
        ``power``.
    """
    facts = score_set(contest.gate, contest, params, seed)
    facts["rows_sha256"] = contest.gate.sha256
    if "delta" in facts:
        difference, rows = difference_of(facts), facts["compared_rows"]
        facts |= {"margin": gate.margin(rows), "power": power(difference, rows, params)}
    return facts


def difference_of(facts: Mapping[str, Any]) -> Interval:
    """The difference of a set of rows with its bounds, from the record."""
    return Interval(facts["delta"], facts["low"], facts["high"])


def power(difference: Interval, rows: int, params: PromotionParams) -> dict[str, Any] | None:
    """How often an equally good model would pass, where there are few rows; else None."""
    if params.strategy != "non_inferior" or rows >= _ENOUGH_ROWS:
        return None
    here = gate.pass_rate(difference, rows, rows, params.confidence)
    there = {n: gate.pass_rate(difference, rows, n, params.confidence) for n in _ASKED_ROWS}
    would = " and ".join(f"{n:,} rows in {rate:.0%}" for n, rate in there.items())
    words = (
        f"With {rows:,} gate rows, a model that is exactly as good as the champion, and differs "
        f"from it as much as this one, passes in {here:.0%} of nights; it would with {would}."
    )
    if difference.low < 0 <= difference.high:
        words += " So a refusal says little by itself."
    if difference.low == difference.high:
        words = "Both models get the same rows right, so the number of rows does not matter."
    rates = {str(n): rate for n, rate in there.items()}
    return {"rows": rows, "equal_passes": here, "at": rates, "words": words}


def quality_group(
    facts: Mapping[str, Any],
    contest: Contest,
    best: Mapping[str, Any] | None,
    params: PromotionParams,
    seed: int,
) -> Group:
    """The difference to the champion, or what a first model must show where there never was one."""
    checks = []
    if "delta" in facts:
        checks.append(_against_champion(facts, params))
    elif contest.champion_labels is None:
        checks.append(_above_chance(contest, params, seed))
    else:
        words = "There is a champion, and the new model could not be compared with it."
        checks.append(Check("against the champion", False, words))
    score = facts["challenger"]["macro_f1"]
    if params.min_macro_f1:
        checks.append(
            Check(
                "lowest macro-F1",
                score >= params.min_macro_f1,
                f"Macro-F1 is {score:.1%}; {params.min_macro_f1:.1%} are asked of every model.",
                score,
                params.min_macro_f1,
            )
        )
    if best is not None:
        checks.append(_against_best(score, facts["rows_sha256"], best, params))
    return Group("quality", checks)


def _against_champion(facts: Mapping[str, Any], params: PromotionParams) -> Check:
    difference = difference_of(facts)
    if params.strategy == "superior":
        passed, limit = gate.superior(difference), 0.0
    else:
        passed, limit = gate.non_inferior(difference, facts["compared_rows"]), -facts["margin"]
    words = (
        f"Macro-F1 is {signed(difference.value)} points against the champion, and with "
        f"{params.confidence:.0%} confidence above {signed(difference.low)}; it must be above "
        f"{signed(limit)}."
    )
    return Check("against the champion", passed, words, difference.low, limit)


def _above_chance(contest: Contest, params: PromotionParams, seed: int) -> Check:
    found = gate.above_chance(
        contest.gate.gold,
        contest.gate.challenger,
        len(contest.labels),
        confidence=params.confidence,
        resamples=params.bootstrap,
        seed=seed,
    )
    words = (
        "There is no champion to compare with. Mean recall is "
        f"{signed(found.value)} points against answering without reading, and with "
        f"{params.confidence:.0%} confidence above {signed(found.low)}."
    )
    return Check("better than chance", len(contest.gate) > 0 and found.low > 0, words, found.low, 0)


def _against_best(
    score: float, rows_sha256: str, best: Mapping[str, Any], params: PromotionParams
) -> Check:
    """By the point: of earlier models the registry keeps the score, not the answers.

    ``docs/decisions/016-gate.md`` says what that means when the best was lucky.
    """
    name, version = "against the best ever", best["version"]
    if best["gate_rows"] != rows_sha256:
        words = (
            f"Version {version}, the best ever promoted, was judged on other gate rows, so slow "
            "decay since then is not seen tonight."
        )
        return Check(name, True, words, warned=True)
    # Macro-F1 is a mean of ratios: without rounding, the very limit may come out below itself.
    limit = round(best["gate_macro_f1"] - params.best_tolerance, 12)
    words = (
        f"Macro-F1 is {score:.1%}; version {version}, the best ever promoted, had "
        f"{best['gate_macro_f1']:.1%} on the same rows; it must be above {limit:.1%}."
    )
    return Check(name, score > limit, words, score, limit)


def signed(share: float) -> str:
    """A difference in points, as it stands in sentences: ``−0.42``."""
    return f"{100 * share + 0.0:+.2f}".replace("-", "−").replace("+0.00", "0.00")
