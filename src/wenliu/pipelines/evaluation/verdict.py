"""What the numbers say, in sentences that a person can repeat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wenliu.params import EvaluationParams
from wenliu.reporting.page import points

BASELINE_NAMES = {
    "character": "logistic regression over character 1–3-grams",
    "word": "logistic regression over words",
}
#: A perfectly calibrated model exceeds an error of 0.05 in most small samples, hardly ever here.
_CALIBRATION_ROWS, _CALIBRATION_ERROR = 1000, 0.05
#: Share of leaking rows from which on a reader should look.
_LEAK_SHARE = 0.01
#: Below it the interval of an accuracy of 90 % is wider than twelve points.
_FEW_ROWS = 100


def judge(
    scores: Mapping[str, Any],
    baseline_report: Mapping[str, Any],
    checkpoint_profile: Mapping[str, Any],
    params: EvaluationParams,
) -> dict[str, Any]:
    """Whether the model beats the baseline, and what to bear in mind.

    Returns:
        ``better`` (``yes``, ``no``: worse, ``unclear``: the interval of the difference contains
        0), ``sentence``, ``notes`` and ``warnings`` (lists of sentences).
    """
    judged_on = scores["judged_on"]
    # With leaks in the exam, the rows that nobody has seen decide.
    name = f"{judged_on}_leak_free"
    clean = scores["sets"].get(name)
    official = scores["sets"][judged_on]
    scored = clean if clean and clean["rows"] >= official["rows"] / 2 else official
    better, comparison = _compare(scored["difference"], params.confidence)
    name_of_baseline = BASELINE_NAMES[baseline_report["kind"]]
    which = f"{judged_on} rows" if scored is official else f"leak-free {judged_on} rows"
    model, baseline = scored["model"]["macro_f1"], scored["baseline"]["macro_f1"]
    sentence = (
        f"On {scored['rows']:,} {which} the model {comparison} It reaches a macro-F1 of "
        f"{100 * model:.1f} %, the baseline ({name_of_baseline}) {100 * baseline:.1f} %."
    )
    return {
        "better": better,
        "sentence": sentence,
        "judged_on": judged_on if scored is official else name,
        "notes": _notes(checkpoint_profile),
        "warnings": _warnings(scores, better),
    }


def _compare(difference: Mapping[str, float], confidence: float) -> tuple[str, str]:
    value, low, high = difference["macro_f1"], difference["low"], difference["high"]
    interval = f"{100 * confidence:g} % interval {points(low)} to {points(high)}"
    by = f"by {abs(100 * value):.1f} points of macro-F1 ({interval})."
    if low > 0:
        return "yes", f"is better than the baseline {by}"
    if high < 0:
        return "no", f"is worse than the baseline {by}"
    return "unclear", (
        "is not shown to be better than the baseline: the difference of macro-F1 is "
        f"{points(value)} points ({interval})."
    )


def _notes(profile: Mapping[str, Any]) -> list[str]:
    if profile.get("source") != "scratch":
        return []
    return [
        "The model was trained from random weights (model.checkpoint: scratch): all it has ever "
        "read is this training data. Such a small model shows that the pipeline works, not what "
        "BERT can do; a pretrained checkpoint is set with model.checkpoint."
    ]


def _warnings(scores: Mapping[str, Any], better: str) -> list[str]:
    warnings = []
    judged_on = scores["judged_on"]
    official = scores["sets"][judged_on]
    if judged_on != "test":
        warnings.append(
            "There is no test split: the scores are of validation rows, which also chose the "
            "checkpoint, the temperature and the baseline, so they flatter."
        )
    if official["rows"] < _FEW_ROWS:
        warnings.append(
            f"Only {official['rows']} {judged_on} rows: no score here is sure to within several "
            "points."
        )
    if better == "no":
        warnings.append("The baseline beats the model: use the baseline or a better checkpoint.")
    clean = scores["sets"].get(f"{judged_on}_leak_free")
    leaking = official["rows"] - (clean["rows"] if clean else 0)
    if leaking > _LEAK_SHARE * official["rows"]:
        warnings.append(
            f"{leaking:,} of {official['rows']:,} {judged_on} rows have a twin in training as "
            "given; compare the leak-free scores."
        )
    error = official["calibration"]["ece_after"]
    if official["rows"] >= _CALIBRATION_ROWS and error > _CALIBRATION_ERROR:
        warnings.append(f"The calibration error is {error:.3f} after temperature scaling.")
    return warnings
