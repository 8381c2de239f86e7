"""Every text is read once in its life; digests, lengths and band keys are remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wenliu.parallel import map_parts
from wenliu.pipelines.audit import columns
from wenliu.pipelines.audit.near import NearPairs
from wenliu.pipelines.audit.twins import Twins
from wenliu.text.hashing import numbered

if TYPE_CHECKING:
    from wenliu.frozen import Hashes
    from wenliu.parts import Parts
    from wenliu.pipelines.audit.rows import Ints

_TEXTS = ("text", "clean_text")


class Texts(NamedTuple):
    """What is known of the texts of all rows.

    Attributes:
        twins: Which rows say the same thing.
        lengths: ``(rows,)`` characters of the raw texts.
        hashes: ``(rows,)`` of the normal forms, as frozen sets hold them.
    """

    twins: Twins
    lengths: Ints
    hashes: Hashes


def find_twins(parts: Parts, similarity: float, min_chars: int) -> Texts:
    """Numbers the texts and looks for similar ones.

    Args:
        parts: Rows with ``text`` and ``clean_text``.
        similarity: Edit similarity from which two normal forms are near.
        min_chars: Shorter normal forms are never near.
    """
    read = map_parts(
        columns.ReadTexts(min_chars),
        parts,
        _TEXTS,
        columns.schema(),
        format="arrow",  # to be memory-mapped: a night looks at all keys and copies few
        description="Reading the texts",
    )
    raw, distinct = numbered(_digests(read, columns.RAW))
    normal, firsts = numbered(_digests(read, columns.NORMAL))
    compared = firsts[read.column("form_length").to_numpy()[firsts] > 0]
    near = NearPairs(similarity, min_chars).find(read, compared, parts.select(["text"]))
    twins = Twins(
        raw,
        normal,
        read.column("blank").to_numpy(),
        normal[compared][near],
        len(distinct),
        len(firsts),
    )
    return Texts(twins, read.column("length").to_numpy(), read.column(columns.NORMAL[0]).to_numpy())


def _digests(read: Parts, names: tuple[str, str]) -> np.ndarray:
    return np.stack([read.column(name).to_numpy() for name in names], axis=1)
