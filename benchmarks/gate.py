"""What the gate would promote: nights simulated with the functions that decide.

    python -m benchmarks.gate

No machine is measured here but rules: how often each promotes a model whose true quality is known.
Rows are shares of nights, the spread is that of five lots of nights. The peers are the rules that
one would write first: "not worse on the gate rows", "no slice two points worse".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Comparison
from wenliu.metrics import Interval, gate

Ints = NDArray[np.int64]
Random = np.random.Generator

LOTS, NIGHTS = 5, 200
#: Share of rows that only one of two models gets right, and of those that the champion does.
CHURN, RIGHT = 0.05, 0.92
ROWS = (1000, 2000, 5000, 10_000)
DIFFERENCES = (-0.02, -0.01, -0.005, 0.0, 0.01)
#: Shares of ten labels, from a third of all rows to one in a hundred, for this many rows.
UNBALANCED = (0.33, 0.2, 0.14, 0.1, 0.07, 0.06, 0.04, 0.03, 0.02, 0.01)
UNBALANCED_ROWS = 5000
SLICES, SLICE_CHURN, SLICE_ROWS = 10, 0.08, (50, 100, 200, 500, 1000)
SLICE_TOLERANCE = 0.02
YEARS, YEAR_ROWS, YEAR_SPREAD = 20, 2000, 0.002
DECAY, DECAY_ROWS, DECAY_NIGHTS = 0.001, 20_000, 60
BEST_TOLERANCE = 0.01


class Night(NamedTuple):
    """Answers of one night, ``(rows,)`` each."""

    gold: Ints
    challenger: Ints
    champion: Ints


def simulate_night(
    random: Random,
    rows: int,
    difference: float,
    churn: float = CHURN,
    labels: Sequence[float] = (0.5, 0.5),
) -> Night:
    """A night whose challenger is truly better by ``difference`` (a share; less than 0: worse).

    Args:
        random: Draws the rows.
        rows: How many.
        difference: Of the accuracy within every label.
        churn: Share of rows that only one of the two gets right.
        labels: Their shares; a wrong answer is any other label.
    """
    fixed, broken = (churn + difference) / 2, (churn - difference) / 2
    kinds = random.multinomial(rows, [fixed, broken, RIGHT - broken, 1 - RIGHT - fixed])
    kind = np.repeat(np.arange(4), kinds)
    gold = random.choice(len(labels), rows, p=labels)
    wrong = (gold + random.integers(1, len(labels), rows)) % len(labels)
    return Night(
        gold,
        np.where(np.isin(kind, (0, 2)), gold, wrong),
        np.where(np.isin(kind, (1, 2)), gold, wrong),
    )


def compare(night: Night, seed: int, labels: int = 2) -> Interval:
    """As the gate compares."""
    return gate.compare(*night, labels, resamples=500, seed=seed)


def promotion_rates(result: Comparison) -> None:
    """Promoted nights by rule, number of rows and true difference."""
    for rows in ROWS:
        for difference in DIFFERENCES:
            lots: dict[str, list[float]] = {"non_inferior": [], "superior": [], ">=": []}
            for lot in range(LOTS):
                random = np.random.default_rng((rows, lot, int(1e4 * (difference + 1))))
                passed = dict.fromkeys(lots, 0)
                for number in range(NIGHTS):
                    night = simulate_night(random, rows, difference)
                    found = compare(night, number)
                    flips = gate.flips(*night)
                    passed["non_inferior"] += gate.non_inferior(found, rows)
                    passed["superior"] += gate.superior(found)
                    passed[">="] += flips.fixed >= flips.broken
                for rule, count in passed.items():
                    lots[rule].append(100 * count / NIGHTS)
            for rule, shares in lots.items():
                where = f"{rows:,} rows, {100 * difference:+.1f} points"
                result.add(f"{rule}@{where}", shares, "% promoted")


def unbalanced_labels(result: Comparison) -> None:
    """Ten labels, the rarest with fifty rows: macro-F1 swings more, so the gate is stricter."""
    rows, labels = UNBALANCED_ROWS, len(UNBALANCED)
    for difference in (-0.02, 0.0):
        shares: list[float] = []
        for lot in range(LOTS):
            random = np.random.default_rng((rows, lot, int(1e4 * (difference + 1)), labels))
            passed = 0
            for number in range(NIGHTS):
                night = simulate_night(random, rows, difference, labels=UNBALANCED)
                passed += gate.non_inferior(compare(night, number, labels), rows)
            shares.append(100 * passed / NIGHTS)
        where = f"{rows:,} rows, {labels} unbalanced labels, {100 * difference:+.1f} points"
        result.add(f"non_inferior@{where}", shares, "% promoted")


def equal_models(result: Comparison) -> None:
    """An equally good model at a churn of 10 %: a margin of one point always, and ours."""
    margins: dict[str, Callable[[int], float]] = {
        "one point always": lambda rows: 0.01,
        "our margin": gate.margin,
    }
    for rows in (1000, 2000, 10_000):
        lots: dict[str, list[float]] = {name: [] for name in margins}
        for lot in range(LOTS):
            random = np.random.default_rng((rows, lot))
            lows = np.array(
                [compare(simulate_night(random, rows, 0.0, 0.1), i).low for i in range(NIGHTS)]
            )
            for name, margin in margins.items():
                lots[name].append(100 * float((lows > -margin(rows)).mean()))
        for name, shares in lots.items():
            result.add(f"{name}@equal models, churn 10 %, {rows:,} rows", shares, "% promoted")


def slice_alarms(result: Comparison) -> None:
    """Nights in which one of ten slices looks lost although nothing changed, or one truly is."""
    for rows in SLICE_ROWS:
        for lost in (0.0, 0.08):
            raw: list[float] = []
            ours: list[float] = []
            for lot in range(LOTS):
                random = np.random.default_rng((rows, lot, int(100 * lost)))
                nights = [_slices(random, rows, lost) for _ in range(NIGHTS)]
                raw.append(100 * float(np.mean([_two_points_worse(n, rows) for n in nights])))
                ours.append(100 * float(np.mean([_lost(n, rows) for n in nights])))
            where = f"10 slices of {rows:,} rows, " + (
                f"one lost {100 * lost:g} points" if lost else "nothing changed"
            )
            result.add(f"any slice 2 points worse@{where}", raw, "% alarms")
            result.add(f"Holm@{where}", ours, "% alarms")


def _slices(random: Random, rows: int, lost: float) -> list[gate.Flips]:
    half = SLICE_CHURN / 2
    broken = np.full(SLICES, half)
    broken[0] += lost
    counts = [random.multinomial(rows, [half, b, 1 - half - b]) for b in broken]
    return [gate.Flips(int(fixed), int(broke)) for fixed, broke, _ in counts]


def _two_points_worse(slices: list[gate.Flips], rows: int) -> bool:
    return any(one.broken - one.fixed >= SLICE_TOLERANCE * rows for one in slices)


def _lost(slices: list[gate.Flips], rows: int) -> bool:
    """As the slices group refuses: significant after Holm's correction, and large."""
    adjusted = gate.holm([gate.worse_p(one) for one in slices])
    return any(
        p < 0.05 and one.broken - one.fixed > SLICE_TOLERANCE * rows
        for one, p in zip(slices, adjusted, strict=True)
    )


