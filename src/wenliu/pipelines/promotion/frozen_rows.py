"""The frozen texts against the rows themselves.

Counted here once more, after normalising: nothing that an earlier stage promises about them is
taken for granted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from wenliu.frames import Table
from wenliu.frozen import Frozen, Hashes, form_hashes
from wenliu.parts import Parts
from wenliu.text.normal_form import normal_forms_v1


class FrozenRows(NamedTuple):
    """What became of the gate and audit texts.

    Attributes:
        learned: Rows with such a text that training or its validation sees: 0, or the scores lie.
        lost: Such texts that are no longer among the data.
    """

    learned: int
    lost: int


def count_frozen_rows(
    audited_examples: Table | Parts, judged_texts: Sequence[str], frozen_sets: Mapping[str, Any]
) -> FrozenRows:
    """Holds the hashes of ``frozen.yml`` against all rows.

    Args:
        audited_examples: All rows, with ``split`` and ``dropped``.
        judged_texts: Raw texts of the gate and audit rows.
        frozen_sets: What ``frozen.yml`` holds.
    """
    import pyarrow.compute as pc

    frozen = Frozen.of(frozen_sets)
    assert frozen is not None  # the guard hook lets no run without it come here
    hashes = np.concatenate([frozen.gate, frozen.audit])
    learned = 0
    for batch in Parts.of(audited_examples).batches(["text", "split", "dropped"]):
        seen = pc.and_(pc.not_equal(batch["split"], "test"), pc.is_null(batch["dropped"]))
        learned += int(np.isin(_hashes(batch["text"].filter(seen).to_pylist()), hashes).sum())
    return FrozenRows(learned, int((~np.isin(hashes, _hashes(judged_texts))).sum()))


def _hashes(texts: Sequence[str]) -> Hashes:
    return form_hashes(normal_forms_v1(texts)) if len(texts) else np.zeros(0, np.uint64)
