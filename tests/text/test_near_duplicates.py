"""Near-duplicates: nothing missed that counts, nothing reported that is not so, linear work."""

from __future__ import annotations

import random
import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from wenliu.text.minhash import BANDS, band_keys, signatures
from wenliu.text.near_duplicates import (
    FULL_BUCKET,
    NEIGHBOURS,
    find_pairs,
    near_pairs,
    share_a_key,
)

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
    """The same search without a thought of speed: row by row, each candidate once."""
    keys = band_keys(texts)
    candidates: set[tuple[int, int]] = set()
    for band in range(BANDS):
        buckets: dict[int, list[int]] = {}
        for row in range(len(texts)):
            bucket = buckets.setdefault(int(keys[band][row]), [])
            chosen = bucket
            if len(bucket) >= FULL_BUCKET:
                after = keys[(band + 1) % BANDS]
                chosen = [other for other in bucket if after[other] == after[row]][-NEIGHBOURS:]
            candidates |= {(other, row) for other in chosen}
            bucket.append(row)
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


def messages(chance: random.Random, count: int) -> list[str]:
    """Different texts of which many are near, some of them by a template."""
    texts = [
        f"尊敬的客户您的订单已经发货请注意查收谢谢您对我们的支持{i:03d}" for i in range(count // 3)
    ]
    while len(texts) < count:
        texts.append(_text(chance, 16, 40))
        texts.append(_edited(chance, chance.choice(texts)))
    chance.shuffle(texts)
    return list(dict.fromkeys(text for text in texts if len(text) >= 16))


def compared(texts: list[str], since: int) -> list[list[int]]:
    """Pairs of the texts from ``since`` on, looked for among the old ones that share a key."""
    keys = band_keys(texts)
    shared = np.flatnonzero(share_a_key(keys[:, :since], keys[:, since:], since))
    chosen = np.concatenate([shared, np.arange(since, len(texts))])
    some = [texts[row] for row in chosen]
    lengths = np.array([len(text) for text in some], np.int32)
    found = find_pairs(
        np.ascontiguousarray(keys[:, chosen].T),
        lengths,
        lambda rows: [some[row] for row in rows.tolist()],
        0.9,
        len(shared),
    )
    return chosen[found].tolist()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), share=st.floats(0, 1))
def test_texts_that_are_appended_are_compared_with_what_they_share_a_key_with(seed, share) -> None:
    texts = messages(random.Random(seed), 240)
    since = int(share * len(texts))
    everything = near_pairs(texts).tolist()
    assert near_pairs(texts[:since]).tolist() == [p for p in everything if p[1] < since]
    assert compared(texts, since) == [pair for pair in everything if pair[1] >= since]


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
