"""Which splits are made, out of which rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wenliu.errors import UserError
from wenliu.params import SplittingParams
from wenliu.pipelines.splitting.shares import SPLITS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wenliu.codes import Bools, Codes
    from wenliu.frozen import Frozen

TRAIN, VALIDATION, TEST = range(len(SPLITS))


@dataclass(frozen=True)
class Plan:
    """What happens to a row by the fraction in [0, 1) that its key hashes to.

    The ranges are the same whatever is made of them, so that a row keeps its side when given
    splits come or go: below ``test`` is test, below ``test + validation`` validation.

    Attributes:
        test: Upper end of the range of test.
        validation: Upper end of the range of validation.
        make_test: Whether rows without a split may become test.
        make_validation: Whether rows without a split, and given training rows, may become
            validation.
        method: In one sentence, for the report.
        warnings: What the user should know.
    """

    test: float
    validation: float
    make_test: bool
    make_validation: bool
    method: str
    warnings: tuple[str, ...]

    def sides(self, given: Codes, fractions: NDArray[np.float64], undealt: Bools) -> Codes:
        """The split of every row, as an index into ``SPLITS``.

        Args:
            given: ``(n,)`` index into ``SPLITS``, negative for none.
            fractions: ``(n,)`` of the rows' keys.
            undealt: ``(n,)`` rows that are never made test.
        """
        sides = given.copy()
        given_none = given < 0
        sides[given_none] = TRAIN
        if self.make_test:
            sides[given_none & ~undealt & (fractions < self.test)] = TEST
        if self.make_validation:
            here = (self.test <= fractions) & (fractions < self.validation)
            sides[here & (given_none | (given == TRAIN))] = VALIDATION
        return sides

    @property
    def hashes(self) -> bool:
        """Whether the fractions matter."""
        return self.make_test or self.make_validation

    def moved_to_validation(self, given: Codes, sides: Codes) -> int:
        """Given training rows that became validation."""
        return int(((given == TRAIN) & (sides == VALIDATION)).sum())


def plan_splits(given: Counter[str | None], params: SplittingParams, frozen: Frozen | None) -> Plan:
    """Looks at how many rows bring which split along.

    Given splits are honoured. Rows without one are hashed into those splits that nobody gave. A
    missing validation split is also hashed out of given training rows, which nothing else can
    serve; a test split never is: whoever gives train and validation keeps the test elsewhere.

    Once a problem is frozen, files that come later change nothing about that: validation is made
    if it was made then, and rows without a split are always dealt to test.

    Raises:
        UserError: The shares leave nothing for training, or nothing chooses the model.
    """
    if params.validation + params.test >= 1:
        raise UserError(
            f"validation {params.validation} and test {params.test} leave nothing for training.",
            where="splitting.yml",
            remedy="make them less than 1 together",
        )
    if not given["validation"] and not params.validation:
        raise UserError(
            "There is no validation split, which chooses the model and when to stop.",
            where="splitting.validation: 0, and the data bring none along",
            remedy="give splitting.validation a share such as 0.1, or name the validation rows "
            "in ingestion.splits or ingestion.split_values",
        )
    if frozen:
        make_test, make_validation = params.test > 0, "validation" in frozen.dealt
    else:
        make_test = bool(given[None]) and not given["test"] and params.test > 0
        make_validation = not given["validation"]
    names = [name for name in SPLITS if given[name]]
    warnings = []
    if not frozen and not given["test"] and not make_test:
        warnings.append(
            "There is no test split: the data bring along "
            f"{' and '.join(names) or 'none'} and splitting.test makes none. "
            "Scores are those of validation, which also chose the model."
        )
    return Plan(
        params.test,
        params.test + params.validation,
        make_test,
        make_validation,
        _method(names, make_validation, make_test, frozen),
        tuple(warnings),
    )


def _method(given: list[str], make_validation: bool, make_test: bool, frozen: Frozen | None) -> str:
    made = ["validation"] * make_validation + ["test"] * make_test
    if not given:
        method = "salted hash of the group or of the normal form of the text"
    elif made:
        method = f"{', '.join(given)} as given; {' and '.join(made)} by salted hash"
    else:
        method = f"{', '.join(given)} as given"
    return f"{method}; frozen on {frozen.frozen_at[:10]}" if frozen else method
