"""What deals a row, as a column function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wenliu.parallel import ColumnFunction, map_parts
from wenliu.parts import Parts

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class RowKeys(ColumnFunction):
    """From ``text`` and ``group`` to the numbers that decide a row's side.

    Attributes:
        salt: Another one deals all rows anew.
    """

    salt: str

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Gives ``fraction`` in [0, 1) of the row's key, and ``form``, the normal form's hash."""
        import pyarrow as pa

        from wenliu.frozen import form_hashes
        from wenliu.text.hashing import stable_fractions
        from wenliu.text.normal_form import normal_forms_v1

        forms = normal_forms_v1(batch["text"].to_pylist())
        keys = row_keys(forms, batch["group"].to_pylist())
        columns = [pa.array(stable_fractions(keys, self.salt)), pa.array(form_hashes(forms))]
        return pa.RecordBatch.from_arrays(columns, schema=keys_schema())


def keys_schema() -> pa.Schema:
    """Of what :class:`RowKeys` gives."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("fraction", pa.float64(), nullable=False),
            pa.field("form", pa.uint64(), nullable=False),
        ]
    )


def read_keys(parts: Parts, salt: str) -> pa.Table:
    """What :class:`RowKeys` gives for all rows; every text is normalised once in its life.

    Args:
        parts: Rows with ``text`` and ``group``.
        salt: As frozen, or as in the parameters.
    """
    keys = map_parts(
        RowKeys(salt),
        parts,
        ["text", "group"],
        keys_schema(),
        format="arrow",
        description="Hashing the texts",
    )
    return keys.table()


def row_keys(forms: Sequence[str], groups: Sequence[str | None]) -> list[str]:
    """What decides a row's side: its group, else the fixed normal form of its raw text."""
    return [
        f"group:{group}" if group is not None else f"text:{form}"
        for form, group in zip(forms, groups, strict=True)
    ]
