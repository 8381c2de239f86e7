"""The frozen texts against the rows themselves.

Counted here once more, after normalising: nothing that an earlier stage promises about them is
taken for granted. What is remembered is the hash of a text under the digest of that very text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from wenliu.frames import Table
from wenliu.frozen import Frozen, Hashes
from wenliu.parts import Parts
from wenliu.pipelines.splitting.columns import read_keys


class FrozenRows(NamedTuple):
    """What became of the gate and audit texts.

    Attributes:
        learned: Rows with such a text that training or its validation sees: 0, or the scores lie.
        lost: Such texts that are no longer among the data.
    """

    learned: int
    lost: int


def count_frozen_rows(
    audited_examples: Table | Parts, judged: Hashes, frozen_sets: Mapping[str, Any]
) -> FrozenRows:
    """Holds the hashes of ``frozen.yml`` against all rows.

    Args:
        audited_examples: All rows, with ``text``, ``group``, ``split`` and ``dropped``.
        judged: Hashes of the gate and audit rows' normal forms.
        frozen_sets: What ``frozen.yml`` holds.
    """
    import pyarrow.compute as pc

    frozen = Frozen.of(frozen_sets)
    assert frozen is not None  # the guard hook lets no run without it come here
    parts = Parts.of(audited_examples)
    sides = parts.table(["split", "dropped"])
    learned = pc.and_(pc.not_equal(sides["split"], "test"), pc.is_null(sides["dropped"]))
    forms = read_keys(parts, frozen.salt)["form"].to_numpy()
    hashes = np.concatenate([frozen.gate, frozen.audit])
    return FrozenRows(
        learned=len(frozen.overlap(forms, learned.to_numpy())),
        lost=int((~np.isin(hashes, judged)).sum()),
    )
