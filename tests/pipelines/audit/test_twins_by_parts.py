"""The audit reads part by part what a plain reading of all texts at once would find."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wenliu.parts import Parts
from wenliu.pipelines.audit import near
from wenliu.pipelines.audit.columns import ReadTexts
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


def cut(table: pa.Table, borders: list[int]) -> pa.Table:
    """The same rows in chunks, which are parts."""
    places = [0, *borders, table.num_rows]
    slices = [table.slice(a, b - a).combine_chunks() for a, b in pairwise(places)]
    return pa.concat_tables(slices)


@pytest.mark.parametrize("seed", range(4))
def test_the_same_is_found_part_by_part(seed, monkeypatch):
    monkeypatch.setattr("wenliu.parallel.BATCH_ROWS", 37)
    texts = messages(700, seed)
    clean = [text.replace("好", "") for text in texts]
    table = pa.table({"text": texts, "clean_text": clean})
    twins, lengths, _ = find_twins(Parts.of(cut(table, [333, 334])), 0.85, 12)
    raw, normal, blank, pairs, count = at_once(texts, clean, 0.85, 12)
    assert twins.raw.tolist() == raw
    assert twins.normal.tolist() == normal
    assert twins.blank.tolist() == blank
    assert twins.pairs.tolist() == pairs
    assert len(pairs) > 50
    assert twins.n_normal == count
    assert lengths.tolist() == [len(text) for text in texts]


FILES = [messages(40 + 10 * number, number) for number in range(6)]
TEMPLATE = "尊敬的客户您的订单已经发货请注意查收谢谢您对我们的支持"
FILES[1] += [f"{TEMPLATE}{number:03}" for number in range(40)]
FILES[4] += [f"{TEMPLATE}{number:03}" for number in range(30, 90, 2)]


def files_as_parts(numbers: list[int]) -> Parts:
    schema = pa.schema([("text", pa.string()), ("clean_text", pa.string())])
    tables = [pa.table(dict.fromkeys(schema.names, FILES[i]), schema) for i in numbers]
    return Parts.of(pa.concat_tables(tables))


@settings(max_examples=10, deadline=None)
@given(
    nights=st.lists(st.lists(st.integers(0, 5), min_size=1, unique=True), min_size=1, max_size=4)
)
def test_what_is_remembered_changes_nothing(nights):
    """Files come, go and change places; each night finds what one that remembers nothing does."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("wenliu.memo._place", lambda: Path(folder))
        for files in nights:
            patch.setenv("WENLIU_MEMO", "on")
            remembering = find_twins(files_as_parts(files), 0.85, 12).twins
            patch.setenv("WENLIU_MEMO", "off")
            anew = find_twins(files_as_parts(files), 0.85, 12).twins
            for name in ("raw", "normal", "blank", "pairs"):
                assert np.array_equal(getattr(remembering, name), getattr(anew, name)), name


def test_a_night_reads_and_compares_its_own_texts_only(tmp_path, monkeypatch):
    monkeypatch.setattr("wenliu.memo._place", lambda: tmp_path)
    monkeypatch.setenv("WENLIU_MEMO", "on")
    find_twins(files_as_parts([0, 1, 2, 3]), 0.85, 12)
    read, since = [], []
    of_columns, of_pairs = ReadTexts.__call__, near.find_pairs

    def reading(self, batch):
        read.append(batch.num_rows)
        return of_columns(self, batch)

    def pairing(keys, lengths, fetch, similarity, start):
        since.append((len(keys), start))
        return of_pairs(keys, lengths, fetch, similarity, start)

    monkeypatch.setattr(ReadTexts, "__call__", reading)
    monkeypatch.setattr(near, "find_pairs", pairing)
    find_twins(files_as_parts([0, 1, 2, 3, 4]), 0.85, 12)
    assert read == [len(FILES[4])]
    [(compared, old)] = since
    assert compared - old <= len(FILES[4])
    find_twins(files_as_parts([0, 1, 2, 3, 4]), 0.85, 12)
    assert len(read) == len(since) == 1


def test_what_is_remembered_of_a_row_is_small_however_long_its_text(tmp_path, monkeypatch):
    monkeypatch.setattr("wenliu.memo._place", lambda: tmp_path)
    monkeypatch.setenv("WENLIU_MEMO", "on")
    chance = random.Random(5)
    texts = ["".join(chance.choices(_HAN, k=300)) for _ in range(2000)]
    find_twins(Parts.of(pa.table({"text": texts, "clean_text": texts})), 0.85, 12)
    taken = sum(path.stat().st_size for path in tmp_path.rglob("*.arrow"))
    assert 100 < taken / len(texts) < 145


def test_there_may_be_no_rows_and_no_long_texts():
    empty = pa.table({"text": pa.array([], pa.string()), "clean_text": pa.array([], pa.string())})
    twins, lengths, _ = find_twins(Parts.of(empty), 0.9, 16)
    assert len(twins.raw) == len(lengths) == twins.n_normal == 0
    short = pa.table({"text": ["好", "好", "差"], "clean_text": ["好", "好", "差"]})
    twins = find_twins(Parts.of(short), 0.9, 16).twins
    assert twins.normal.tolist() == [0, 0, 1]
    assert twins.pairs.shape == (0, 2)


def test_single_rows_are_fetched_from_any_part():
    table = pa.table({"id": list("abcdefg"), "text": list("甲乙丙丁戊己庚")})
    parts = Parts.of(pa.concat_tables([table.slice(0, 3), table.slice(3, 2), table.slice(5)]))
    assert fetch_rows(parts, [6, 0, 4, 0]) == {0: ("a", "甲"), 4: ("e", "戊"), 6: ("g", "庚")}
    assert fetch_rows(parts, np.array([], np.int64)) == {}
