"""Is the data what it should be, and enough to judge by?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wenliu.params import PromotionParams
from wenliu.pipelines.promotion.checks import Check, Group
from wenliu.pipelines.promotion.contest import Contest
from wenliu.pipelines.promotion.frozen_rows import FrozenRows


def data_group(
    contest: Contest,
    frozen_rows: FrozenRows,
    drift_report: Mapping[str, Any],
    params: PromotionParams,
) -> Group:
    """The group *data*.

    Args:
        contest: Both models' answers.
        frozen_rows: What became of the frozen texts.
        drift_report: The newest rows against the others.
        params: Limits.
    """
    learned, lost = frozen_rows
    return Group(
        "data",
        [
            Check(
                "frozen rows are unseen",
                learned == 0,
                "No row that the model learned from repeats a gate or audit row."
                if learned == 0
                else f"{learned:,} rows that the model learned from repeat a gate or audit row.",
                learned,
                0,
            ),
            Check(
                "frozen rows are there",
                True,
                "Every frozen text is still among the data."
                if lost == 0
                else f"{lost:,} frozen texts are no longer among the data: scores cannot be "
                "compared with those from before.",
                lost,
                0,
                warned=lost > 0,
            ),
            _labels_check(contest),
            _drift_check(drift_report),
            Check(
                "enough gate rows",
                len(contest.gate) >= params.min_gate_rows,
                f"{len(contest.gate):,} gate rows judge the models; it takes at least "
                f"{params.min_gate_rows:,}.",
                len(contest.gate),
                params.min_gate_rows,
            ),
        ],
    )


def _labels_check(contest: Contest) -> Check:
    name = "labels"
    known = contest.champion_labels
    if not known:
        return Check(name, True, f"The model knows {len(contest.labels)} labels.")
    if lost := [label for label in known if label not in contest.labels]:
        return Check(name, False, f"The champion knows labels that are gone: {', '.join(lost)}.")
    if contest.labels[: len(known)] != known:
        return Check(name, False, "The labels stand in another order than the champion's.")
    if added := contest.labels[len(known) :]:
        return Check(name, True, f"New since the champion: {', '.join(added)}.", warned=True)
    return Check(name, True, f"The same {len(known)} labels in the same order as the champion's.")


def _drift_check(report: Mapping[str, Any]) -> Check:
    verdict, rows = report["verdict"], report["new_rows"]
    said = [
        measure["words"]
        for measure in report["measures"].values()
        if measure["verdict"] in ("warn", "fail")
    ]
    if verdict == "none" and not rows:
        words = "There are no new rows to compare with the training data."
    elif verdict == "none":
        words = f"{rows:,} new rows are too few to compare with the training data."
    elif said:
        words = f"{rows:,} new rows differ from the training data: {' '.join(said)}"
    else:
        words = f"{rows:,} new rows look like the training data."
    return Check("drift", verdict != "fail", words, warned=verdict == "warn")
