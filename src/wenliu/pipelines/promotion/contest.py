"""The two models' answers as arrays: what every statistic of the gate reads."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wenliu.frames import Table
from wenliu.frozen import Hashes, form_hashes
from wenliu.parts import Parts
from wenliu.text.normal_form import normal_forms_v1

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Answers:
    """Answers of both models to one set of rows.

    Attributes:
        id: Of each row.
        gold: ``(rows,)`` label ids.
        challenger: ``(rows,)`` predicted ids.
        champion: The same; None where there is no champion to compare with.
        challenger_probability: ``(rows,)``, of the predicted label.
        champion_probability: The same.
        source: File of each row.
        text: Raw texts.
    """

    id: list[str]
    gold: Ints
    challenger: Ints
    champion: Ints | None
    challenger_probability: NDArray[np.float64]
    champion_probability: NDArray[np.float64] | None
    source: list[str]
    text: list[str]

    def __len__(self) -> int:
        return len(self.id)

    @cached_property
    def forms(self) -> Hashes:
        """``(rows,)`` hashes of the normal forms, as frozen sets hold them."""
        return form_hashes(normal_forms_v1(self.text)) if self.text else np.zeros(0, np.uint64)

    @property
    def sha256(self) -> str:
        """Identifies texts and golds: scores of equal ones can be compared from night to night.

        Ids do not count: a line more in a file gives every row behind it another one.
        """
        rows = zip(self.forms.tolist(), self.gold.tolist(), strict=True)
        lines = sorted(f"{form:016x}\t{gold}" for form, gold in rows)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def only(self, chosen: NDArray[np.bool_]) -> Answers:
        """The rows for which ``chosen`` is true."""
        kept = np.flatnonzero(chosen).tolist()
        return Answers(
            [self.id[i] for i in kept],
            self.gold[kept],
            self.challenger[kept],
            None if self.champion is None else self.champion[kept],
            self.challenger_probability[kept],
            None if self.champion_probability is None else self.champion_probability[kept],
            [self.source[i] for i in kept],
            [self.text[i] for i in kept],
        )


@dataclass(frozen=True)
class Contest:
    """A challenger, perhaps a champion, and their answers.

    Attributes:
        labels: Names by id, as in the label map of this run.
        champion_labels: Those of the champion, none where its bundle is lost; None where there is
            no champion.
        gate: The rows that decide.
        audit: Frozen rows that decide nothing: the gate's choices do not wear them out.
        fresh: Test rows that came after freezing.
    """

    labels: list[str]
    champion_labels: list[str] | None
    gate: Answers
    audit: Answers
    fresh: Answers

    @property
    def old_labels(self) -> int:
        """So many of the first labels are known to both models."""
        return len(self.champion_labels or self.labels)

    @property
    def new_labels(self) -> list[str]:
        """Labels that only the challenger knows."""
        return self.labels[self.old_labels :]

    @property
    def compared(self) -> Answers:
        """The gate rows of labels that both models know."""
        return self.gate.only(self.gate.gold < self.old_labels)


def read_contest(
    gate_predictions: Table | Parts, labels: Sequence[str], champion_labels: Sequence[str] | None
) -> Contest:
    """From the table of answers, which are label names, to ids of ``labels``.

    A champion that did not answer, or whose labels are not the first of ``labels``, is left out:
    nothing is compared with it, and the check of the labels says why.
    """
    table = Parts.of(gate_predictions).table()
    known = None if champion_labels is None else list(champion_labels)
    comparable = (
        known is not None
        and list(labels[: len(known)]) == known
        and not table["champion"].null_count
    )
    sets = table["eval_set"].to_pylist()
    everything = Answers(
        table["id"].to_pylist(),
        _ids(table["gold"], labels),
        _ids(table["challenger"], labels),
        _ids(table["champion"], labels) if comparable else None,
        _floats(table["challenger_probability"]),
        _floats(table["champion_probability"]) if comparable else None,
        table["source"].to_pylist(),
        table["text"].to_pylist(),
    )
    by_set = {
        name: everything.only(np.array([found == name for found in sets], dtype=bool))
        for name in ("gate", "audit", "fresh")
    }
    return Contest(list(labels), known, **by_set)


def _ids(column: Any, labels: Sequence[str]) -> Ints:
    places = {label: place for place, label in enumerate(labels)}
    return np.array([places[name] for name in column.to_pylist()], dtype=np.int64)


def _floats(column: Any) -> NDArray[np.float64]:
    return np.array(column.to_pylist(), dtype=np.float64)
