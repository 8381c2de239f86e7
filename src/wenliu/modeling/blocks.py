"""Attention of packed sequences on a CPU: padded inside attention only, and there but little.

Sequences that follow one another in the batch and are of like length form a block; each block is
padded to its longest, everything else in the model stays packed. On 32 reviews of 13 to 215 tokens
one block for all took 188 ms of attention, a block for each 39, twelve blocks 43; on 32 titles one
block took 8 ms and 32 took 6 (10 and 12.5 with dropout). So blocks are cut by cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

from wenliu.modeling import cpu_dropout

#: What one more block costs, in query-key pairs of one head.
BLOCK_COST = 2_000.0


@dataclass(frozen=True)
class Block:
    """Sequences that attention pads to the longest of them.

    Attributes:
        start: Place of the first token in the packed batch.
        tokens: Real tokens.
        shape: Sequences and padded tokens of each.
        places: Place of each real token among the padded ones; ``None`` where nothing is padded.
        mask: bool of shape (sequences, 1, 1, padded tokens), true for real ones; or ``None``.
    """

    start: int
    tokens: int
    shape: tuple[int, int]
    places: torch.Tensor | None
    mask: torch.Tensor | None

    @classmethod
    def of(cls, start: int, lengths: np.ndarray) -> Block:
        """The block of sequences that stand one after the other from ``start`` on."""
        longest, tokens = int(lengths.max()), int(lengths.sum())
        shape = (len(lengths), longest)
        if len(lengths) * longest == tokens:
            return cls(start, tokens, shape, None, None)
        real = np.arange(longest)[None, :] < lengths[:, None]
        places = torch.from_numpy(np.flatnonzero(real))
        real[lengths == 0, 0] = True  # an empty sequence sees a zero: of nothing softmax is NaN
        return cls(start, tokens, shape, places, torch.from_numpy(real)[:, None, None, :])

    def pad(self, packed: torch.Tensor, heads: int) -> torch.Tensor:
        """(tokens, width) of the block to (sequences, heads, padded tokens, width / heads)."""
        if self.places is not None:
            packed = _Spread.apply(packed, self.places, self.shape[0] * self.shape[1])
        return packed.view(*self.shape, heads, packed.shape[1] // heads).transpose(1, 2)

    def unpad(self, padded: torch.Tensor) -> torch.Tensor:
        """The way back from ``pad``."""
        flat = padded.transpose(1, 2).flatten(2).flatten(0, 1)
        return flat if self.places is None else _Collect.apply(flat, self.places)


def cut_blocks(lengths: np.ndarray) -> list[Block]:
    """Blocks of least cost: query-key pairs, padded ones too, and ``BLOCK_COST`` for each."""
    cuts, starts = _cuts(lengths), np.concatenate([[0], np.cumsum(lengths)])
    return [Block.of(int(starts[begin]), lengths[begin:end]) for begin, end in pairwise(cuts)]


def block_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    blocks: Sequence[Block],
    heads: int,
    dropout: float = 0.0,
    scale: float | None = None,
    one_query: bool = False,
) -> torch.Tensor:
    """Attention within each sequence.

    Args:
        query: (tokens, width); with ``one_query`` (sequences, width).
        key: (tokens, width).
        value: (tokens, width).
        blocks: Of the whole batch, in order.
        heads: Into which the width is divided.
        dropout: Of attention weights.
        scale: Of scores; by default the root of the head width divides them.
        one_query: Whether there is one query in each sequence instead of one for each token.

    Returns:
        As many rows as queries, of the same width.
    """
    sizes = [block.tokens for block in blocks]
    queries = [block.shape[0] for block in blocks] if one_query else sizes
    parts = []
    for block, q, k, v in zip(
        blocks, query.split(queries), key.split(sizes), value.split(sizes), strict=True
    ):
        padded = q.view(len(q), heads, 1, q.shape[1] // heads) if one_query else block.pad(q, heads)
        keys, values = block.pad(k, heads), block.pad(v, heads)
        if dropout:
            found = cpu_dropout.attention(padded, keys, values, block.mask, dropout, scale)
        else:
            found = scaled_dot_product_attention(
                padded, keys, values, attn_mask=block.mask, scale=scale
            )
        parts.append(found.flatten(1) if one_query else block.unpad(found))
    return torch.cat(parts)


def _cuts(lengths: np.ndarray) -> list[int]:
    """Borders of the blocks, by dynamic programming over where the last block begins."""
    least, begins = np.zeros(len(lengths) + 1), np.zeros(len(lengths) + 1, int)
    for end in range(1, len(lengths) + 1):
        longest = np.maximum.accumulate(lengths[:end][::-1])[::-1].astype(float)
        costs = least[:end] + BLOCK_COST + np.arange(end, 0, -1) * longest**2
        begins[end] = costs.argmin()
        least[end] = costs[begins[end]]
    cuts = [len(lengths)]
    while cuts[-1]:
        cuts.append(int(begins[cuts[-1]]))
    return cuts[::-1]


class _Spread(torch.autograd.Function):
    """Rows to their places among zeros. Its gradient is a gather; autograd's own is a scatter."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, places: torch.Tensor, size: int) -> torch.Tensor:
        ctx.save_for_backward(places)
        return rows.new_zeros(size, rows.shape[1]).index_copy_(0, places, rows)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return gradient.index_select(0, *ctx.saved_tensors), None, None


class _Collect(torch.autograd.Function):
    """Rows from places that are all different, so that its gradient is a copy and adds nothing."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(places)
        ctx.size = len(rows)
        return rows.index_select(0, places)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        [places] = ctx.saved_tensors
        zeros = gradient.new_zeros(ctx.size, gradient.shape[1])
        return zeros.index_copy_(0, places, gradient), None
