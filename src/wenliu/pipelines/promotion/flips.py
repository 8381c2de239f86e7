"""Which examples the new model fixes, and which it breaks."""

from __future__ import annotations

from typing import Any

import numpy as np

from wenliu.pipelines.promotion.contest import Answers, Contest

#: Characters of a text in the record.
_CHARS = 160


def find_flips(contest: Contest, n: int) -> dict[str, Any]:
    """Gate rows that exactly one model gets right, the surest answers first.

    Args:
        contest: Both models' answers.
        n: Examples of each kind at most.

    Returns:
        ``fixed`` and ``broken`` (numbers of rows), ``otherwise_wrong`` (both wrong, in different
        ways) and the examples, ``shown_fixed`` and ``shown_broken``.
    """
    answers = contest.compared
    if answers.champion is None:
        return {}
    right, was_right = answers.challenger == answers.gold, answers.champion == answers.gold
    changed = answers.challenger != answers.champion
    fixed, broken = np.flatnonzero(right & ~was_right), np.flatnonzero(was_right & ~right)
    surest = np.argsort(-answers.challenger_probability, kind="stable")
    return {
        "fixed": int(fixed.size),
        "broken": int(broken.size),
        "otherwise_wrong": int((changed & ~right & ~was_right).sum()),
        **{
            f"shown_{name}": [
                _example(answers, contest.labels, i)
                for i in surest[np.isin(surest, rows)][:n].tolist()
            ]
            for name, rows in (("fixed", fixed), ("broken", broken))
        },
    }


def _example(answers: Answers, labels: list[str], i: int) -> dict[str, Any]:
    assert answers.champion is not None and answers.champion_probability is not None
    text = answers.text[i]
    return {
        "id": answers.id[i],
        "text": text if len(text) <= _CHARS else text[: _CHARS - 1] + "…",
        "gold": labels[answers.gold[i]],
        "champion": labels[answers.champion[i]],
        "champion_probability": float(answers.champion_probability[i]),
        "challenger": labels[answers.challenger[i]],
        "challenger_probability": float(answers.challenger_probability[i]),
    }
