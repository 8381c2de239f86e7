"""No row that judges models may be learned from."""

from __future__ import annotations

from typing import Any

from wenliu.codes import NONE, Bools, Codes
from wenliu.errors import UserError
from wenliu.frozen import Frozen, Hashes
from wenliu.pipelines.audit.policies import KEPT, conflicting
from wenliu.pipelines.audit.rows import Fetch, Rows
from wenliu.pipelines.audit.twins import Twins

_SHOWN = 3


def check_frozen(frozen: Frozen, hashes: Hashes, rows: Rows, dropped: Codes, fetch: Fetch) -> Bools:
    """Looks for frozen texts among what is left of training and validation.

    Splitting sends them to test; this is the proof, from the texts, that none came back.

    Args:
        frozen: The sets.
        hashes: ``(rows,)`` of the normal forms.
        rows: Splits and labels.
        dropped: ``(rows,)`` index into ``REASONS``, or ``KEPT``.
        fetch: Reads ids and texts.

    Returns:
        ``(rows,)`` whether the text is frozen.

    Raises:
        UserError: There are some.
    """
    overlap = frozen.overlap(hashes, ~rows.sides["test"] & (dropped == KEPT))
    if len(overlap):
        shown = fetch(overlap[:_SHOWN].tolist())
        raise UserError(
            f"{len(overlap)} rows would be learned from although their texts are frozen to judge "
            "models.",
            where="; ".join(f"{identity}: {text[:40]!r}" for identity, text in shown.values()),
            remedy="these rows were split before the problem was frozen: split them again, "
            "kedro run --from-nodes splitting.split_examples",
        )
    return frozen.sets_of(hashes) != NONE


def report_frozen(frozen: Frozen, is_frozen: Bools, twins: Twins, rows: Rows) -> dict[str, Any]:
    """Counts for the report: a judge that says two things is told of."""
    conflicts = conflicting(twins.normal, rows.labels, is_frozen, twins.n_normal)
    texts = int(conflicts.sum())
    return {
        "frozen_at": frozen.frozen_at,
        "rows": int(is_frozen.sum()),
        "conflicts": texts,
        "warnings": [f"{texts} frozen texts stand in the data with several labels."]
        if texts
        else [],
    }
