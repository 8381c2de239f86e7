"""Tokenizers: the character vocabulary of a model from scratch, and BERT's own from a checkpoint.

Both are the same pipeline (BERT's normalizer and pre-tokenizer, WordPiece), so a model trained
from scratch is read by plain transformers like any other BERT.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

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
    """A tokenizer whose tokens are the characters of ``texts``: :func:`character_tokenizer`."""
    counts: Counter[str] = Counter()
    texts = iter(texts)
    while chunk := list(islice(texts, _CHUNK_ROWS)):
        counts.update(count_characters("".join(chunk)))
    return character_tokenizer([counts], min_count)


def character_tokenizer(counts: Iterable[Mapping[str, int]], min_count: int = 2) -> Tokenizer:
    """A tokenizer whose tokens are the characters of the training texts, lower-cased.

    Han characters and punctuation stand alone; every other character is there twice, as the
    beginning of a word and as its continuation (``##a``). Ids 0 to 4 are the special tokens.

    The others follow in the order of the parts in which they were seen for the ``min_count``-th
    time, and within a part of their code points: new parts add to the end of the vocabulary, and a
    row more or less in an old one moves nothing but what is hardly there. So token ids stay.

    Args:
        counts: How often each character stands in the training texts of each part.
        min_count: Characters seen less often are ``[UNK]``.
    """
    from tokenizers.normalizers import BertNormalizer

    # The normalizer changes characters one by one, so it need not see the texts themselves.
    normalized = cache(BertNormalizer(lowercase=True).normalize_str)
    seen: Counter[str] = Counter()
    kept: dict[str, None] = {}
    for part in counts:
        for character, times in part.items():
            for each in normalized(character):
                seen[each] += times
        new = (c for c, n in seen.items() if n >= min_count and c not in kept and not c.isspace())
        kept |= dict.fromkeys(sorted(new))
    tokens = list(SPECIAL_TOKENS)
    for character in kept:
        tokens.append(character)
        if not is_han(character) and not is_punctuation(character):
            tokens.append(f"##{character}")
    return wordpiece_tokenizer(tokens, lowercase=True)


def count_characters(text: str) -> dict[str, int]:
    """How often each character stands in a text, in the order of their code points."""
    counts = np.bincount(np.frombuffer(text.encode("utf-32-le"), "<u4"))
    found = np.flatnonzero(counts)
    return dict(zip(map(chr, found.tolist()), counts[found].tolist(), strict=True))


def tokens_within(tokenizer: Mapping[str, Any], characters: str) -> dict[str, int]:
    """The part of a vocabulary that texts of these characters can meet.

    Two tokenizers that differ elsewhere alone make the same of such texts.

    Args:
        tokenizer: A parsed ``tokenizer.json``, as :func:`wordpiece_tokenizer` makes it.
        characters: Of the texts, each once.
    """
    from tokenizers.normalizers import BertNormalizer

    met = set(characters)
    lines = "\n".join(characters)
    for lowercase in (True, False):
        met |= set(BertNormalizer(lowercase=lowercase).normalize_str(lines))
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
    return {
        token: number
        for token, number in vocabulary.items()
        if token in SPECIAL_TOKENS or met.issuperset(token.removeprefix("##"))
    }


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