def long_runs(result: Comparison) -> None:
    """A year of equal recipes on one frozen set, and sixty nights of slow decay."""
    rules = {
        ">=": lambda found, rows, score, best: found.value >= 0,
        "non_inferior, no best": lambda found, rows, score, best: gate.non_inferior(found, rows),
        "non_inferior": lambda found, rows, score, best: (
            gate.non_inferior(found, rows) and score > best - BEST_TOLERANCE
        ),
        "superior": lambda found, rows, score, best: gate.superior(found),
    }
    for name, rule in rules.items():
        seen: list[float] = []
        promoted: list[float] = []
        lost: list[float] = []
        for year in range(YEARS):
            random = np.random.default_rng(year)
            qualities = RIGHT + random.normal(0, YEAR_SPREAD, 365)
            champion = list(_champions(random, rule, YEAR_ROWS, qualities))[-1]
            seen.append(100 * (champion.score - champion.quality))
            promoted.append(float(champion.promotions))
            falling = RIGHT - DECAY * np.arange(DECAY_NIGHTS)
            last = list(_champions(random, rule, DECAY_ROWS, falling))[-1]
            lost.append(100 * (RIGHT - last.quality))
        result.add(f"{name}@a year on 2,000 rows: too good by", seen, "points")
        result.add(f"{name}@a year on 2,000 rows: promotions", promoted, "nights")
        result.add(f"{name}@60 nights on 20,000 rows, each 0.1 point worse: lost", lost, "points")


class Champion(NamedTuple):
    """Who reigns after a night: true accuracy, accuracy on the gate rows, promotions so far."""

    quality: float
    score: float
    promotions: int


def _champions(
    random: Random,
    rule: Callable[[Interval, int, float, float], bool],
    rows: int,
    qualities: NDArray[np.float64],
) -> Iterator[Champion]:
    """The champion after each night, all judged on the same rows.

    A tenth of the rows waver: each model gets them right or wrong by itself, so that two models
    differ in 5 % of all rows. The others are what every model gets right, or wrong.
    """
    gold = random.integers(0, 2, rows)
    wavering = int(2 * CHURN * rows)
    sure = int((RIGHT - CHURN) * rows)
    right = np.arange(rows) < sure

    def answers(quality: float) -> Ints:
        share = (quality - sure / rows) * rows / wavering
        hits = right.copy()
        hits[sure : sure + wavering] = random.random(wavering) < share
        return np.where(hits, gold, 1 - gold)

    reigning = answers(qualities[0])
    champion = Champion(float(qualities[0]), float((reigning == gold).mean()), 0)
    best = champion.score
    for number, quality in enumerate(qualities[1:]):
        challenger = answers(quality)
        score = float((challenger == gold).mean())
        found = gate.compare(gold, challenger, reigning, 2, resamples=200, seed=number)
        if rule(found, rows, score, best):
            reigning, best = challenger, max(best, score)
            champion = Champion(float(quality), score, champion.promotions + 1)
        yield champion


def main() -> None:
    """Simulates all and writes the result."""
    result = Comparison(
        "gate",
        f"simulated nights, {LOTS} lots of {NIGHTS}; two models differ in {CHURN:.0%} of the "
        "rows; two labels of equal shares where nothing else is said",
        ("numpy",),
    )
    promotion_rates(result)
    unbalanced_labels(result)
    equal_models(result)
    slice_alarms(result)
    long_runs(result)
    result.notes += [
        "Rows are promoted nights (or alarms) by rule, number of gate rows and true difference of "
        "accuracy; least and most are those of the lots, for long runs those of "
        f"{YEARS} years.",
        "A year: every night a model of the same recipe (true accuracy 92 ± 0.2 %) against the "
        "champion on the same 2,000 rows; too good by: measured less true accuracy of the champion "
        "at the end. Audit rows decide nothing, so theirs is 0.",
    ]
    result.finish()


if __name__ == "__main__":
    main()
