"""Exactly the tokens of a Hugging Face tokenizer of BERT's kind, some fifty times as fast.

A column of texts becomes one array of code points. Blanks, Chinese characters and punctuation are
looked up in a table (``code_points``, which also says why that is exact); every run of other
characters comes from a cache (``run_cache``). Both are filled by asking the real tokenizer. Where
equality is not proven the real tokenizer does the work: all of it for a tokenizer of another kind,
single texts where an added token is written out in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wenliu.text.code_points import IN_RUN, CodePointTable
from wenliu.text.run_cache import RunCache
from wenliu.text.tokens import Tokens, concatenated, ranges

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: Characters worked on at once: the arrays stay in a core's cache, and memory stays flat.
BLOCK_CHARACTERS = 50_000


class FastTokenizer:
    """Gives what ``plain`` gives, without special tokens and uncut. Threads may share it.

    Lone surrogates read as U+FFFD; ``plain`` would refuse them.

    Attributes:
        plain: The real tokenizer. Its settings must not change any more.
        is_fast: Whether anything is looked up; otherwise ``plain`` does all the work.
    """

    def __init__(self, plain: Tokenizer) -> None:
        self.plain = plain
        settings = json.loads(plain.to_str())
        matched = [
            token
            for token in settings["added_tokens"]
            if not (token["special"] and plain.encode_special_tokens)
        ]
        self._added = [token["content"] for token in matched]
        # Where these would match cannot be seen in the text as it is given.
        hidden = any(token["normalized"] or "\ufffd" in token["content"] for token in matched)
        self.is_fast = _is_of_known_kind(settings) and not hidden
        if self.is_fast:
            bare = _without_added_tokens(plain)
            self._lock = Lock()
            self._table = CodePointTable(bare)
            self._runs = RunCache(bare)

    def token_to_id(self, token: str) -> int | None:
        """The id of a token, None if the vocabulary lacks it."""
        return self.plain.token_to_id(token)

    def id_to_token(self, token_id: int) -> str | None:
        """The token of an id, None if there is no such id."""
        return self.plain.id_to_token(token_id)

    def get_vocab_size(self) -> int:
        """Tokens in the vocabulary."""
        return self.plain.get_vocab_size()

    def get_vocab(self) -> dict[str, int]:
        """Tokens and their ids."""
        return self.plain.get_vocab()

    def tokenize(self, texts: Sequence[str], spans: bool = False) -> Tokens:
        """Tokens of texts; with ``spans`` also the characters that each of them covers."""
        return concatenated(
            [self._block(block, lengths, spans) for block, lengths in _blocks(texts)]
        )

    def _block(self, texts: Sequence[str], lengths: NDArray[np.int64], spans: bool) -> Tokens:
        if not self.is_fast:
            return self._by_plain(texts, spans)
        joined = "\n".join(texts)
        if not any(token in joined for token in self._added):
            return self._by_table(joined, lengths, spans)
        parts = []
        for has_added, group in groupby(texts, lambda text: any(t in text for t in self._added)):
            stretch = list(group)
            parts.append(
                self._by_plain(stretch, spans)
                if has_added
                else self._by_table("\n".join(stretch), _lengths(stretch), spans)
            )
        return concatenated(parts)

    def _by_plain(self, texts: Sequence[str], spans: bool) -> Tokens:
        encode = self.plain.encode_batch if spans else self.plain.encode_batch_fast
        rows = encode([storable(text) for text in texts], add_special_tokens=False)
        offsets = np.zeros(len(texts) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        ids = np.array([i for row in rows for i in row.ids], dtype=np.int32)
        if not spans:
            return Tokens(ids, offsets)
        covered = np.array([span for row in rows for span in row.offsets], dtype=np.int32)
        return Tokens(ids, offsets, covered.reshape(-1, 2))

    def _by_table(self, joined: str, lengths: NDArray[np.int64], spans: bool) -> Tokens:
        """The texts, joined by line feeds, as separators of one token each and runs of any number.

        ``place``: where something stands in ``joined``; ``to``: where in the flat result.
        """
        joined, points = _code_points(joined)
        with self._lock:
            values = self._table.look_up(points)
            run_starts, run_ends = _stretches(values == IN_RUN)
            places = zip(run_starts.tolist(), run_ends.tolist(), strict=True)
            runs = self._runs.tokens([joined[start:end] for start, end in places], spans)
        single_places = np.flatnonzero(values >= 0)
        run_counts = np.diff(runs.offsets)
        to = ranges(np.searchsorted(single_places, run_starts) + runs.offsets[:-1], run_counts)
        is_single = np.ones(len(single_places) + len(to), dtype=bool)
        is_single[to] = False

        def merged(of_singles: NDArray[Any], of_runs: NDArray[Any]) -> NDArray[np.int32]:
            flat = np.empty(len(is_single), dtype=np.int32)
            flat[is_single] = of_singles
            flat[to] = of_runs
            return flat

        row_ends = np.cumsum(lengths + 1) - 1
        offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
        offsets[1:] = np.searchsorted(single_places, row_ends)
        offsets[1:] += runs.offsets[np.searchsorted(run_starts, row_ends)]
        ids = merged(values[single_places], runs.ids)
        if runs.spans is None:
            return Tokens(ids, offsets)
        of_runs = runs.spans + np.repeat(run_starts, run_counts)[:, None]
        covered = np.empty((len(ids), 2), dtype=np.int32)
        row_starts = np.repeat(row_ends - lengths, np.diff(offsets))
        covered[:, 0] = merged(single_places, of_runs[:, 0]) - row_starts
        covered[:, 1] = merged(single_places + 1, of_runs[:, 1]) - row_starts
        return Tokens(ids, offsets, covered)


def storable(text: str) -> str:
    """The text with lone surrogates replaced: tokenizers takes UTF-8 and would crash on them."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    return text


