"""Attention within each sequence of a packed batch, as transformers calls it.

Registered as ``wenliu_packed``. Every layer of a stock model hands the keyword ``packing`` through
to it. A call without one is an ordinary padded call and goes to PyTorch's ``sdpa``, mask included:
a model never mixes its sequences because somebody calls it the usual way.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from wenliu.modeling.blocks import block_attention
from wenliu.modeling.packing import Packed

NAME = "wenliu_packed"


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    packing: Packed | None = None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Transformers' attention function.

    Args:
        module: The attention module that calls.
        query: (1, heads, tokens, head width), and so are key and value.
        key: See query.
        value: See query.
        attention_mask: Of an ordinary call; there is none with ``packing``.
        packing: Where the sequences are.
        dropout: Of attention weights.
        scaling: Of scores.
        others: For an ordinary call.

    Returns:
        (1, tokens, heads, head width), and no weights.
    """
    if packing is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, **others
        )
    _, heads, tokens, _ = query.shape
    q, k, v = (x[0].transpose(0, 1).reshape(tokens, -1) for x in (query, key, value))
    found = attend(q, k, v, packing, heads, dropout, scaling)
    return found.view(1, tokens, heads, -1), None


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    packing: Packed,
    heads: int,
    dropout: float,
    scaling: float | None,
    one_query: bool = False,
) -> torch.Tensor:
    """Attention within each sequence, by the kernel that suits device, precision and dropout.

    Args:
        query: (tokens, width); with ``one_query`` (sequences, width).
        key: (tokens, width).
        value: (tokens, width).
        packing: Where the sequences are.
        heads: Into which the width is divided.
        dropout: Of attention weights.
        scaling: Of scores.
        one_query: Of each sequence instead of one for each token; not on CUDA.
    """
    if not query.is_cuda:
        return block_attention(
            query, key, value, packing.blocks, heads, dropout, scaling, one_query
        )
    width = query.shape[1] // heads
    scale = width**-0.5 if scaling is None else scaling
    q, k, v = (widen_heads(x.view(len(x), heads, width)) for x in (query, key, value))
    offsets, longest = packing.offsets, packing.longest
    if dropout == 0.0 and q.dtype in (torch.bfloat16, torch.float16):
        from torch.nn.attention.varlen import varlen_attn

        found = varlen_attn(q, k, v, offsets, offsets, longest, longest, scale=scale)
        assert isinstance(found, torch.Tensor)  # a pair only where the logsumexp is asked for
    else:
        # A row has [CLS] at least, a dummy of a static shape one token. With a minimum of 0
        # PyTorch takes no fused kernel, but one that waits for the device at every sequence.
        offsets = offsets.long()
        q, k, v = (
            torch.nested.nested_tensor_from_jagged(
                x, offsets, min_seqlen=1, max_seqlen=longest
            ).transpose(1, 2)
            for x in (q, k, v)
        )
        nested = scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scale)
        found = nested.transpose(1, 2).values()
    return found[..., :width].reshape(len(query), -1)


def widen_heads(heads: torch.Tensor) -> torch.Tensor:
    """Zeros behind the last dimension, up to the multiple of 8 that CUDA's kernels want.

    They change no score and only append zeros to what is found; the scale has to be that of the
    width before.
    """
    missing = -heads.shape[-1] % 8
    return pad(heads, (0, missing)) if missing else heads


AttentionInterface.register(NAME, packed_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
