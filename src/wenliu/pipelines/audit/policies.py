"""What is done about what the audit finds: drop, keep or fail."""

from __future__ import annotations

import numpy as np

from wenliu.codes import Bools, Codes
from wenliu.errors import UserError
from wenliu.params import AuditParams
from wenliu.pipelines.audit.rows import Fetch, Ints, Rows
from wenliu.pipelines.audit.twins import NO_TWIN, Twins

#: Why training may not see a row. A row that deserves several is given the first.
REASONS = ("blank", "leak", "conflict", "repeat")
#: Number of a row that stays.
KEPT = len(REASONS)


def conflicting(normal: Ints, labels: Ints, rows: Bools, n_normal: int) -> Bools:
    """Which normal forms carry more than one label within ``rows``: ``(n_normal,)``."""
    lowest = np.full(n_normal, np.iinfo(np.int64).max)
    highest = np.full(n_normal, -1, dtype=np.int64)
    np.minimum.at(lowest, normal[rows], labels[rows])
    np.maximum.at(highest, normal[rows], labels[rows])
    return lowest < highest


def leaking_rows(twins: Twins, sides: dict[str, Bools]) -> Bools:
    """Rows that give away a later exam: training's against both, validation's against test."""
    train, validation, test = (sides[name] for name in ("train", "validation", "test"))
    given_away = twins.closeness(train, validation | test) < NO_TWIN
    return given_away | (twins.closeness(validation, test) < NO_TWIN)


def decide(twins: Twins, rows: Rows, params: AuditParams) -> Codes:
    """The reason why each row is dropped: ``(rows,)`` index into ``REASONS``, or ``KEPT``.

    Blank rows always leave training. Test rows are never dropped.
    """
    train = rows.sides["train"]
    dropped = np.full(len(train), KEPT, dtype=np.int8)
    dropped[train & twins.blank] = REASONS.index("blank")
    if params.leaks == "drop":
        leaking = leaking_rows(twins, rows.sides)
        dropped[leaking & (dropped == KEPT)] = REASONS.index("leak")
    if params.conflicts == "drop":
        both = conflicting(twins.normal, rows.labels, train & ~twins.blank, twins.n_normal)
        dropped[train & both[twins.normal] & (dropped == KEPT)] = REASONS.index("conflict")
    if params.repeats == "drop":
        kept = train & (dropped == KEPT)
        dropped[kept & (twins.repeats(kept) <= 1)] = REASONS.index("repeat")
    return dropped


def enforce(twins: Twins, rows: Rows, fetch: Fetch, params: AuditParams) -> None:
    """Stops the run where a policy says ``fail`` and something is found.

    Raises:
        UserError: With the count and three examples.
    """
    train = rows.sides["train"]
    found: list[tuple[str, str, Bools]] = []
    if params.leaks == "fail":
        found.append(("leaks", "leak into a later split", leaking_rows(twins, rows.sides)))
    if params.conflicts == "fail":
        both = conflicting(twins.normal, rows.labels, train & ~twins.blank, twins.n_normal)
        found.append(
            ("conflicts", "have a text with another label in training", train & both[twins.normal])
        )
    if params.repeats == "fail":
        found.append(("repeats", "repeat a text of training", twins.repeats(train) <= 1))
    for policy, what, concerned in found:
        if concerned.any():
            shown = fetch(np.flatnonzero(concerned)[:3].tolist())
            raise UserError(
                f"{int(concerned.sum())} rows {what}, and audit.{policy} is 'fail'.",
                where="; ".join(f"{identity}: {text[:40]!r}" for identity, text in shown.values()),
                remedy=f"Mend the data, or set audit.{policy} to 'drop' or 'keep'.",
            )