def _is_of_known_kind(settings: Mapping[str, Any]) -> bool:
    """Whether the proof in ``code_points`` holds for the tokenizer."""
    model, processor = settings["model"], settings["post_processor"]
    kinds = [(settings[part] or {}).get("type") for part in ("normalizer", "pre_tokenizer")]
    if [*kinds, model["type"]] != ["BertNormalizer", "BertPreTokenizer", "WordPiece"]:
        return False
    if settings["truncation"] or settings["padding"] or model["unk_token"] not in model["vocab"]:
        return False
    if processor and processor["type"] == "TemplateProcessing":
        # Without special tokens such a template leaves a text as it is, once.
        return sum("Sequence" in piece for piece in processor["single"]) == 1
    return processor is None or processor["type"] == "BertProcessing"


def _without_added_tokens(tokenizer: Tokenizer) -> Tokenizer:
    """Normalizer, pre-tokenizer and model of a tokenizer alone: what added tokens never touch."""
    from tokenizers import Tokenizer

    bare = Tokenizer(tokenizer.model)
    bare.normalizer = tokenizer.normalizer
    bare.pre_tokenizer = tokenizer.pre_tokenizer
    return bare


def _code_points(text: str) -> tuple[str, NDArray[np.uint32]]:
    """The text without lone surrogates, and its code points."""
    try:
        encoded = text.encode("utf-32-le")
    except UnicodeEncodeError:
        text = storable(text)
        encoded = text.encode("utf-32-le")
    return text, np.frombuffer(encoded, dtype="<u4")


def _stretches(chosen: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where stretches of True begin and end."""
    framed = np.zeros(len(chosen) + 2, dtype=bool)
    framed[1:-1] = chosen
    borders = np.flatnonzero(framed[1:] != framed[:-1])
    return borders[::2], borders[1::2]


def _lengths(texts: Sequence[str]) -> NDArray[np.int64]:
    return np.fromiter(map(len, texts), np.int64, len(texts))


def _blocks(texts: Sequence[str]) -> Iterator[tuple[Sequence[str], NDArray[np.int64]]]:
    """Texts of about ``BLOCK_CHARACTERS`` together, and their lengths; at least one block."""
    lengths = _lengths(texts)
    total = np.cumsum(lengths + 1)
    first = 0
    while first < len(texts) or not first:
        done = total[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(total, done + BLOCK_CHARACTERS)))
        yield texts[first:last], lengths[first:last]
        first = last
