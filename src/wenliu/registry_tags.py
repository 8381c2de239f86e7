"""What the registry writes onto versions and their model: who reigned, and what must not again.

Tags of a version go with it. What blocks content stands on the model, so it outlives versions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wenliu import clock
from wenliu.model_store import ModelStore, Version

#: Tags of a version.
GATE_SCORE, GATE_ROWS = "wenliu.gate_macro_f1", "wenliu.gate_rows"
PROMOTED, ROLLED_BACK, REASON = "wenliu.promoted_at", "wenliu.rolled_back", "wenliu.reason"
#: Tags of the model: content that was rolled back, and why.
_BLOCKED = "wenliu.blocked."
#: MLflow refuses longer values.
_LONGEST = 5000


def mark_promoted(store: ModelStore, version: Version, reason: str) -> None:
    """Notes that a version is the champion from now on."""
    promoted = clock.now().isoformat(timespec="microseconds")
    store.tag(version.number, {PROMOTED: promoted, REASON: reason[:_LONGEST]})


def promoted(versions: Iterable[Version]) -> list[Version]:
    """Versions that were champions and not rolled back, the one promoted last first."""
    good = (one for one in versions if PROMOTED in one.tags and ROLLED_BACK not in one.tags)
    return sorted(good, key=lambda one: (one.tags[PROMOTED], one.number), reverse=True)


def best_of(versions: Iterable[Version], rows: str | None = None) -> dict[str, Any] | None:
    """The best score of all versions that were promoted and not rolled back.

    Args:
        versions: All of a model.
        rows: Hash of the gate's rows: scores on others cannot be compared. None: the rows of the
            newest promotion.

    Returns:
        ``version``, ``gate_macro_f1`` and ``gate_rows``; None: the gate has promoted none.
    """
    scored = [one for one in promoted(versions) if {GATE_SCORE, GATE_ROWS} <= one.tags.keys()]
    if rows is None and scored:
        rows = scored[0].tags[GATE_ROWS]
    scored = [one for one in scored if one.tags[GATE_ROWS] == rows]
    if not scored:
        return None
    best = max(scored, key=lambda one: float(one.tags[GATE_SCORE]))
    score = float(best.tags[GATE_SCORE])
    return {"version": best.number, "gate_macro_f1": score, "gate_rows": rows}


def blocked(store: ModelStore) -> dict[str, str]:
    """What is not promoted by itself again: sha256 of a bundle, or fingerprint -> why."""
    return {
        key.removeprefix(_BLOCKED): reason
        for key, reason in store.model_tags().items()
        if key.startswith(_BLOCKED)
    }


def block(store: ModelStore, version: Version, reason: str) -> None:
    """Its bundle, and its data with its configuration, are not promoted by themselves."""
    words = f"version {version.number} was rolled back: {reason}"[:_LONGEST]
    store.tag(version.number, {ROLLED_BACK: clock.now().isoformat(timespec="seconds")})
    store.tag_model({_BLOCKED + name: words for name in _names(version)})


def unblock(store: ModelStore, version: Version) -> None:
    """Undoes :func:`block`; cut off on the way, the version still says that it has to be done."""
    known = blocked(store)
    store.tag_model({_BLOCKED + name: None for name in _names(version) if name in known})
    if ROLLED_BACK in version.tags:
        store.tag(version.number, {ROLLED_BACK: None})


def _names(version: Version) -> list[str]:
    return [name for name in (version.sha256, version.fingerprint) if name]
