"""Which rows judge models from now on: written down once, checked by every run.

Frozen are hashes of normal forms, not rows: a text that comes back tomorrow in full width or in
another file is still the same text. ``wenliu freeze`` writes them (``wenliu.freezing``), splitting
and audit keep to them (``docs/decisions/013-frozen-sets.md``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wenliu.codes import NONE, Bools, Codes
from wenliu.disk import write_atomically
from wenliu.environments import BASE, GLOBALS, problem_name
from wenliu.errors import UserError
from wenliu.text.hashing import digests, stable_fraction

FILE = "frozen.yml"
#: Values of the column ``eval_set``: what is frozen, and what came to the test side later.
GATE, AUDIT, FRESH = "gate", "audit", "fresh"
Hashes = NDArray[np.uint64]

_HEADER = """\
# The rows that judge models, as hashes of their normal forms. Made by `wenliu freeze`; do not edit.
# `gate` decides who is promoted, `audit` decides nothing. Without this file both are trained on
# again, and no score can be compared with an earlier one.
"""
_A_LINE = 5


@dataclass(frozen=True)
class Frozen:
    """What stood fixed when a problem was frozen.

    Attributes:
        problem: Its name.
        frozen_at: ISO 8601.
        reason: Why it was frozen again; empty for the first time.
        labels: In the order of their ids.
        salt: Of the hash that deals rows.
        test: Share of rows that are dealt to test.
        validation: Share of rows that are dealt to validation.
        dealt: The splits that were made by hashing; the others came with the data.
        undealt: Files whose rows without a split were not dealt to test, because other files
            brought a test split along: they stay in training.
        gate: Hashes of the rows that decide, ascending.
        audit: Hashes of the rows that decide nothing, ascending.
        added: Labels that were added since: until their first rows come they have none.
    """

    problem: str
    frozen_at: str
    reason: str
    labels: tuple[str, ...]
    salt: str
    test: float
    validation: float
    dealt: tuple[str, ...]
    undealt: tuple[str, ...]
    gate: Hashes
    audit: Hashes
    added: tuple[str, ...] = ()

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self | None:
        """From what ``frozen_sets`` loads; None where the problem is not frozen.

        Raises:
            UserError: Something is missing or is no list of hashes.
        """
        if not content:
            return None
        try:
            return cls(
                problem=str(content["problem"]),
                frozen_at=str(content["frozen_at"]),
                reason=str(content.get("reason") or ""),
                labels=tuple(content["labels"]),
                salt=str(content["salt"]),
                test=float(content["test"]),
                validation=float(content["validation"]),
                dealt=tuple(content["dealt"]),
                undealt=tuple(content["undealt"]),
                gate=_hashes(content["gate"]),
                audit=_hashes(content["audit"]),
                added=tuple(content.get("added") or ()),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"The frozen sets cannot be read: {error!r}.",
                where=FILE,
                remedy="restore the file from version control",
            ) from error

    def sets_of(self, forms: Hashes) -> Codes:
        """Which set each hash is in: ``(n,)`` 0 gate, 1 audit, -1 none."""
        sets = np.full(len(forms), NONE, np.int8)
        sets[np.isin(forms, self.gate)] = 0
        sets[np.isin(forms, self.audit)] = 1
        return sets

    def overlap(self, forms: Hashes, rows: Bools) -> NDArray[np.intp]:
        """Places of those ``rows`` whose text is frozen.

        Args:
            forms: ``(n,)`` hashes of the normal forms.
            rows: ``(n,)`` which are asked about.
        """
        places = np.flatnonzero(rows)
        return places[self.sets_of(forms[places]) != NONE]


def form_hashes(forms: Sequence[str]) -> Hashes:
    """64 bits of each normal form: one wrong pair among 200,000 frozen and 10**8 other texts."""
    return np.ascontiguousarray(digests(forms)[:, 0])


def is_audit(form: str, salt: str) -> bool:
    """Which half a frozen normal form belongs to, by a hash of its own."""
    return stable_fraction(form, f"{salt}/audit") < 0.5


def frozen_file(project: Path, problem: str) -> Path | None:
    """The file that freezes a problem: ``frozen.yml`` beside the ``globals.yml`` that names it.

    Raises:
        UserError: Several environments of the problem have one.
    """
    conf = project / "conf"
    default = problem_name(conf / BASE / GLOBALS)
    found = [
        path
        for path in sorted(conf.glob(f"*/{FILE}"))
        if (problem_name(path.with_name(GLOBALS)) or default) == problem
    ]
    if len(found) > 1:
        raise UserError(
            f"The problem {problem!r} is frozen {len(found)} times.",
            where=", ".join(map(str, found)),
            remedy="keep one of the files",
        )
    return found[0] if found else None


def read_content(project: Path, problem: str) -> dict[str, Any]:
    """What stands in the problem's ``frozen.yml``; ``{}`` where it has none.

    Raises:
        UserError: It is no YAML, or was made for another problem.
    """
    import yaml

    path = frozen_file(project, problem)
    if path is None:
        return {}
    # libyaml, where it is there, reads 200,000 hashes in a thirtieth of the time.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        content = loader(path.read_text("utf-8")).get_single_data()
        if not isinstance(content, dict):
            raise ValueError("it holds no keys")
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(
            f"The frozen sets cannot be read: {' '.join(str(error).split())[:200]}",
            where=str(path),
            remedy="restore the file from version control",
        ) from error
    if content.get("problem") != problem:
        raise UserError(
            f"The frozen sets are those of {content.get('problem')!r}, not of {problem!r}.",
            where=str(path),
            remedy="delete the file if it was copied here; to freeze this problem: wenliu freeze",
        )
    return content


def read_frozen(project: Path, problem: str) -> Frozen | None:
    """The frozen sets of a problem; None where it is not frozen.

    Raises:
        UserError: The file cannot be used.
    """
    return Frozen.of(read_content(project, problem))


def write_frozen(path: Path, frozen: Frozen) -> None:
    """Writes the file in one step."""
    import yaml

    head = {
        "problem": frozen.problem,
        "frozen_at": frozen.frozen_at,
        "reason": frozen.reason,
        "labels": list(frozen.labels),
        "salt": frozen.salt,
        "test": frozen.test,
        "validation": frozen.validation,
        "dealt": list(frozen.dealt),
        "undealt": list(frozen.undealt),
        **({"added": list(frozen.added)} if frozen.added else {}),
    }
    text = yaml.safe_dump(head, allow_unicode=True, sort_keys=False)
    blocks = "".join(
        f"{name}: |  # {len(hashes)}\n{_block(hashes)}"
        for name, hashes in ((GATE, frozen.gate), (AUDIT, frozen.audit))
    )
    write_atomically(path, f"{_HEADER}{text}{blocks}")


def _block(hashes: Hashes) -> str:
    digits = [f"{value:016x}" for value in hashes.tolist()]
    lines = (digits[start : start + _A_LINE] for start in range(0, len(digits), _A_LINE))
    return "".join(f"  {' '.join(line)}\n" for line in lines)


def _hashes(block: str) -> Hashes:
    return np.sort(np.frombuffer(bytes.fromhex(block), ">u8").astype(np.uint64))
