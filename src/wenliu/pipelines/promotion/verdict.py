"""Yes or no, in one sentence, and what has changed since the champion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wenliu.pipelines.promotion.checks import Group
from wenliu.pipelines.promotion.contest import Contest
from wenliu.pipelines.promotion.quality import signed

#: Named in the reason; the page has them all.
_NAMED = 2
#: What stands before the names of the facts of a kind.
_NAMED_FACTS = (
    ("rows of", "rows"),
    ("checkpoint", "checkpoint"),
    ("training:", "training"),
    ("version of", "versions"),
)


def describe_models(
    self_tests: Mapping[str, Any],
    registered_model: Mapping[str, Any],
    reigning_champion: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What the record keeps of challenger and champion (None where there is none).

    Who the champion is, the registry knows, also when its bundle does not pass the self test.
    """
    challenger = _described(self_tests["challenger"], registered_model["version"])
    if self_tests["champion"] is None:
        return challenger, None
    champion = _described(self_tests["champion"], reigning_champion["version"])
    known = {key: reigning_champion[key] for key in ("sha256", "labels")}
    return challenger, {**champion, **known}


def _described(tested: Mapping[str, Any], version: int | None) -> dict[str, Any]:
    kept = ("sha256", "labels", "bytes", "engine", "precision", "milliseconds_per_text", "facts")
    return {"version": version, **{key: tested.get(key) for key in kept}}


def give_reason(
    groups: Sequence[Group],
    facts: Mapping[str, Any],
    challenger: Mapping[str, Any],
    champion: Mapping[str, Any] | None,
) -> str:
    """Why, in plain sentences that name no text of any row and no file; they are told outside."""
    if is_unchanged(challenger, champion):
        return "The new model has the champion's content, so there is nothing to promote."
    failed = [
        check for group in groups if not group.passed for check in group.checks if not check.passed
    ]
    if failed:
        named = " ".join(check.words for check in failed[:_NAMED])
        more = f" {len(failed) - _NAMED} more checks failed." if len(failed) > _NAMED else ""
        return f"{named}{more}"
    score = f"Macro-F1 on {facts['rows']:,} gate rows is {facts['challenger']['macro_f1']:.1%}"
    if "delta" not in facts:
        return f"{score}, and every check passed; there is no champion to compare with."
    return f"{score}, {signed(facts['delta'])} points against the champion, and every check passed."


def is_unchanged(challenger: Mapping[str, Any], champion: Mapping[str, Any] | None) -> bool:
    """Whether both are the same model to the byte; of a lost one nobody knows."""
    known = champion and champion["sha256"]
    return known is not None and challenger["sha256"] == known


def list_changes(
    contest: Contest,
    challenger: Mapping[str, Any],
    champion: Mapping[str, Any] | None,
    drift_report: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """What is different from the champion: ``what``, ``before`` and ``after``."""
    if champion is None:
        return []
    before, after = champion.get("facts") or {}, challenger.get("facts") or {}
    changes = [
        {"what": what, "before": before.get(key), "after": after.get(key)}
        for what, key in (
            ("longest text, in tokens", "max_length"),
            ("where long texts are cut", "truncation"),
        )
    ]
    for what, key in _NAMED_FACTS:
        old, new = before.get(key) or {}, after.get(key) or {}
        changes += [
            {"what": f"{what} {name}", "before": old.get(name), "after": new.get(name)}
            for name in {**old, **new}
        ]
    changes.append(
        {
            "what": "labels",
            "before": ", ".join(contest.champion_labels or []) or None,
            "after": ", ".join(contest.labels),
        }
    )
    changed = [one for one in changes if one["before"] != one["after"]]
    if new_rows := drift_report["new_rows"]:
        changed.insert(0, {"what": "rows that came in last", "before": None, "after": new_rows})
    return changed
