"""Nights that were, without running them."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from wenliu.nights import Night, stamp

STOPPED = ("failed", "killed")
REASONS = {
    "promoted": "Macro-F1 rises by 0.4 points; the lower bound stays above the margin.",
    "refused": "The lower bound of the difference lies below the margin; 物流 falls by 4 points.",
    "unchanged": "There is nothing new: no model was trained.",
    "failed": "A file has a label that the problem does not know.",
    "killed": "The process ended without a word: it was killed, or the machine went down.",
}


def make_nights(n, problem="酒店评论", first=datetime(2026, 1, 1, 2, tzinfo=UTC), seed=0):
    """``n`` nights of a plausible year: the first promotes, some fail, sometimes none runs."""
    dice = random.Random(seed)
    nights, champion, serving, total, start = [], None, {}, 20_000, first
    for number in range(n):
        outcome = dice.choices(list(REASONS), [30, 45, 12, 8, 5])[0] if number else "promoted"
        kept = dice.randint(0, 1500) if outcome in ("promoted", "refused") else 0
        bad, twice, scores = dice.randint(0, 40), dice.randint(0, 90), {}
        if outcome in ("promoted", "refused"):
            total += kept
            for name, rows in (("gate", 2000), ("audit", 2000), ("fresh", 100 + 9 * number)):
                score = 0.93 - 0.07 / (1 + number / 30) + dice.gauss(0, 0.004)
                scores[name] = {"rows": rows, "challenger": {"macro_f1": score, "accuracy": score}}
                if name in serving:
                    scores[name]["champion"] = serving[name]
                if outcome == "promoted":
                    serving[name] = scores[name]["challenger"]
        champion = number + 1 if outcome == "promoted" else champion
        nights.append(
            Night(
                problem=problem,
                run_id=f"{start:%Y-%m-%dT%H.%M.%S.000Z}",
                started_at=stamp(start),
                finished_at=None if outcome == "killed" else stamp(start + timedelta(minutes=20)),
                seconds=None if outcome == "killed" else dice.uniform(200, 2400),
                status=outcome if outcome in STOPPED else "succeeded",
                outcome=outcome,
                reason=REASONS[outcome],
                champion=champion,
                scores=scores,
                rows={"rows_in": kept + bad + twice, "kept": kept, "quarantined": bad,
                      "duplicates": twice, "total": total},
            )
        )  # fmt: skip
        start += timedelta(days=4 if dice.random() < 0.03 else 1)
    return nights


@pytest.fixture(name="make_nights")
def make_nights_fixture():
    return make_nights
