"""Which rows are compared: bounded samples of new and older rows, drawn alike.

Both sides of a comparison come from the same side of the split. The split puts all copies of a text
on one side, so a text that customers write every day would otherwise be in one sample only and look
like drift. Rows are taken as given, whatever the audit dropped, for the same reason: of a frequent
text it keeps one row, which is an older one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wenliu.parts import Parts

#: The samples: what training knows, the new rows beside it, and the same among held-out rows.
NAMES = ("reference", "new", "reference_held_out", "new_held_out")
_COLUMNS = ("text", "clean_text", "label")


@dataclass(frozen=True)
class Sample:
    """Some rows of one side by column.

    Attributes:
        total: How many rows the sample was drawn from.
    """

    text: list[str]
    clean_text: list[str]
    label: list[str]
    total: int

    def __len__(self) -> int:
        return len(self.text)


def sample_rows(
    audited_examples: Parts,
    new_sources: Collection[str],
    other_sources: Collection[str],
    rows: int,
    seed: int,
) -> dict[str, Sample]:
    """A sample under each of :data:`NAMES`, in the order of the table.

    Narrow columns are read whole, texts only of parts of which a row was chosen. Rows of the audit
    set are in no sample: they are to decide nothing.

    Args:
        audited_examples: All rows.
        new_sources: Files of the new rows.
        other_sources: Files that are new too; their rows are in no sample.
        rows: In a sample, at most.
        seed: Of the choice.
    """
    side = np.concatenate(
        [np.zeros(0, np.int64)]
        + [
            _sides(batch, new_sources, other_sources)
            for batch in audited_examples.batches(["source", "split", "eval_set"])
        ]
    )
    random = np.random.default_rng(seed)
    chosen = np.zeros(side.size, bool)
    for number in range(len(NAMES)):
        candidates = np.flatnonzero(side == number)
        chosen[random.choice(candidates, min(rows, candidates.size), replace=False)] = True
    columns = _read(audited_examples, chosen)
    of_row = side[chosen]
    return {
        name: Sample(
            text=_taken(columns["text"], of_row == number),
            clean_text=_taken(columns["clean_text"], of_row == number),
            label=_taken(columns["label"], of_row == number),
            total=int((side == number).sum()),
        )
        for number, name in enumerate(NAMES)
    }


def _sides(
    batch: Any, new_sources: Collection[str], other_sources: Collection[str]
) -> NDArray[np.int64]:
    """For each row the position of its sample in :data:`NAMES`; -1 for rows that are in none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_new, is_other = (
        pc.is_in(batch["source"], value_set=pa.array(sorted(sources), pa.string()))
        for sources in (new_sources, other_sources)
    )
    held_out = pc.not_equal(batch["split"], "train")
    audit = pc.equal(pc.fill_null(batch["eval_set"], ""), "audit")
    side = 2 * np.asarray(held_out, np.int64) + np.asarray(is_new, np.int64)
    side[np.asarray(pc.or_(audit, is_other), bool)] = -1
    return side


def _read(table: Parts, chosen: NDArray[np.bool_]) -> dict[str, list[str]]:
    """The columns of the chosen rows, in order."""
    import pyarrow as pa

    found: dict[str, list[str]] = {column: [] for column in _COLUMNS}
    start = 0
    for part in table.select(_COLUMNS).each():
        mask = chosen[start : start + part.num_rows]
        start += part.num_rows
        for batch in part.batches() if mask.any() else ():
            rows = batch.filter(pa.array(mask))
            for column, values in found.items():
                values.extend(rows[column].to_pylist())
    return found


def _taken(values: list[str], mask: NDArray[np.bool_]) -> list[str]:
    return [value for value, taken in zip(values, mask.tolist(), strict=True) if taken]
