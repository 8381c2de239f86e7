"""Near-duplicates: nothing missed that counts, nothing reported that is not so, linear work."""

from __future__ import annotations

import random
import time
import tracemalloc

import numpy as np
from rapidfuzz.distance import Levenshtein

from wenliu.text.minhash import BANDS, band_keys, signatures
from wenliu.text.near_duplicates import FULL_BUCKET, NEIGHBOURS, NearIndex, near_pairs

_HAN = [chr(code) for code in range(0x4E00, 0x5600)]


def _text(chance: random.Random, low: int, high: int) -> str:
    return "".join(chance.choices(_HAN, k=chance.randint(low, high)))


def _edited(chance: random.Random, text: str) -> str:
    at, kind = chance.randrange(len(text)), chance.randrange(3)
    return text[:at] + (chance.choice("甲乙丙") if kind else "") + text[at + (kind < 2) :]


def test_one_character_edits_are_found() -> None:
    chance = random.Random(1)
    texts = [_text(chance, 17, 60) for _ in range(3000)]
    edited = [_edited(chance, text) for text in texts]
    pairs = set(map(tuple, near_pairs(texts + edited).tolist()))
    wanted = {(i, i + 3000) for i, text in enumerate(texts) if text != edited[i]}
    assert len(wanted & pairs) >= 0.999 * len(wanted)


def test_a_pair_at_the_very_border_is_near() -> None:
    text = "".join(chr(0x4E00 + i) for i in range(40))
    for similarity in (0.75, 0.8, 0.85, 0.9, 0.95):
        edits = round(40 * (1 - similarity))
        assert near_pairs([text, text[:-edits] + "x" * edits], similarity).tolist() == [[0, 1]]


def test_every_pair_is_one_and_the_order_is_fixed() -> None:
    chance = random.Random(2)
    seeds = [_text(chance, 20, 40) for _ in range(60)]
    texts = [text for seed in seeds for text in (seed, _edited(chance, seed), _text(chance, 5, 40))]
    texts += [_edited(chance, _edited(chance, _edited(chance, seed))) for seed in seeds]
    pairs = near_pairs(texts)
    brute = {
        (i, j)
        for i in range(len(texts))
        for j in range(i + 1, len(texts))
        if min(len(texts[i]), len(texts[j])) >= 16
        and Levenshtein.distance(texts[i], texts[j])
        <= 0.1 * max(len(texts[i]), len(texts[j])) + 1e-9
    }
    found = set(map(tuple, pairs.tolist()))
    assert found <= brute
    assert len(found) >= 0.99 * len(brute)
    assert pairs.tolist() == sorted(pairs.tolist())
    assert np.array_equal(pairs, near_pairs(texts))


def test_identical_rows_are_paired_with_the_first_only() -> None:
    text = "这个商品的质量非常好下次还会再来购买"
    texts = [text] * 5000 + [text + "的"]
    start = time.process_time()
    pairs = near_pairs(texts)
    assert time.process_time() - start < 1.0
    assert pairs.tolist() == [[0, i] for i in range(1, 5001)]


def test_templates_stay_linear_and_connected() -> None:
    texts = [f"尊敬的客户您的订单已经发货请注意查收谢谢您对我们的支持{i:04d}" for i in range(3000)]
    start = time.process_time()
    pairs = near_pairs(texts)
    assert time.process_time() - start < 5.0
    assert len(pairs) < 3000 * 24 * 6
    # Every row that has a near twin is told of at least one.
    assert len(np.unique(pairs)) == 3000


def plainly(texts: list[str], similarity: float) -> list[list[int]]:
    """The same search without a thought of speed: buckets, sets, and each candidate once."""
    keys = band_keys(texts)
    candidates: set[tuple[int, int]] = set()
    for band in range(BANDS):
        buckets: dict[int, list[int]] = {}
        for row in sorted(range(len(texts)), key=lambda row: (keys[(band + 1) % BANDS][row], row)):
            buckets.setdefault(int(keys[band][row]), []).append(row)
        for bucket in buckets.values():
            reach = FULL_BUCKET if len(bucket) <= FULL_BUCKET else NEIGHBOURS
            for place, one in enumerate(bucket):
                for other in bucket[place + 1 : place + 1 + reach]:
                    candidates.add((min(one, other), max(one, other)))
    return sorted(
        [one, other]
        for one, other in candidates
        if Levenshtein.normalized_similarity(texts[one], texts[other]) >= similarity - 1e-9
    )


def test_no_candidate_is_lost_to_speed() -> None:
    chance = random.Random(3)
    texts = [f"尊敬的客户您的订单已经发货请注意查收谢谢您对我们的支持{i:03d}" for i in range(300)]
    for _ in range(300):
        texts.append(_text(chance, 20, 40))
        texts.append(_edited(chance, chance.choice(texts)))
    texts = list(dict.fromkeys(texts))
    chance.shuffle(texts)
    for similarity in (0.8, 0.9):
        assert near_pairs(texts, similarity).tolist() == plainly(texts, similarity)


def test_an_index_grows_part_by_part_and_forgets() -> None:
    chance = random.Random(4)
    texts = [_text(chance, 20, 40) for _ in range(200)]
    texts += [_edited(chance, text) for text in texts]
    index = NearIndex()
    for start in range(0, 400, 90):
        index.add(texts[start : start + 90])
    kept = np.array([chance.random() < 0.9 for _ in texts])
    index.keep(kept)
    left = [text for text, keep in zip(texts, kept, strict=True) if keep]
    found = index.pairs(lambda rows: [left[row] for row in rows.tolist()], 0.9)
    assert len(found) > 100
    assert found.tolist() == near_pairs(left).tolist()
    assert NearIndex().pairs(lambda rows: [], 0.9).shape == (0, 2)


def test_the_index_takes_less_than_300_bytes_a_row() -> None:
    chance = random.Random(5)
    texts = [_text(chance, 100, 140) for _ in range(3000)]
    index = NearIndex()
    tracemalloc.start()
    for start in range(0, 3000, 500):
        index.add(texts[start : start + 500])
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 300 * 3000


def test_short_and_odd_texts() -> None:
    assert near_pairs([]).shape == (0, 2)
    assert near_pairs(["好"] * 3).shape == (0, 2)
    assert near_pairs(["一二三四五六七八九十一二三四五六"]).shape == (0, 2)
    odd = "\ud83d中文𠮷字" * 5
    assert near_pairs([odd, odd + "。"]).tolist() == [[0, 1]]
    assert signatures(["", "a", "ab", "abc"]).shape == (4, 72)
    assert signatures([]).shape == (0, 72)


def test_a_signature_depends_on_its_own_text_only() -> None:
    texts = ["上一行的文字", "中间这一行", "下一行"]
    together = signatures(texts)
    for row, text in enumerate(texts):
        assert np.array_equal(together[row], signatures([text])[0])
    assert together.dtype == np.uint32 and together.nbytes == 3 * 288
