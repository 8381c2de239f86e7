"""Which splits are made, out of which rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from wenliu.errors import UserError
from wenliu.params import SplittingParams


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

    def side(self, given: str | None, fraction: float) -> str:
        """The split of a row."""
        if self.make_test and given is None and fraction < self.test:
            return "test"
        if (
            self.make_validation
            and given in (None, "train")
            and self.test <= fraction < self.validation
        ):
            return "validation"
        return given or "train"

    def must_hash(self, given: str | None) -> bool:
        """Whether the fraction matters for rows with this given split."""
        return given is None or (given == "train" and self.make_validation)


def plan_splits(given: Counter[str | None], params: SplittingParams) -> Plan:
    """Looks at how many rows bring which split along.

    Given splits are honoured. Rows without one are hashed into those splits that nobody gave. A
    missing validation split is also hashed out of given training rows, which nothing else can
    serve; a test split never is: whoever gives train and validation keeps the test elsewhere.

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
    open_rows = given[None]
    make_test = bool(open_rows) and not given["test"] and params.test > 0
    make_validation = not given["validation"]
    names = [name for name in ("train", "validation", "test") if given[name]]
    made = ["validation"] * make_validation + ["test"] * make_test
    if not names:
        method = "salted hash of the group or of the normal form of the text"
    elif made:
        method = f"{', '.join(names)} as given; {' and '.join(made)} by salted hash"
    else:
        method = f"{', '.join(names)} as given"
    warnings = []
    if not given["test"] and not make_test:
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
        method,
        tuple(warnings),
    )
