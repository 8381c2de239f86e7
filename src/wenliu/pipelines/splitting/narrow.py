"""What splitting holds of all rows besides their keys: numbers, no names."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wenliu.codes import NONE, Bools, Codes, codes_of, numbered_names
from wenliu.pipelines.splitting.shares import SPLITS

if TYPE_CHECKING:
    import pyarrow as pa

    from wenliu.parts import Parts


@dataclass(frozen=True)
class NarrowRows:
    """Some columns of ``clean_examples``: 17 bytes a row, however long ids and names are.

    Attributes:
        given: ``(n,)`` index into ``SPLITS``, or ``NONE``.
        labels: ``(n,)`` label ids.
        groups: ``(n,)`` number of the group, or ``NONE``.
        source: ``(n,)`` index into ``sources``.
        sources: Names of the files.
    """

    given: Codes
    labels: NDArray[np.int32]
    groups: NDArray[np.int64]
    source: NDArray[np.int32]
    sources: list[str]

    @classmethod
    def of(cls, parts: Parts) -> NarrowRows:
        """Reads them part by part."""
        given = [codes_of(batch["split"], SPLITS) for batch in parts.batches(["split"])]
        source, sources = numbered_names(batch["source"] for batch in parts.batches(["source"]))
        return cls(
            np.concatenate([np.empty(0, np.int8), *given]),
            parts.column("label_id").to_numpy(),
            group_numbers(batch["group"] for batch in parts.batches(["group"])),
            source,
            sources,
        )

    def from_files(self, names: Collection[str]) -> Bools:
        """Which rows stand in these files: ``(n,)``."""
        numbers = [number for number, name in enumerate(self.sources) if name in names]
        return np.isin(self.source, numbers)


def group_numbers(columns: Iterable[pa.Array]) -> NDArray[np.int64]:
    """The same number for the same group: ``(n,)``, ``NONE`` for a row without one.

    Args:
        columns: Names, or nulls, an array after the other. Of each name 128 bits are kept.
    """
    from wenliu.text.hashing import digests, numbered

    grouped, names = [np.empty(0, bool)], [np.empty((0, 2), np.uint64)]
    for column in columns:
        grouped.append(column.is_valid().to_numpy(zero_copy_only=False))
        encoded = column.drop_null().dictionary_encode()
        names.append(digests(encoded.dictionary.to_pylist())[encoded.indices.to_numpy()])
    rows = np.concatenate(grouped)
    numbers = np.full(len(rows), NONE, np.int64)
    numbers[rows] = numbered(np.concatenate(names))[0]
    return numbers


def group_of(parts: Parts, row: int) -> str | None:
    """The name of one row's group."""
    for batch in parts.batches(["group"]):
        if row < batch.num_rows:
            name: str | None = batch["group"][row].as_py()
            return name
        row -= batch.num_rows
    raise IndexError(row)
