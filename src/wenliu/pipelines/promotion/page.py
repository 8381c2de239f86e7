"""The decision as a page: yes or no first, then why, for whoever has to answer for the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wenliu.reporting.differences import differences
from wenliu.reporting.page import (
    Block,
    Section,
    figure,
    key_numbers,
    p_value,
    paragraph,
    percent,
    points,
    render_page,
    table,
)

_GROUPS = {
    "data": "Is the data sound?",
    "training": "Did training go well?",
    "infrastructure": "Can the model serve?",
    "quality": "Is it good enough?",
    "slices": "Did no part get worse?",
}
_SETS = {
    "gate": "gate (decides)",
    "audit": "audit (decides nothing)",
    "fresh": "fresh (came after freezing)",
}
_STRATEGIES = {
    "non_inferior": "It must not be worse than the champion by more than the margin.",
    "superior": "It must be better than the champion beyond chance.",
}
_OPEN_ROWS = 10


def decision_page(decision: Mapping[str, Any]) -> str:
    """One self-contained HTML page from the record ``decision``."""
    champion, challenger = decision["champion"], decision["challenger"]
    against = "without a champion"
    if champion:
        number = champion["version"]
        against = f"against version {number}" if number else "while the registry names no champion"
    subtitle = f"Version {challenger['version']} {against}"
    sections = [
        Section("The answer", _answer(decision)),
        Section("What was checked", _checks(decision)),
        Section("Side by side", _scores(decision)),
    ]
    if champion and not decision["unchanged"]:
        sections.append(Section("What changed", _changes(decision)))
    if decision["flips"]:
        sections.append(Section("Flipped answers", _flips(decision["flips"])))
    if decision["slices"]:
        sections.append(Section("Slices", _slices(decision["slices"])))
    title = "Promoted" if decision["decision"] == "promote" else "Not promoted"
    return render_page(f"{title}: the new model", subtitle, sections)


def _answer(decision: Mapping[str, Any]) -> list[Block]:
    gate = decision["gate"]
    yes = decision["decision"] == "promote"
    answer = "Yes, the new model serves from now on." if yes else "No, the champion stays."
    if not yes and decision["champion"] is None:
        answer = "No, the new model does not serve."
    blocks = [paragraph(answer, "verdict"), paragraph(decision["reason"])]
    numbers = [
        (
            "New model, macro-F1",
            percent(gate["challenger"]["macro_f1"]),
            f"on {gate['rows']:,} gate rows",
        )
    ]
    if gate["champion"] is None:
        accuracy = percent(gate["challenger"]["accuracy"])
        numbers.append(("New model, accuracy", accuracy, "on the same rows"))
    else:
        numbers.append(
            ("Champion, macro-F1", percent(gate["champion"]["macro_f1"]), "on the same rows")
        )
    if "delta" in gate:
        test = gate["mcnemar"]
        numbers += [
            (
                "Difference",
                points(gate["delta"]),
                f"points, above {points(gate['low'])} with "
                f"{percent(decision['confidence'], 0)} confidence",
            ),
            (
                "Answers that changed",
                f"{test['fixed'] + test['broken']:,}",
                f"{test['fixed']:,} fixed, {test['broken']:,} broken",
            ),
        ]
    blocks.append(key_numbers(numbers))
    blocks += _plot(decision)
    if power := gate.get("power"):
        blocks.append(paragraph(power["words"], "plain" if yes else "warning"))
    return blocks


def _plot(decision: Mapping[str, Any]) -> list[Block]:
    rows = {
        name: tuple(100 * decision[key][part] for part in ("delta", "low", "high"))
        for key, name in _SETS.items()
        if "delta" in decision[key]
    }
    if "delta" not in decision["gate"]:
        return []
    superior = decision["strategy"] == "superior"
    limit = 0.0 if superior else -100 * decision["gate"]["margin"]
    drawing = differences(
        rows,
        title="Macro-F1 of the new model minus that of the champion",
        x_label="points",
        limit=limit,
        limit_label="must lie to the right of this line",
    )
    caption = (
        "The dot is what was measured; the bar reaches from the lower to the upper bound. "
        f"{_STRATEGIES[decision['strategy']]} So the bar of the gate rows decides by its left end."
    )
    return [figure(drawing, caption)]


def _checks(decision: Mapping[str, Any]) -> list[Block]:
    """One table, so that the columns of all groups stand below each other."""
    rows = [
        (
            "" if number else f"{_GROUPS[group['name']]} {'Yes.' if group['passed'] else 'No.'}",
            _verdict(check),
            check["name"],
            check["words"],
        )
        for group in decision["groups"]
        for number, check in enumerate(group["checks"])
    ]
    return [table(["Question", "", "Check", "What was found"], rows)]


def _verdict(check: Mapping[str, Any]) -> str:
    if not check["passed"]:
        return "✗ no"
    return "! look" if check["warned"] else "✓ yes"


def _scores(decision: Mapping[str, Any]) -> list[Block]:
    rows: list[tuple[object, ...]] = []
    for key, name in _SETS.items():
        found = decision[key]
        if not found["rows"]:
            continue
        ours, theirs = found["challenger"], found["champion"]
        rows.append(
            (
                name,
                found["rows"],
                percent(ours["macro_f1"]),
                percent(theirs["macro_f1"]) if theirs else None,
                percent(ours["accuracy"]),
                percent(theirs["accuracy"]) if theirs else None,
                f"{points(found['delta'])} ({points(found['low'])} to {points(found['high'])})"
                if "delta" in found
                else None,
                p_value(found["mcnemar"]["p"]) if "delta" in found else None,
            )
        )
    return [
        table(
            ["Rows", "Count", "New, macro-F1", "Champion", "New, accuracy", "Champion",
             "Difference of macro-F1", "McNemar p"],
            rows,
        ),
        paragraph(
            "Models read the same raw texts, each through the bundle that would serve. Gate rows "
            "are looked at every night, so scores on them drift upwards by selection; audit rows "
            "decide nothing and stay honest. McNemar is printed for comparison and decides nothing."
        ),
    ]  # fmt: skip


def _changes(decision: Mapping[str, Any]) -> list[Block]:
    rows = [(one["what"], one["before"], one["after"]) for one in decision["changes"]]
    if not rows:
        return [paragraph("Data, labels, settings and versions are the champion's.")]
    return [table(["What", "Champion", "New model"], [(a, _text(b), _text(c)) for a, b, c in rows])]


def _text(value: object) -> str | None:
    return value if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _flips(flips: Mapping[str, Any]) -> list[Block]:
    blocks = [
        paragraph(
            f"{flips['fixed']:,} gate rows that the champion got wrong are right now, and "
            f"{flips['broken']:,} that it got right are wrong; {flips['otherwise_wrong']:,} are "
            "wrong in another way than before."
        )
    ]
    for name, words in (("broken", "Broken: right before, wrong now"), ("fixed", "Fixed")):
        shown = flips[f"shown_{name}"]
        if not shown:
            continue
        rows = [
            (
                one["text"], one["gold"],
                f"{one['champion']} ({percent(one['champion_probability'], 0)})",
                f"{one['challenger']} ({percent(one['challenger_probability'], 0)})",
                one["id"],
            )
            for one in shown
        ]  # fmt: skip
        caption = f"{words}; {len(shown)} of {flips[name]:,}, the surest first"
        columns = ["Text", "Gold", "Champion said", "New model says", "Row"]
        blocks.append(table(columns, rows[:_OPEN_ROWS], caption=caption))
        if rest := rows[_OPEN_ROWS:]:
            blocks.append(table(columns, rest, caption=f"{len(rest)} more", folded=True))
    return blocks


def _slices(slices: list[dict[str, Any]]) -> list[Block]:
    rows = [
        (
            one["kind"], one["name"], one["rows"], percent(one["champion"]),
            percent(one["challenger"]), points(one["challenger"] - one["champion"]),
            "too few rows" if one["p"] is None else p_value(one["p"]),
        )
        if one["rows"]
        else (one["kind"], one["name"], 0, None, None, None, "no gate rows")
        for one in slices
    ]  # fmt: skip
    return [
        table(
            ["By", "Slice", "Rows", "Champion right", "New model right", "Points", "p, corrected"],
            rows,
        ),
        paragraph(
            "Among many slices one looks bad by chance alone: p is how likely a loss like this is "
            "without any change, corrected for the number of slices. Within a label, the share "
            "right is its recall."
        ),
    ]
