"""Tokenizers: the character vocabulary of a model from scratch, and BERT's own from a checkpoint.

Both are the same pipeline (BERT's normalizer and pre-tokenizer, WordPiece), so a model trained
from scratch is read by plain transformers like any other BERT.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

#: Texts whose characters are counted at once.
_CHUNK_ROWS = 10_000

#: Blocks that BERT's normalizer surrounds with blanks: each character is a word of its own.
_HAN_BLOCKS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


def is_han(character: str) -> bool:
    """Whether BERT takes the character for a Chinese one."""
    point = ord(character)
    return any(first <= point <= last for first, last in _HAN_BLOCKS)


def is_punctuation(character: str) -> bool:
    """Whether BERT splits words at the character: ASCII symbols and Unicode punctuation."""
    point = ord(character)
    ascii_symbol = 33 <= point <= 126 and not character.isalnum()
    return ascii_symbol or unicodedata.category(character).startswith("P")


def build_character_tokenizer(texts: Iterable[str], min_count: int = 2) -> Tokenizer:
    """A tokenizer whose tokens are the characters of ``texts``, lower-cased.

    Han characters and punctuation stand alone; every other character is there twice, as the
    beginning of a word and as its continuation (``##a``). Ids 0 to 4 are the special tokens, the
    others follow by falling count, so one training set gives one vocabulary.

    Args:
        texts: Clean training texts.
        min_count: Characters seen less often are ``[UNK]``.
    """
    from tokenizers.normalizers import BertNormalizer

    normalizer = BertNormalizer(lowercase=True)
    counts: Counter[str] = Counter()
    # The normalizer changes characters one by one, so it need not see the texts themselves.
    for character, times in _count_characters(texts).items():
        for normalized in normalizer.normalize_str(character):
            counts[normalized] += times
    kept = sorted(
        (c for c, n in counts.items() if n >= min_count and not c.isspace()),
        key=lambda c: (-counts[c], c),
    )
    tokens = list(SPECIAL_TOKENS)
    tokens += kept
    tokens += [f"##{c}" for c in kept if not is_han(c) and not is_punctuation(c)]
    return wordpiece_tokenizer(tokens, lowercase=True)


def _count_characters(texts: Iterable[str]) -> dict[str, int]:
    counts = np.zeros(0x110000, np.int64)
    texts = iter(texts)
    while chunk := list(islice(texts, _CHUNK_ROWS)):
        codes = np.frombuffer("".join(chunk).encode("utf-32-le"), "<u4")
        counts += np.bincount(codes, minlength=counts.size)
    return {chr(code): int(counts[code]) for code in np.flatnonzero(counts)}


def wordpiece_tokenizer(tokens: Sequence[str], lowercase: bool) -> Tokenizer:
    """BERT's tokenizer over a vocabulary, as ``vocab.txt`` lists it.

    Args:
        tokens: Vocabulary in order: the position is the id.
        lowercase: Whether Latin letters are lower-cased and lose their accents.

    Raises:
        ValueError: If a special token is missing.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from tokenizers.processors import TemplateProcessing

    vocabulary = {token: i for i, token in enumerate(tokens)}
    missing = [token for token in SPECIAL_TOKENS if token not in vocabulary]
    if missing:
        raise ValueError(f"The vocabulary lacks {', '.join(missing)}.")
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in SPECIAL_TOKENS])
    tokenizer.encode_special_tokens = True
    return tokenizer
