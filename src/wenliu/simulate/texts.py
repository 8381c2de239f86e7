"""New labelled messages out of the ones that we wrote: their clauses, dealt anew.

A message has one topic, and so has each of its clauses: two or three clauses of one topic make a
message that nobody has seen and everybody can label. There are millions of them, a small model
learns them in seconds, and a set of them with the labels they were made with is the truth that
no night knows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from wenliu.errors import UserError
from wenliu.text.normal_form import normal_form_v1

WRITTEN = Path("data/00_written/feedback_topics")
_BORDERS = re.compile("[，。！？；,!?;～~\n]+")
#: Shorter ones (很好, 谢谢) say nothing of the topic.
_CLAUSE_CHARACTERS = 5


@dataclass(frozen=True)
class Row:
    """A message with the label it was made for."""

    text: str
    label: str


class Writer:
    """Makes messages; never the same one twice.

    Args:
        clauses: Of each label.
        seed: The same seed makes the same messages.
    """

    def __init__(self, clauses: Mapping[str, Sequence[str]], seed: int) -> None:
        self._clauses = clauses
        self._random = Random(seed)
        self._made: set[str] = set()

    @classmethod
    def of(cls, project: Path, seed: int) -> Writer:
        """From the messages of the bundled problem.

        Raises:
            UserError: They are not there.
        """
        clauses: dict[str, list[str]] = {}
        for path in sorted((project / WRITTEN).glob("messages_*.jsonl")):
            for line in path.read_text("utf-8").splitlines():
                message = json.loads(line)
                clauses.setdefault(message["topic"], []).extend(
                    clause
                    for clause in _BORDERS.split(message["text"])
                    if len(clause) >= _CLAUSE_CHARACTERS
                )
        if not clauses:
            raise UserError(
                "The messages of the bundled problem are not there.",
                where=str(project / WRITTEN),
                remedy="simulate in a complete copy of the project",
            )
        return cls(clauses, seed)

    @property
    def labels(self) -> list[str]:
        """In the order of the file."""
        return list(self._clauses)

    def rows(
        self, n: int, labels: Sequence[str] | None = None, clauses: tuple[int, int] = (1, 3)
    ) -> list[Row]:
        """``n`` new messages.

        Args:
            n: How many.
            labels: Drawn from with equal chances; default: all.
            clauses: The fewest and the most clauses of a message.
        """
        return [self._row(self._random.choice(labels or self.labels), clauses) for _ in range(n)]

    def with_wrong_labels(
        self, rows: Sequence[Row], share: float, labels: Sequence[str]
    ) -> list[Row]:
        """The same messages, of which so many have another one of ``labels`` than theirs."""
        return [
            Row(row.text, self._random.choice([label for label in labels if label != row.label]))
            if self._random.random() < share
            else row
            for row in rows
        ]

    def _row(self, label: str, clauses: tuple[int, int]) -> Row:
        while True:
            count = self._random.randint(*clauses)
            text = "，".join(self._random.sample(self._clauses[label], count))
            # What differs in width, case or script only would count as a repeat.
            if (form := normal_form_v1(text)) not in self._made:
                self._made.add(form)
                return Row(text, label)
