from __future__ import annotations

import pyarrow as pa
import pytest

from wenliu.errors import UserError
from wenliu.params import ModelParams, ScratchParams, TokenizationParams
from wenliu.pipelines.tokenization.nodes import (
    build_tokenizer,
    choose_max_length,
    tokenize_texts,
)
from wenliu.schemas import AuditedExamples, TokenIds
from wenliu.text.encoding import load_tokenizer
from wenliu.text.vocabulary import SPECIAL_TOKENS

SCRATCH = {"path": None, "lowercase": True, "declared_lowercase": None, "max_positions": 64}
ROWS = [
    # raw text, clean text, split, dropped
    ("快递太慢", "快递太慢", "train", None),
    ("快递很快", "快递很快", "train", None),
    ("iPhone 坏了", "iphone 坏了", "train", None),
    ("密密密", "密密密", "train", "leak"),
    ("慢慢慢慢慢慢慢慢", "慢慢慢慢慢慢慢慢", "validation", None),
    ("“龘”😂", '"龘"😂', "test", None),
]
MODEL = ModelParams(scratch=ScratchParams(min_count=1))


def audited(rows=ROWS):
    columns = {
        "id": [f"r{i}" for i in range(len(rows))],
        "text": [row[0] for row in rows],
        "label": ["a"] * len(rows),
        "label_id": [0] * len(rows),
        "split": [row[2] for row in rows],
        "group": [None] * len(rows),
        "source": ["f.csv"] * len(rows),
        "line": list(range(1, len(rows) + 1)),
        "clean_text": [row[1] for row in rows],
        "edits": [None] * len(rows),
        "split_given": [False] * len(rows),
        "eval_set": [None] * len(rows),
        "leak": [None] * len(rows),
        "dropped": [row[3] for row in rows],
    }
    return pa.table({n: columns[n] for n in AuditedExamples.columns}, AuditedExamples.arrow())


def test_scratch_vocabulary_comes_from_training_rows_alone():
    tokens = load_tokenizer(build_tokenizer(audited(), SCRATCH, MODEL)).get_vocab()
    assert "快" in tokens and "##p" in tokens
    assert "密" not in tokens and "龘" not in tokens


def checkpoint(tmp_path, tokens, **profile):
    (tmp_path / "vocab.txt").write_text("\n".join(tokens) + "\n", "utf-8")
    return {**SCRATCH, "path": str(tmp_path), "max_positions": 512, **profile}


def test_checkpoint_vocabulary_with_the_corrected_casing(tmp_path):
    tokens = [*SPECIAL_TOKENS, "iphone", *"快递太慢很坏了密", '"']
    profile = checkpoint(tmp_path, tokens, declared_lowercase=False)
    tokenizer = build_tokenizer(audited(), profile, MODEL)
    assert tokenizer["normalizer"]["lowercase"] is True
    assert load_tokenizer(tokenizer).get_vocab_size() == len(tokens)
    table, report = tokenize_texts(
        audited(), tokenizer, {"max_length": 20, "truncation": "head"}, profile, MODEL
    )
    before, after = (report["unknown"][f"{when}_cleaning"] for when in ("before", "after"))
    assert before["rows"] == 2 and after["rows"] == 1  # the capital was lost, cleaning saved it
    causes = before["by_cause"]
    assert causes["uppercase"]["samples"] == ["iPhone"]
    assert causes["punctuation"]["tokens"] == 2
    assert causes["rare_han"]["samples"] == ["龘"]
    assert causes["emoji"]["samples"] == ["😂"]
    assert after["by_cause"]["punctuation"]["tokens"] == after["by_cause"]["uppercase"]["rows"] == 0
    assert TokenIds.validate(table).num_rows == report["rows"] == len(ROWS)


def test_auto_length_covers_training_rows_up_to_the_model():
    rows = [("快" * n, "快" * n, "train", None) for n in (3, 5, 30, 31, 40)]
    rows.append(("快" * 60, "快" * 60, "train", "leak"))
    tokenizer = build_tokenizer(audited(rows), SCRATCH, MODEL)

    def choose(profile=SCRATCH, **given):
        return choose_max_length(audited(rows), tokenizer, profile, TokenizationParams(**given))

    assert choose() == {"max_length": 64, "truncation": "head", "coverage": 1.0}
    half = choose(coverage=0.5)  # 32 tokens: 30 characters, [CLS] and [SEP]
    assert half["max_length"] == 32 and half["coverage"] == pytest.approx(3 / 5)
    assert choose({**SCRATCH, "max_positions": 8})["max_length"] == 8
    with pytest.raises(UserError, match="max_length is 70"):
        choose(max_length=70)


def test_what_is_cut_is_reported():
    tokenizer = build_tokenizer(audited(), SCRATCH, MODEL)
    table, report = tokenize_texts(
        audited(), tokenizer, {"max_length": 6, "truncation": "tail"}, SCRATCH, MODEL
    )
    lengths = [len(ids) for ids in table.column("token_ids").to_pylist()]
    assert lengths == [6, 6, 6, 5, 6, 6]
    assert report["lengths"] == {"p50": 6, "p90": 10, "p99": 10, "max": 10}
    assert report["cut"]["rows"] == 2
    assert report["warnings"]  # a third of these few rows hold an unknown character


def test_several_processes_tokenize_and_count_as_one_does(in_pool):
    rows = ROWS * 3
    tokenizer = build_tokenizer(audited(rows), SCRATCH, MODEL)

    def run():
        chosen = choose_max_length(audited(rows), tokenizer, SCRATCH, TokenizationParams())
        return tokenize_texts(audited(rows), tokenizer, chosen, SCRATCH, MODEL)

    alone = run()
    in_pool(rows=4)
    together = run()
    assert together[0].table().equals(alone[0].table())
    assert together[1] == alone[1]


def test_the_task_says_how_texts_become_rows(monkeypatch):
    from wenliu.tasks import SingleLabelClassification
    from wenliu.text.encoding import encode

    def backwards(self, tokenizer, texts, max_length, truncation):
        return encode(tokenizer, [text[::-1] for text in texts], max_length, truncation)

    tokenizer = build_tokenizer(audited(), SCRATCH, MODEL)
    given = audited(), tokenizer, {"max_length": 20, "truncation": "head"}, SCRATCH, MODEL
    forwards = tokenize_texts(*given)[0].column("token_ids").to_pylist()
    monkeypatch.setattr(SingleLabelClassification, "encode", backwards)
    assert tokenize_texts(*given)[0].column("token_ids").to_pylist()[0] == [
        forwards[0][0], *forwards[0][-2:0:-1], forwards[0][-1],
    ]  # fmt: skip


def test_no_training_row_left():
    with pytest.raises(UserError, match="No training row"):
        build_tokenizer(audited(ROWS[3:]), SCRATCH, MODEL)
