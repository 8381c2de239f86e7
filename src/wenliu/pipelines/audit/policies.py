"""What is done about what the audit finds: drop, keep or fail."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wenliu.errors import UserError
from wenliu.params import AuditParams
from wenliu.pipelines.audit.twins import NO_TWIN, Bools, Ints, Twins

#: Why training may not see a row. A row that deserves several is given the first.
REASONS = ("blank", "leak", "conflict", "repeat")


def conflicting(normal: Ints, labels: Ints, rows: Bools, n_normal: int) -> Bools:
    """Which normal forms carry more than one label within ``rows``: ``(n_normal,)``."""
    pairs = np.unique(np.stack([normal[rows], labels[rows]], axis=1), axis=0)
    return np.bincount(pairs[:, 0], minlength=n_normal) > 1


def leaking_rows(twins: Twins, split: NDArray[np.str_]) -> Bools:
    """Rows that give away a later exam: training's against both, validation's against test."""
    train, validation, test = (split == name for name in ("train", "validation", "test"))
    given_away = twins.closeness(train, validation | test) < NO_TWIN
    return given_away | (twins.closeness(validation, test) < NO_TWIN)


def decide(
    twins: Twins, split: NDArray[np.str_], labels: Ints, params: AuditParams
) -> NDArray[np.object_]:
    """The reason why each row is dropped, or ``None``.

    Blank rows always leave training. Test rows are never dropped.
    """
    train = split == "train"
    dropped = np.full(len(split), None, dtype=object)
    dropped[train & twins.blank] = "blank"
    if params.leaks == "drop":
        dropped[leaking_rows(twins, split) & (dropped == None)] = "leak"  # noqa: E711
    if params.conflicts == "drop":
        both = conflicting(twins.normal, labels, train & ~twins.blank, twins.n_normal)
        dropped[train & both[twins.normal] & (dropped == None)] = "conflict"  # noqa: E711
    if params.repeats == "drop":
        kept = train & (dropped == None)  # noqa: E711
        dropped[kept & (twins.repeats(kept) <= 1)] = "repeat"
    return dropped


def enforce(
    twins: Twins,
    split: NDArray[np.str_],
    labels: Ints,
    ids: Sequence[str],
    texts: Sequence[str],
    params: AuditParams,
) -> None:
    """Stops the run where a policy says ``fail`` and something is found.

    Raises:
        UserError: With the count and three examples.
    """
    train = split == "train"
    found: list[tuple[str, str, Bools]] = []
    if params.leaks == "fail":
        found.append(("leaks", "leak into a later split", leaking_rows(twins, split)))
    if params.conflicts == "fail":
        both = conflicting(twins.normal, labels, train & ~twins.blank, twins.n_normal)
        found.append(
            ("conflicts", "have a text with another label in training", train & both[twins.normal])
        )
    if params.repeats == "fail":
        found.append(("repeats", "repeat a text of training", twins.repeats(train) <= 1))
    for policy, what, rows in found:
        if rows.any():
            examples = "; ".join(f"{ids[i]}: {texts[i][:40]!r}" for i in np.flatnonzero(rows)[:3])
            raise UserError(
                f"{int(rows.sum())} rows {what}, and audit.{policy} is 'fail'.",
                where=examples,
                remedy=f"Mend the data, or set audit.{policy} to 'drop' or 'keep'.",
            )
