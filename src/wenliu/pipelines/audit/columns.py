"""What the audit keeps of a row's texts, as a column function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wenliu.parallel import ColumnFunction
from wenliu.text.minhash import BANDS

if TYPE_CHECKING:
    import pyarrow as pa

#: Columns with the two halves of a digest, and with the key of each band.
RAW, NORMAL = ("raw_0", "raw_1"), ("normal_0", "normal_1")
KEYS = tuple(f"key_{band:02}" for band in range(BANDS))


@dataclass(frozen=True)
class ReadTexts(ColumnFunction):
    """From ``text`` and ``clean_text`` to the numbers by which twins are found: 136 bytes a row.

    Attributes:
        min_chars: Shorter normal forms are never near twins.
    """

    min_chars: int

    @property
    def pays_above(self) -> int:
        """Of some 25 MB of both columns a second."""
        return 100_000_000

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Band keys stand at the first of equal normal forms that are long enough."""
        import pyarrow as pa
        import pyarrow.compute as pc

        from wenliu.text.hashing import digests
        from wenliu.text.minhash import band_keys
        from wenliu.text.normal_form import normal_forms_v1

        texts = batch["text"].to_pylist()
        forms = normal_forms_v1(texts)
        cleaned = pc.binary_length(pc.utf8_trim_whitespace(batch["clean_text"])).to_numpy()
        first: dict[str, int] = {}
        for row, form in enumerate(forms):
            if len(form) >= self.min_chars:
                first.setdefault(form, row)
        rows = np.fromiter(first.values(), np.int64, len(first))
        keys = np.zeros((BANDS, len(texts)), np.uint32)
        keys[:, rows] = band_keys(list(first))
        lengths = np.zeros(len(texts), np.int32)
        lengths[rows] = [len(form) for form in first]
        columns = [
            *digests(texts).T,
            *digests(forms).T,
            (cleaned == 0) | np.array([not form for form in forms], bool),
            pc.utf8_length(batch["text"]),
            lengths,
            *keys,
        ]
        return pa.RecordBatch.from_arrays([pa.array(column) for column in columns], schema=schema())


def schema() -> pa.Schema:
    """Of what :class:`ReadTexts` gives."""
    import pyarrow as pa

    return pa.schema(
        [
            *(pa.field(name, pa.uint64(), nullable=False) for name in (*RAW, *NORMAL)),
            pa.field("blank", pa.bool_(), nullable=False),  # nothing is left of the text
            pa.field("length", pa.int32(), nullable=False),  # characters of the raw text
            pa.field("form_length", pa.int32(), nullable=False),  # 0: not compared
            *(pa.field(name, pa.uint32(), nullable=False) for name in KEYS),
        ]
    )
