"""The audit reads part by part what a plain reading of all texts at once would find."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

from wenliu.parts import Parts
from wenliu.pipelines.audit import texts as module
from wenliu.pipelines.audit.rows import fetch_rows
from wenliu.pipelines.audit.texts import find_twins
from wenliu.text.near_duplicates import near_pairs
from wenliu.text.normal_form import normal_form_v1

_HAN = [chr(code) for code in range(0x4E00, 0x5200)]


def messages(count: int, seed: int) -> list[str]:
    """Texts of which many are identical, equal but for the form, near, short, or blank."""
    chance = random.Random(seed)
    made: list[str] = []
    for _ in range(count):
        kind = chance.random()
        if made and kind < 0.5:
            text = chance.choice(made)
            if kind < 0.1:
                text = text.upper() + chance.choice([" ", "\u3000", "\u200b"])
            elif kind < 0.35 and text:
                at = chance.randrange(len(text))
                text = text[:at] + chance.choice("甲乙丙ＡΣ…") + text[at + 1 :]
        elif kind < 0.55:
            text = chance.choice(["", " ", "\u200b", "好"])
        else:
            text = "".join(chance.choices(_HAN, k=chance.randint(10, 60))) + "Ａbc"
        made.append(text)
    return made


def at_once(texts: list[str], clean: list[str], similarity: float, min_chars: int):
    """Numbers by dictionary, near pairs among all distinct normal forms in memory."""
    forms = [normal_form_v1(text) for text in texts]
    raw_numbers, numbers = ({t: i for i, t in enumerate(dict.fromkeys(x))} for x in (texts, forms))
    return (
        [raw_numbers[text] for text in texts],
        [numbers[form] for form in forms],
        [not form or not text.strip() for form, text in zip(forms, clean, strict=True)],
        near_pairs(list(numbers), similarity, min_chars).tolist(),
        len(numbers),
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_same_is_found_part_by_part(seed, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_ROWS", 37)
    monkeypatch.setattr("wenliu.parts.PART_ROWS", 100)
    texts = messages(700, seed)
    clean = [text.replace("好", "") for text in texts]
    table = pa.table({"text": texts, "clean_text": clean})
    batches = table.slice(0, 333).to_batches() + table.slice(333).to_batches()
    twins, lengths = find_twins(Parts.of(pa.Table.from_batches(batches)), 0.85, 12)
    raw, normal, blank, pairs, count = at_once(texts, clean, 0.85, 12)
    assert twins.raw.tolist() == raw
    assert twins.normal.tolist() == normal
    assert twins.blank.tolist() == blank
    assert twins.pairs.tolist() == pairs
    assert len(pairs) > 50
    assert twins.n_normal == count
    assert lengths.tolist() == [len(text) for text in texts]


def test_there_may_be_no_rows_and_no_long_texts():
    empty = pa.table({"text": pa.array([], pa.string()), "clean_text": pa.array([], pa.string())})
    twins, lengths = find_twins(Parts.of(empty), 0.9, 16)
    assert len(twins.raw) == len(lengths) == twins.n_normal == 0
    short = pa.table({"text": ["好", "好", "差"], "clean_text": ["好", "好", "差"]})
    twins, _ = find_twins(Parts.of(short), 0.9, 16)
    assert twins.normal.tolist() == [0, 0, 1]
    assert twins.pairs.shape == (0, 2)


def test_single_rows_are_fetched_from_any_part():
    table = pa.table({"id": list("abcdefg"), "text": list("甲乙丙丁戊己庚")})
    parts = Parts.of(pa.concat_tables([table.slice(0, 3), table.slice(3, 2), table.slice(5)]))
    assert fetch_rows(parts, [6, 0, 4, 0]) == {0: ("a", "甲"), 4: ("e", "戊"), 6: ("g", "庚")}
    assert fetch_rows(parts, np.array([], np.int64)) == {}
