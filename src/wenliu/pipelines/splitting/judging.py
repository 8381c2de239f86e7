"""Which rows judge models: what the frozen sets mean for the rows of tonight."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from wenliu.codes import NONE, Codes
from wenliu.errors import UserError
from wenliu.frozen import AUDIT, FILE, FRESH, GATE, Frozen, Hashes, form_hashes
from wenliu.params import SplittingParams
from wenliu.pipelines.splitting.plan import TEST

EVAL_SETS = (GATE, AUDIT, FRESH)
_RULES = ("test", "validation", "salt")


@dataclass(frozen=True)
class Judging:
    """The sides, once the frozen texts have been sent to test.

    Attributes:
        sides: ``(n,)`` index into ``SPLITS``.
        marks: ``(n,)`` index into :data:`EVAL_SETS`, or ``NONE``.
        report: Counts; None where the problem is not frozen.
        warnings: What the user should know.
    """

    sides: Codes
    marks: Codes
    report: dict[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def nothing(cls, sides: Codes) -> Self:
        """Of a problem that is not frozen."""
        return cls(sides, np.full(len(sides), NONE, np.int8))


def check_rules(frozen: Frozen, params: SplittingParams) -> None:
    """Refuses settings under which rows would be dealt otherwise than when they were frozen.

    Raises:
        UserError: Naming them, and how to unfreeze deliberately.
    """
    changed = [
        f"splitting.{name}: {getattr(params, name)!r}, frozen with {getattr(frozen, name)!r}"
        for name in _RULES
        if getattr(params, name) != getattr(frozen, name)
    ]
    if changed:
        raise UserError(
            "The problem is frozen with other splitting parameters: the rows that judge models "
            "would be dealt anew.",
            where=f"{'; '.join(changed)} on {frozen.frozen_at[:10]} ({FILE})",
            remedy="set them back. To begin anew, with scores that no earlier one can be "
            f"compared with: delete {FILE}, run with the new parameters, then wenliu freeze",
        )


def judge(frozen: Frozen, own: Codes, forms: Hashes, params: SplittingParams) -> Judging:
    """Sends frozen texts to test, and marks one row of each text that judges.

    Of the rows with one normal form, those come first that are test by themselves, not only
    because their text is frozen; then the earliest. The other copies stay on the side of test
    without a mark, so that no text counts twice. Blank texts judge nothing.

    Args:
        frozen: The sets.
        own: ``(n,)`` splits as they would be without them.
        forms: ``(n,)`` hashes of the normal forms.
        params: How many frozen texts may be gone.

    Raises:
        UserError: Too many are gone.
    """
    sets = frozen.sets_of(forms)
    sides = np.where(sets != NONE, np.int8(TEST), own)
    test = np.flatnonzero((sides == TEST) & (forms != form_hashes([""])[0]))
    test = test[np.argsort(own[test] != TEST, kind="stable")]
    chosen = test[np.unique(forms[test], return_index=True)[1]]
    marks = np.full(len(own), NONE, np.int8)
    fresh = EVAL_SETS.index(FRESH)
    marks[chosen] = np.where(sets[chosen] != NONE, sets[chosen], fresh)
    rows = {name: int((marks == code).sum()) for code, name in enumerate(EVAL_SETS)}
    all_frozen = len(frozen.gate) + len(frozen.audit)
    gone = all_frozen - rows[GATE] - rows[AUDIT]
    report = {
        "frozen_at": frozen.frozen_at,
        **rows,
        "gone": gone,
        "copies": len(test) - len(chosen),
        "moved_to_test": len(frozen.overlap(forms, own != TEST)),
    }
    return Judging(sides, marks, report, _warn_of_gone(gone, all_frozen, params))


def _warn_of_gone(gone: int, all_frozen: int, params: SplittingParams) -> list[str]:
    found = f"{gone} of {all_frozen} frozen texts are gone from the data."
    if gone > params.max_frozen_gone * all_frozen:
        raise UserError(
            found,
            where=f"splitting.max_frozen_gone: {params.max_frozen_gone}",
            remedy="bring back the files that held them; or raise the parameter, if the rows had "
            "to go or this is a trial of a few (ingestion.limit); or freeze other rows: "
            "wenliu freeze --again --reason WHY",
        )
    return [f"{found} Models are compared on those that are left."] if gone else []
