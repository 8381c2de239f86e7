"""From clean text to token ids: one function, for training and for serving.

``encode`` adds ``[CLS]`` and ``[SEP]`` and cuts by itself, so that what a bundle does at run time
never depends on the truncation or post-processing settings inside somebody's ``tokenizer.json``.

A literal ``[SEP]`` or ``[MASK]`` in a text is text: it is split like any other bracketed word and
never becomes the special token (``load_tokenizer`` switches the matching off). Otherwise a
customer who types ``[SEP]`` could end the sentence for the model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wenliu.text.fast_tokenizer import FastTokenizer
from wenliu.text.tokens import Tokens, as_numbers, offsets_of, ranges

#: Texts tokenized at once before they are cut: flat memory for any table.
BATCH_ROWS = 2_000

TRUNCATIONS = ("head", "tail", "head_tail")


class Pairs(NamedTuple):
    """Rows ``[CLS] first [SEP] second [SEP]``, as Arrow lays out lists.

    Attributes:
        ids: int32, flat.
        offsets: int64 of rows + 1.
        token_types: int32 for each id: 1 for the second text and its ``[SEP]``, else 0.
        spans: (ids, 2) int32: the characters of its own text that each token covers, as in
            ``Tokens``; (0, 0) for special tokens.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    token_types: NDArray[np.int32]
    spans: NDArray[np.int32]


def load_tokenizer(source: Mapping[str, Any] | str | Path) -> FastTokenizer:
    """The tokenizer of a ``tokenizer.json``, given parsed or as a path.

    Padding and truncation stored in the file are switched off, and special tokens written out in
    a text stay text.
    """
    from tokenizers import Tokenizer

    if isinstance(source, Mapping):
        tokenizer = Tokenizer.from_str(json.dumps(source, ensure_ascii=False))
    else:
        tokenizer = Tokenizer.from_file(str(source))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True
    return FastTokenizer(tokenizer)


def special_id(tokenizer: FastTokenizer, token: str) -> int:
    """The id of a special token such as ``[PAD]``.

    Raises:
        ValueError: If the vocabulary lacks it.
    """
    token_id = tokenizer.token_to_id(token)
    if token_id is None:
        raise ValueError(f"The tokenizer has no {token} token.")
    return token_id


