"""Is the new model much worse anywhere? Lengths, scripts, sources and every old class.

Ten slices of 200 rows look two points worse somewhere in 88 % of nights in which nothing changed
(``benchmarks/gate.py``). So a slice refuses only when its loss is significant after Holm's
correction for all slices, and larger than what is tolerated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wenliu.metrics import confusion_matrix, gate
from wenliu.params import PromotionParams
from wenliu.pipelines.evaluation.slices import length_slices, source_slices
from wenliu.pipelines.promotion.checks import Check, Group
from wenliu.pipelines.promotion.contest import Answers, Contest
from wenliu.pipelines.promotion.quality import signed
from wenliu.text.script import script_of

Bools = NDArray[np.bool_]
#: Lost slices that the record names in words; the table has them all.
_NAMED = 3


def compare_slices(contest: Contest, params: PromotionParams) -> list[dict[str, Any]]:
    """Accuracy of both models in every slice of the compared gate rows.

    Returns:
        For each slice ``kind``, ``name``, ``rows``, ``champion`` and ``challenger`` (shares right;
        within a label that is its recall), ``fixed``, ``broken``, and where it has enough rows
        ``p``, after Holm's correction. A label that no gate row has stands there with 0 rows and
        without shares. Empty without a champion.
    """
    answers = contest.compared
    if answers.champion is None or not len(answers):
        return []
    right = answers.challenger == answers.gold
    was_right = answers.champion == answers.gold
    found: list[dict[str, Any]] = []
    for kind, name, rows in _slices(answers, contest.labels[: contest.old_labels]):
        flips = gate.flips(answers.gold[rows], answers.challenger[rows], answers.champion[rows])
        found.append(
            {
                "kind": kind,
                "name": name,
                "rows": int(rows.sum()),
                "champion": float(was_right[rows].mean()) if rows.any() else None,
                "challenger": float(right[rows].mean()) if rows.any() else None,
                "fixed": flips.fixed,
                "broken": flips.broken,
                "p": gate.worse_p(flips) if rows.sum() >= params.slice_rows else None,
            }
        )
    tested = [one for one in found if one["p"] is not None]
    for one, adjusted in zip(tested, gate.holm([one["p"] for one in tested]), strict=True):
        one["p"] = adjusted
    return found


def _slices(answers: Answers, labels: list[str]) -> Iterator[tuple[str, str, Bools]]:
    """Kind, name and rows of each slice; a kind with a single slice says nothing new.

    Args:
        answers: To gate rows of these labels.
        labels: Each is a slice, also one without rows.
    """
    lengths = np.array([len(text) for text in answers.text], dtype=np.int64)
    kinds = {
        "label": [labels[i] for i in answers.gold],
        "length": length_slices(lengths),
        "script": [script_of(text) for text in answers.text],
        "source": source_slices(np.array(answers.source, dtype=np.str_)),
    }
    for kind, names in kinds.items():
        of_row = np.array(names, dtype=np.str_)
        different = labels if kind == "label" else sorted(set(names))
        if len(different) > 1:
            for name in different:
                yield kind, name, of_row == name


def slices_group(slices: list[dict[str, Any]], contest: Contest, params: PromotionParams) -> Group:
    """One check over all slices, and one for each label that they cannot compare."""
    tested = [one for one in slices if one["p"] is not None]
    lost = [one for one in tested if _is_lost(one, params)]
    if not slices:
        words = "There is nothing to compare slices with."
    elif lost:
        worst = sorted(lost, key=lambda one: float(one["challenger"] - one["champion"]))
        named = "; ".join(_loss(one) for one in worst[:_NAMED])
        more = f"; and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
        words = f"Worse beyond chance: {named}{more}."
    else:
        words = (
            f"Slices with at least {params.slice_rows} rows: {len(tested)}. None lost more than "
            f"{100 * params.slice_tolerance:g} points beyond chance."
        )
    checks = [Check("no slice is lost", not lost, words, len(lost), 0)]
    compared = set(contest.compared.gold.tolist())
    alone = [name for label, name in enumerate(contest.labels) if label not in compared]
    if not len(contest.gate):  # the model could not be asked at all
        alone = []
    return Group("slices", [*checks, *(_label_alone(contest, name) for name in alone)])


def _loss(one: dict[str, Any]) -> str:
    # The reason is told outside, and files are named as people like; the table has their names.
    name = "a source" if one["kind"] == "source" else f"{one['kind']} {one['name']}"
    points = signed(one["challenger"] - one["champion"])
    return f"{name}, {points} points in {one['rows']:,} rows"


def _is_lost(one: dict[str, Any], params: PromotionParams) -> bool:
    drop = one["champion"] - one["challenger"]
    return bool(one["p"] < 1 - params.confidence and drop > params.slice_tolerance)


def _label_alone(contest: Contest, name: str) -> Check:
    """A label that the champion does not know, or no gate row has: what the model can is said."""
    label, n = contest.labels.index(name), len(contest.labels)
    gate_counts, fresh_counts = (
        confusion_matrix(answers.gold, answers.challenger, n)
        for answers in (contest.gate, contest.fresh)
    )
    counts = gate_counts + fresh_counts
    hits, rows, said = int(counts[label, label]), int(counts[label].sum()), counts[:, label].sum()
    kind = "new label" if name in contest.new_labels else "label"
    if rows:
        words = (
            f"The {kind} {name} is found in {hits:,} of its {rows:,} gate and fresh rows, and "
            f"{hits:,} of {said:,} answers with it are right."
        )
    else:
        words = f"The {kind} {name} has no gate rows, and no fresh ones: nothing judges it yet."
    return Check(f"{kind} {name}", True, words, hits / rows if rows else None, warned=not hits)
