"""Which rows make a batch, and the batch itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

#: Batches whose rows are sorted by length together. Sorting everything would bind each row to
#: the same neighbours in every epoch; windows of 50 batches compute 1 to 5 % padding in vain
#: (windows of 8: 28 % on a thousand rows; random batches: 33 to 250 %).
WINDOW_BATCHES = 50


@dataclass(frozen=True)
class Rows:
    """Token ids of rows, flat: row ``i`` is ``flat[starts[i]:starts[i] + lengths[i]]``.

    A selection of rows shares ``flat`` with the table it came from (it may be memory-mapped).
    """

    flat: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    @classmethod
    def from_offsets(cls, flat: np.ndarray, offsets: np.ndarray, labels: np.ndarray) -> Rows:
        """Rows of Arrow's list layout: ``offsets`` has one entry more than there are rows."""
        return cls(flat, offsets[:-1], np.diff(offsets), labels)

    def take(self, rows: np.ndarray) -> Rows:
        """The selected rows, in the order given."""
        return Rows(self.flat, self.starts[rows], self.lengths[rows], self.labels[rows])


def training_batches(
    lengths: np.ndarray, batch_size: int, seed: int, epoch: int
) -> list[np.ndarray]:
    """Row numbers of every batch of an epoch.

    Rows are shuffled, sorted by length within windows of ``WINDOW_BATCHES`` batches, cut into
    batches of exactly ``batch_size`` rows (the last one has the rest), and these are shuffled.
    Depends on its arguments alone, so a resumed run sees the same batches.
    """
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(lengths))
    window = batch_size * WINDOW_BATCHES
    for start in range(0, len(order), window):
        part = order[start : start + window]
        order[start : start + window] = part[np.argsort(lengths[part], kind="stable")]
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    return [batches[i] for i in generator.permutation(len(batches))]


def budget_batches(lengths: np.ndarray, batch_tokens: int) -> list[np.ndarray]:
    """Row numbers sorted by length, in batches of at most ``batch_tokens`` padded tokens.

    For prediction, where neighbours do not matter. A row longer than the budget is alone.
    """
    order = np.argsort(lengths, kind="stable")
    batches, start = [], 0
    for end in range(1, len(order) + 1):
        if end == len(order) or (end + 1 - start) * int(lengths[order[end]]) > batch_tokens:
            batches.append(order[start:end])
            start = end
    return batches


def collate(rows: Rows, selected: np.ndarray, pad_id: int) -> dict[str, torch.Tensor]:
    """Pads the selected rows to the longest of them.

    Returns:
        ``input_ids`` and ``attention_mask``, int64 of shape (rows, tokens), on the CPU.
    """
    lengths = rows.lengths[selected]
    input_ids = np.full((len(lengths), int(lengths.max())), pad_id, dtype=np.int64)
    for i, (start, length) in enumerate(zip(rows.starts[selected], lengths, strict=True)):
        input_ids[i, :length] = rows.flat[start : start + length]
    mask = np.arange(input_ids.shape[1])[None, :] < lengths[:, None]
    return {
        "input_ids": torch.from_numpy(input_ids),
        "attention_mask": torch.from_numpy(mask.astype(np.int64)),
    }


def hide_tokens(attention_mask: torch.Tensor, share: float) -> None:
    """Hides a random share of the tokens from attention, in place; the first one stays.

    Word dropout (Iyyer et al. 2015) by the mask, so that it needs no [MASK] token: a model with
    few training rows must not rest on a single character.
    """
    hidden = torch.rand(attention_mask.shape) < share
    hidden[:, 0] = False
    attention_mask[hidden] = 0


def padding_waste(lengths: np.ndarray, batches: Sequence[np.ndarray]) -> float:
    """Padded tokens for each real token that the batches compute in vain: 0.05 is 5 %."""
    real = int(lengths.sum())
    computed = sum(int(lengths[batch].max()) * len(batch) for batch in batches)
    return computed / real - 1.0 if real else 0.0
