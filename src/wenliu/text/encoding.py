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
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: Texts handed to the tokenizer at once: enough for its threads, flat memory for any table.
BATCH_ROWS = 2_000

TRUNCATIONS = ("head", "tail", "head_tail")


def load_tokenizer(source: Mapping[str, Any] | str | Path) -> Tokenizer:
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
    return tokenizer


def special_id(tokenizer: Tokenizer, token: str) -> int:
    """The id of a special token such as ``[PAD]``.

    Raises:
        ValueError: If the vocabulary lacks it.
    """
    token_id = tokenizer.token_to_id(token)
    if token_id is None:
        raise ValueError(f"The tokenizer has no {token} token.")
    return token_id


def encode(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    max_length: int,
    truncation: str = "head",
) -> tuple[np.ndarray, np.ndarray]:
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
    pieces: list[np.ndarray] = []
    offsets = np.zeros(len(texts) + 1, dtype=np.int64)
    for start in range(0, len(texts), BATCH_ROWS):
        flat: list[int] = []
        for row, ids in enumerate(token_rows(tokenizer, texts[start : start + BATCH_ROWS])):
            flat.append(first)
            flat.extend(_cut(ids, room, truncation))
            flat.append(last)
            offsets[start + row + 1] = len(flat)
        offsets[start + 1 : start + BATCH_ROWS + 1] += offsets[start]
        pieces.append(np.asarray(flat, dtype=np.int32))
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int32), offsets


def token_rows(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text, without special tokens and uncut. One batch: keep it small."""
    batch = tokenizer.encode_batch_fast([_storable(t) for t in texts], add_special_tokens=False)
    return [encoding.ids for encoding in batch]


def token_spans(tokenizer: Tokenizer, text: str) -> tuple[list[int], list[tuple[int, int]]]:
    """Token ids of one text and the characters each came from, without special tokens."""
    encoding = tokenizer.encode(_storable(text), add_special_tokens=False)
    return encoding.ids, encoding.offsets


def _cut(ids: list[int], room: int, truncation: str) -> list[int]:
    if len(ids) <= room:
        return ids
    if truncation == "head":
        return ids[:room]
    if truncation == "tail":
        return ids[-room:]
    head = room // 4
    return ids[:head] + ids[len(ids) - (room - head) :]


def _storable(text: str) -> str:
    """The text with lone surrogates replaced: tokenizers takes UTF-8 and would crash on them."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    return text