def encode(
    tokenizer: FastTokenizer,
    texts: Sequence[str],
    max_length: int,
    truncation: str = "head",
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Token ids of texts, flat, with ``[CLS]`` and ``[SEP]``, at most ``max_length`` a row.

    Args:
        tokenizer: From ``load_tokenizer``.
        texts: Clean texts; a lone surrogate is skipped, as control characters are.
        max_length: Tokens of a row, special tokens included; at least 3.
        truncation: ``head`` keeps the beginning, ``tail`` the end, ``head_tail`` a quarter of the
            room from the beginning and the rest from the end (Sun et al. 2019, "How to fine-tune
            BERT for text classification", keep 128 + 382 of 510).

    Returns:
        ``flat`` int32 of all ids, and ``offsets`` int64 of ``len(texts) + 1``: row ``i`` is
        ``flat[offsets[i]:offsets[i + 1]]``.
    """
    if truncation not in TRUNCATIONS:
        raise ValueError(f"truncation is {truncation!r}, not one of {TRUNCATIONS}.")
    if max_length < 3:
        raise ValueError(f"max_length is {max_length}: [CLS], one token and [SEP] need 3.")
    first, last = special_id(tokenizer, "[CLS]"), special_id(tokenizer, "[SEP]")
    room = max_length - 2
    head = {"head": room, "tail": 0, "head_tail": room // 4}[truncation]
    pieces = [np.zeros(0, dtype=np.int32)]
    counts = [np.zeros(0, dtype=np.int64)]
    for start in range(0, len(texts), BATCH_ROWS):
        tokens = tokenizer.tokenize(texts[start : start + BATCH_ROWS])
        sizes = np.minimum(np.diff(tokens.offsets), room)
        offsets = offsets_of(sizes + 2)
        flat = np.empty(offsets[-1], dtype=np.int32)
        is_text = np.ones(len(flat), dtype=bool)
        for places, special in ((offsets[:-1], first), (offsets[1:] - 1, last)):
            flat[places] = special
            is_text[places] = False
        flat[is_text] = _cut(tokens, sizes, head).ids
        pieces.append(flat)
        counts.append(sizes + 2)
    return np.concatenate(pieces), offsets_of(np.concatenate(counts))


def encode_pairs(
    tokenizer: FastTokenizer, firsts: Sequence[str], seconds: Sequence[str], max_length: int
) -> Pairs:
    """Pairs of texts as BERT reads them, with the characters that each token covers.

    Where a pair is too long, tokens are taken from the end of the longer text until both are of one
    length, and then from both (``longest_first`` of Hugging Face tokenizers).

    Args:
        tokenizer: From ``load_tokenizer``.
        firsts: Clean texts.
        seconds: As many clean texts.
        max_length: Tokens of a row, the three special tokens included; at least 5.
    """
    if len(firsts) != len(seconds):
        raise ValueError(f"{len(firsts)} first texts and {len(seconds)} second texts.")
    if max_length < 5:
        raise ValueError(f"max_length is {max_length}: two tokens and three special ones need 5.")
    special = (special_id(tokenizer, "[CLS]"), special_id(tokenizer, "[SEP]"))
    parts = []
    for start in range(0, max(1, len(firsts)), BATCH_ROWS):
        sides = (texts[start : start + BATCH_ROWS] for texts in (firsts, seconds))
        one, other = (tokenizer.tokenize(texts, spans=True) for texts in sides)
        parts.append(_paired(one, other, max_length - 3, special))
    offsets = offsets_of(np.concatenate([np.diff(part.offsets) for part in parts]))
    ids, types, spans = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("ids", "token_types", "spans")
    )
    return Pairs(ids, offsets, types, spans)


def token_counts(tokenizer: FastTokenizer, texts: Sequence[str]) -> NDArray[np.int64]:
    """Tokens of each text, without special tokens and uncut."""
    counts = [
        np.diff(tokenizer.tokenize(texts[start : start + BATCH_ROWS]).offsets)
        for start in range(0, len(texts), BATCH_ROWS)
    ]
    return np.concatenate([np.zeros(0, dtype=np.int64), *counts])


def _cut(tokens: Tokens, sizes: NDArray[np.int64], head: int | None = None) -> Tokens:
    """The tokens with those left out that are too many, ``offsets`` as they were.

    Args:
        tokens: Of some rows.
        sizes: How many tokens of each row stay.
        head: How many of them come from the beginning, the others from the end; None for all.
    """
    surplus = np.diff(tokens.offsets) - sizes
    if not surplus.any():
        return tokens
    kept = np.ones(len(tokens.ids), dtype=bool)
    kept[ranges(tokens.offsets[:-1] + (sizes if head is None else head), surplus)] = False
    spans = None if tokens.spans is None else tokens.spans[kept]
    return Tokens(tokens.ids[kept], tokens.offsets, spans)


def _paired(one: Tokens, other: Tokens, room: int, special: tuple[int, int]) -> Pairs:
    counts = np.diff(one.offsets), np.diff(other.offsets)
    shorter, longer = np.minimum(*counts), np.maximum(*counts)
    # As Hugging Face does it: the longer text gives way to what the shorter one leaves of the
    # room, but not below its length; if that is still too much, both get half, the longer the odd.
    longer = np.minimum(longer, np.maximum(shorter, room - shorter))
    halved = shorter + longer > room
    shorter = np.where(halved, room // 2, shorter)
    longer = np.where(halved, room // 2 + room % 2, longer)
    swapped = counts[0] > counts[1]
    first_sizes = np.where(swapped, longer, shorter)
    second_sizes = np.where(swapped, shorter, longer)

    offsets = offsets_of(first_sizes + second_sizes + 3)
    ids = np.empty(offsets[-1], dtype=np.int32)
    spans = np.zeros((len(ids), 2), dtype=np.int32)
    sides = np.stack([first_sizes + 2, second_sizes + 1], axis=1)
    types = np.repeat(np.tile(np.array([0, 1], dtype=np.int32), len(sides)), sides.ravel())
    is_text = np.ones(len(ids), dtype=bool)
    for places, token_id in zip(
        (offsets[:-1], offsets[:-1] + sides[:, 0] - 1, offsets[1:] - 1),
        (special[0], special[1], special[1]),
        strict=True,
    ):
        ids[places] = token_id
        is_text[places] = False
    for tokens, sizes, side in ((one, first_sizes, 0), (other, second_sizes, 1)):
        cut = _cut(tokens, sizes)
        of_side = is_text & (types == side)
        ids[of_side] = cut.ids
        if cut.spans is not None:
            as_numbers(spans)[of_side] = as_numbers(cut.spans)
    return Pairs(ids, offsets, types, spans)
