"""Words that set one label apart from the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

#: At least two letters, one of them not a digit: no signs, numbers or single characters.
_WORD = re.compile(r"(?=.*[^\W\d_])\w{2,}")
#: Weight of the prior, in words: what one label must outweigh before a difference counts.
_PRIOR = 500.0
#: Rarer words say something about a row, not about a label.
_MIN_ROWS = 3


@dataclass(frozen=True)
class Keyword:
    """A word that a label uses more than the others do.

    Attributes:
        word: The word.
        score: z-score of the log-odds; above 2 is more than chance.
        rows: Rows of the label that hold it.
        share: Those rows of all rows that hold it.
    """

    word: str
    score: float
    rows: int
    share: float


class WordCounts:
    """In how many rows of each label every word stands, batch by batch.

    A word counts once a row: a rant that repeats a word is one voice.

    Args:
        n_labels: How many labels there are.

    Attributes:
        rows: Rows counted so far.
    """

    def __init__(self, n_labels: int) -> None:
        self.rows = 0
        self._n_labels = n_labels
        self._tables: list[pa.Table] = []

    def add(self, words: pa.ListArray, labels: pa.Array) -> None:
        """Counts a batch.

        Args:
            words: Words of each row.
            labels: Label id of each row.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        self.rows += len(words)
        # Of half a million words some ten thousand differ: only these become Python strings.
        encoded = words.flatten().dictionary_encode()
        merged: dict[str, int] = {}
        numbers = np.array(
            [
                merged.setdefault(word.lower(), len(merged)) if _WORD.fullmatch(word) else -1
                for word in encoded.dictionary.to_pylist()
            ],
            np.int64,
        )
        if not merged:
            return
        names, bits = list(merged), len(merged).bit_length()
        word = numbers[encoded.indices.to_numpy()]
        row = np.repeat(np.arange(len(words)), pc.list_value_length(words).to_numpy())
        pairs = np.sort((row << bits | word)[word >= 0])
        once = pairs[np.diff(pairs, prepend=-1) > 0]
        row, word = once >> bits, once & ((1 << bits) - 1)
        found, rows = np.unique(
            np.asarray(labels, np.int64)[row] << bits | word, return_counts=True
        )
        columns = [
            pa.array(names, pa.string()).take(pa.array(found & ((1 << bits) - 1))),
            pa.array((found >> bits).astype(np.int32)),
            pa.array(rows, pa.int64()),
        ]
        self._tables.append(pa.Table.from_arrays(columns, schema=counts_schema()))

    def counts(self) -> pa.Table:
        """A row for each word and label that occur together: what :meth:`merge` takes."""
        import pyarrow as pa
        import pyarrow.compute as pc

        table = pa.concat_tables([counts_schema().empty_table(), *self._tables])
        # In one thread, for a fixed order: the same words give the same table.
        summed = table.group_by(["word", "label_id"], use_threads=False).aggregate(
            [("rows", "sum")]
        )
        summed = summed.filter(pc.not_equal(summed["rows_sum"], 0))  # all its rows were taken off
        columns = [summed[name] for name in ("word", "label_id", "rows_sum")]
        self._tables = [pa.Table.from_arrays(columns, schema=counts_schema())]
        return self._tables[0]

    def merge(self, counts: pa.Table, rows: int) -> None:
        """Adds what another one counted in so many rows."""
        self.rows += rows
        self._tables.append(counts)

    def take_off(self, counts: pa.Table, rows: int) -> None:
        """Undoes a :meth:`merge` of rows that were merged among others."""
        import pyarrow.compute as pc

        place = counts.schema.get_field_index("rows")
        less = counts.set_column(place, counts.field(place), pc.negate(counts["rows"]))
        self.merge(less, -rows)

    def keywords(self, top: int) -> list[list[Keyword]]:
        """Log-odds ratios with an informative Dirichlet prior (Monroe, Colaresi and Quinn 2008).

        The prior is the whole collection, so frequent words need a large difference and rare ones
        cannot win by chance.

        Args:
            top: How many keywords of each label are returned at most.

        Returns:
            For each label its keywords, the strongest first, all with a positive score.
        """
        table = self.counts()
        encoded = table["word"].combine_chunks().dictionary_encode()
        word, label = encoded.indices.to_numpy(), table["label_id"].to_numpy()
        rows = table["rows"].to_numpy()
        everywhere = np.bincount(word, rows, len(encoded.dictionary))[word]
        size, of_label = rows.sum(), np.bincount(label, rows, self._n_labels)[label]
        prior = _PRIOR * everywhere / max(1, size)
        inside, outside = rows + prior, everywhere - rows + prior
        difference = np.log(inside / (of_label + _PRIOR - inside)) - np.log(
            outside / (size - of_label + _PRIOR - outside)
        )
        score = difference / np.sqrt(1 / inside + 1 / outside)
        worth = (score > 0) & (rows >= _MIN_ROWS)
        found: list[list[Keyword]] = []
        for number in range(self._n_labels):
            own = np.flatnonzero(worth & (label == number))
            if own.size > top:  # as many as the last of the top has equals
                own = own[score[own] >= -np.partition(-score[own], top)[top - 1]]
            keywords = [
                Keyword(
                    encoded.dictionary[int(word[place])].as_py(),
                    float(score[place]),
                    int(rows[place]),
                    float(rows[place] / everywhere[place]),
                )
                for place in own.tolist()
            ]
            # Words of equal score in a fixed order: two runs give the same plot.
            keywords.sort(key=lambda keyword: (-keyword.score, keyword.word))
            found.append(keywords[:top])
        return found


def counts_schema() -> pa.Schema:
    """Of counted words."""
    import pyarrow as pa

    fields = {"word": pa.string(), "label_id": pa.int32(), "rows": pa.int64()}
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in fields.items()])
