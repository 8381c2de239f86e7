"""Counting what is unknown: the tally against a count text by text with the real tokenizer."""

from __future__ import annotations

import json
from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from wenliu.text.encoding import load_tokenizer
from wenliu.text.unknown import UnknownTally
from wenliu.text.vocabulary import SPECIAL_TOKENS, wordpiece_tokenizer

TOKENS = [*SPECIAL_TOKENS, "快", "递", "a", "##b", ",", "good"]
TOKENIZER = load_tokenizer(json.loads(wordpiece_tokenizer(TOKENS, lowercase=False).to_str()))
UNKNOWN = TOKENIZER.token_to_id("[UNK]")


def tally_of(batches):
    tally = UnknownTally(TOKENIZER)
    counts = [count for batch in batches for count in tally.add(batch)]
    return tally.report(), counts


def test_causes_and_samples():
    report, counts = tally_of([["快Good！", "AB ab 龘", "快递", "😂,😂 good"], ["😂", "“ab”"]])
    assert counts == [3, 4, 2, 4, 1, 4]
    causes = {
        cause: (found["rows"], found["tokens"]) for cause, found in report["by_cause"].items()
    }
    assert causes == {
        "uppercase": (2, 2), "punctuation": (2, 3), "emoji": (2, 3), "rare_han": (1, 1),
        "other": (0, 0),
    }  # fmt: skip
    assert report["by_cause"]["emoji"]["samples"] == ["😂"]
    assert (report["rows"], report["tokens"]) == (5, 9)
    assert report["row_share"] == 5 / 6 and report["token_share"] == 9 / 18


texts = st.lists(st.text("快龘aABb,！\U0001f602é \ud800", max_size=15), max_size=5)


@given(st.lists(texts, max_size=3))
def test_counts_are_those_of_the_real_tokenizer(batches):
    report, counts = tally_of(batches)
    rows, tokens, pieces, lengths = 0, 0, defaultdict(Counter), []
    for text in (text for batch in batches for text in batch):
        encoding = TOKENIZER.plain.encode(
            text.replace("\ud800", "\ufffd"), add_special_tokens=False
        )
        spans = [s for i, s in zip(encoding.ids, encoding.offsets, strict=True) if i == UNKNOWN]
        rows += bool(spans)
        tokens += len(spans)
        lengths.append(len(encoding.ids))
        pieces[text].update(text[start:end] for start, end in spans)
    assert counts == lengths
    assert (report["rows"], report["tokens"]) == (rows, tokens)
    assert sum(found["tokens"] for found in report["by_cause"].values()) == tokens
    shown = {s for found in report["by_cause"].values() for s in found["samples"]}
    assert shown <= {piece for counter in pieces.values() for piece in counter}


def test_a_merged_tally_is_one_tally():
    one, other = UnknownTally(TOKENIZER), UnknownTally(TOKENIZER)
    one.add(["快A", "龘"])
    other.add(["A！", ""])
    one.merge(json.loads(json.dumps(other.counts())))
    assert one.report() == tally_of([["快A", "龘", "A！", ""]])[0]
