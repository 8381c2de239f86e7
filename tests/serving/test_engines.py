"""Every engine gives what onnxruntime gives in fp32, in the order of the rows, in any batches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pytest

from wenliu.errors import UserError
from wenliu.serving import cpu, precisions
from wenliu.serving.bundle import Bundle
from wenliu.serving.precisions import Choice, choose, load_engine
from wenliu.serving.runtime import Runtime, cut_batches, pad_batch

needs_openvino = pytest.mark.skipif(
    find_spec("openvino") is None, reason="the extra openvino is not installed"
)
#: Largest difference of a logit from onnxruntime's in fp32; the tiny model's go up to about 1.
TOLERANCE = {"fp32": 1e-5, "bf16": 0.05, "int8": 0.2}


@dataclass
class Given:
    """Random rows of 1 to 40 tokens."""

    flat: np.ndarray
    offsets: np.ndarray

    @classmethod
    def rows(cls, count: int) -> Given:
        generator = np.random.default_rng(count)
        lengths = generator.integers(1, 41, count)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return cls(generator.integers(5, 60, int(offsets[-1])).astype(np.int32), offsets)


def runtime(tiny_problem, choice: Choice, threads: int = 2, **options) -> Runtime:
    contents = {name: (tiny_problem.bundle / name).read_bytes() for name in choice.files}
    return Runtime(load_engine(choice, contents, threads), threads=threads, **options)


@pytest.mark.parametrize(
    "choice",
    [
        Choice("onnxruntime", "int8"),
        pytest.param(Choice("openvino", "fp32"), marks=needs_openvino),
        pytest.param(Choice("openvino", "bf16"), marks=needs_openvino),
    ],
    ids=" ".join,
)
def test_an_engine_gives_what_onnxruntime_gives_in_fp32(tiny_problem, choice):
    given = Given.rows(60)
    expected = runtime(tiny_problem, Choice("onnxruntime", "fp32")).logits(
        given.flat, given.offsets
    )
    assert np.ptp(expected, axis=0).max() > 0.1  # rows differ: an order that is lost would show
    for threads, batch_tokens in ((1, 1), (2, 64), (3, None)):
        engine = runtime(tiny_problem, choice, threads, batch_tokens=batch_tokens)
        found = engine.logits(given.flat, given.offsets)
        assert np.abs(found - expected).max() <= TOLERANCE[choice.precision]


@pytest.mark.parametrize("engine", ["onnxruntime", pytest.param("openvino", marks=needs_openvino)])
def test_no_rows_and_one_row(tiny_problem, engine):
    fp32 = runtime(tiny_problem, Choice(engine, "fp32"))
    assert fp32.logits(np.zeros(0, np.int32), np.zeros(1, np.int64)).shape == (0, 3)
    one = Given.rows(1)
    assert fp32.logits(one.flat, one.offsets).shape == (1, 3)


def test_batches_hold_every_row_once_within_the_budget():
    lengths = np.random.default_rng(1).integers(1, 300, 500)
    batches = list(cut_batches(lengths, 256))
    assert sorted(np.concatenate(batches).tolist()) == list(range(500))
    for rows in batches:
        assert lengths[rows[0]] == lengths[rows].max()
        assert rows.size == 1 or lengths[rows].max() * rows.size <= 256


def test_a_batch_is_padded_and_masked():
    flat, offsets = np.array([2, 7, 3, 2, 3], np.int32), np.array([0, 3, 5])
    given = pad_batch(flat, offsets, np.array([0, 1]), pad_id=9)
    assert given["input_ids"].tolist() == [[2, 7, 3], [2, 3, 9]]
    assert given["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]


def test_an_error_in_one_of_many_batches_is_raised(tiny_problem):
    given = Given.rows(40)
    given.flat[-1] = 10**6  # no such token
    with pytest.raises(Exception, match="indices"):
        runtime(tiny_problem, Choice("onnxruntime", "fp32"), batch_tokens=40).logits(
            given.flat, given.offsets
        )


RUNTIME = {
    "engines": {
        "onnxruntime": {"chosen": "int8", "offered": ["fp32", "int8"], "exact_int8": True},
        "openvino": {"chosen": "bf16", "offered": ["fp32", "bf16"], "exact_int8": True},
    }
}


def test_what_is_chosen(monkeypatch):
    monkeypatch.setattr(precisions, "has_exact_int8", lambda: True)
    monkeypatch.setattr(precisions, "has_openvino", lambda: True)
    assert choose(RUNTIME) == ("openvino", "bf16")
    assert choose(RUNTIME, precision="fp32") == ("openvino", "fp32")
    assert choose(RUNTIME, "onnxruntime") == ("onnxruntime", "int8")
    with pytest.raises(UserError, match="no int8 for openvino"):
        choose(RUNTIME, "openvino", "int8")
    monkeypatch.setattr(precisions, "has_openvino", lambda: False)
    assert choose(RUNTIME) == ("onnxruntime", "int8")
    with pytest.raises(UserError, match="not installed"):
        choose(RUNTIME, "openvino")


def test_a_processor_that_gets_int8_wrong_gets_fp32(monkeypatch):
    monkeypatch.setattr(precisions, "has_exact_int8", lambda: False)
    assert choose(RUNTIME, "onnxruntime") == ("onnxruntime", "fp32")
    with pytest.raises(UserError, match="without VNNI"):
        choose(RUNTIME, "onnxruntime", "int8")
    reduced = {
        "engines": {"onnxruntime": {**RUNTIME["engines"]["onnxruntime"], "exact_int8": False}}
    }
    assert choose(reduced, "onnxruntime") == ("onnxruntime", "int8")


def test_an_engine_with_nothing_for_this_processor_is_passed_over(monkeypatch):
    monkeypatch.setattr(precisions, "has_exact_int8", lambda: False)
    monkeypatch.setattr(precisions, "has_openvino", lambda: True)
    only_int8 = {"chosen": "int8", "offered": ["int8"], "exact_int8": True}
    engines = {**RUNTIME["engines"], "openvino": only_int8}
    assert choose({"engines": engines}) == ("onnxruntime", "fp32")


def test_processors(monkeypatch):
    monkeypatch.setattr(cpu.platform, "machine", lambda: "x86_64")
    for flags, exact in (("avx2", False), ("avx2 avx_vnni", True), ("avx512_vnni", True)):
        monkeypatch.setattr(cpu, "_flags", lambda flags=flags: frozenset(flags.split()))
        assert cpu.has_exact_int8() is exact
    monkeypatch.setattr(cpu.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(cpu, "_flags", frozenset)
    assert cpu.has_exact_int8()
    assert not cpu.has_bf16()


def test_a_bundle_from_before_there_was_a_choice():
    assert choose({"task": "classification"}) == ("onnxruntime", "fp32")
    with pytest.raises(UserError, match="not measured with openvino"):
        choose({"task": "classification"}, "openvino")


def test_only_what_is_needed_is_held_and_everything_is_checked(tiny_problem):
    int8 = Bundle.load(tiny_problem.bundle, engine="onnxruntime", precision="int8")
    assert int8.choice == ("onnxruntime", "int8")
    assert "int8 by onnxruntime" in int8.identity
    fp32 = Bundle.load(tiny_problem.bundle, engine="onnxruntime", precision="fp32")
    texts = ["快递三天了还没到", "质量不错下次再来"]
    assert 0 < np.abs(int8.logits(texts) - fp32.logits(texts)).max() < TOLERANCE["int8"]
    assert int8.sha256 == fp32.sha256


def test_openvino_is_not_needed(tiny_problem):
    """As where the extra is not installed: its import is blocked."""
    code = f"""
import sys
sys.modules["openvino"] = sys.modules["nncf"] = None
import importlib.util as util
find = util.find_spec
util.find_spec = lambda name, *rest: None if name in ("openvino", "nncf") else find(name, *rest)
from wenliu.serving.bundle import Bundle
bundle = Bundle.load({str(tiny_problem.bundle)!r})
print(bundle.choice.engine, len(bundle.predict(["快递三天了还没到"])))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stdout.split() == ["onnxruntime", "1"]


def test_the_manifest_names_what_may_be_served(tiny_problem):
    manifest = json.loads((tiny_problem.bundle / "manifest.json").read_text("utf-8"))
    offered = manifest["runtime"]["engines"]["onnxruntime"]["offered"]
    assert set(Choice("onnxruntime", offered[-1]).files) <= set(manifest["files"])
