"""Prediction on a CPU: texts a second of an exported model, against what serves BERT otherwise.

    python -m benchmarks.inference_cpu

Speed: a model of bert-base's configuration and random weights labels 2,000 texts in random order,
half of them reviews, half titles, cut at 512 tokens. Sorted by length they are dealt to 25
hands; a round gives every system the same hand, the next round another one: what pads in random
order is too slow to read all 2,000 five times. Labels: a model of four layers is trained on titles
of ten classes and goes through the gate of ``export``.

Bars: 8 times transformers' pipeline; against torch eager with our batches, 6 with OpenVINO int8,
4 with OpenVINO bf16, 4 with onnxruntime int8.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast
from transformers import pipeline as transformers_pipeline

from benchmarks.harness import ROUNDS, Comparison, interleave, texts_of
from benchmarks.trained_model import gate_a_trained_model
from wenliu.modeling.network import save_model
from wenliu.modeling.onnx_export import export_onnx
from wenliu.modeling.quantization import quantize_for_onnxruntime, quantize_for_openvino
from wenliu.serving.cpu import available_cores, has_bf16, has_exact_int8
from wenliu.serving.engines import has_openvino
from wenliu.serving.precisions import Choice, load_engine
from wenliu.serving.runtime import Runtime, cut_batches, pad_batch
from wenliu.text.encoding import encode, load_tokenizer
from wenliu.text.vocabulary import build_character_tokenizer, wordpiece_tokenizer

ROWS, HANDS, MAX_TOKENS, LABELS = 2_000, 25, 512, 10
THREADS = available_cores()
#: Bars over torch eager.
BARS = {"onnxruntime int8": 4, "openvino bf16": 4, "openvino int8": 6}
PIPELINE_BAR = 8
#: Of 12 layers; ours reads only keys and values of the last one for every token.
WEIGHTS, OUR_WEIGHTS = 84.9e6, 79.1e6
#: A logit may differ by so much of the largest: rounding, on random weights.
TOLERANCES = {"fp32": 1e-4, "bf16": 0.1, "int8": 0.25}


@dataclass
class Input:
    """Texts, and their token ids."""

    texts: list[str]
    tokenizer: PreTrainedTokenizerFast
    flat: np.ndarray
    offsets: np.ndarray
    where: str

    @classmethod
    def read(cls) -> Input:
        """Half reviews, half titles, in random order."""
        generator = np.random.default_rng(5)
        texts, places = [], []
        for name in ("chnsenticorp", "titles"):
            found, where = texts_of(name)
            chosen = generator.choice(len(found), ROWS // 2, replace=False)
            texts += [found[i] for i in chosen]
            places.append(where)
        texts = [texts[i] for i in generator.permutation(ROWS)]
        if folder := os.environ.get("WENLIU_BENCH_DATA"):
            vocabulary = Path(folder) / "vocab/bert-base-chinese.vocab.txt"
            tokens = vocabulary.read_text("utf-8").rstrip("\n").split("\n")
            raw = wordpiece_tokenizer(tokens, True)
        else:
            raw = build_character_tokenizer(texts)
        flat, offsets = encode(load_tokenizer(json.loads(raw.to_str())), texts, MAX_TOKENS)
        wrapped = PreTrainedTokenizerFast(
            tokenizer_object=raw, pad_token="[PAD]", model_max_length=MAX_TOKENS
        )
        return cls(texts, wrapped, flat, offsets, " and ".join(places))

    def take(self, rows: np.ndarray) -> Input:
        """Some of the rows."""
        pieces = [self.flat[self.offsets[i] : self.offsets[i + 1]] for i in rows]
        offsets = np.cumsum([0, *map(len, pieces)])
        return Input(
            [self.texts[i] for i in rows],
            self.tokenizer,
            np.concatenate(pieces),
            offsets.astype(np.int64),
            self.where,
        )

    def hands(self) -> list[Input]:
        """Rows of like lengths in each, in the random order of the texts."""
        order = np.argsort(np.diff(self.offsets), kind="stable")
        return [self.take(np.sort(order[hand::HANDS])) for hand in range(HANDS)]


System = Callable[[Input], np.ndarray]


def torch_eager(model: BertForSequenceClassification, batch_tokens: int = 512) -> System:
    """The model as transformers runs it, with sorted batches by our budget."""

    def run(given: Input) -> np.ndarray:
        logits = np.empty((len(given.texts), LABELS), dtype=np.float32)
        for rows in cut_batches(np.diff(given.offsets), batch_tokens):
            batch = pad_batch(given.flat, given.offsets, rows)
            with torch.inference_mode():
                found = model(**{k: torch.from_numpy(v) for k, v in batch.items()}).logits
            logits[rows] = found.numpy()
        return logits

    return run


def hf_pipeline(model: BertForSequenceClassification, tokenizer: Any, batch_size: int) -> System:
    """``pipeline("text-classification")``: tokenises, pads in the order of the texts, answers."""
    pipe: Any = transformers_pipeline(
        "text-classification", model=model, tokenizer=tokenizer, device="cpu"
    )

    def run(given: Input) -> np.ndarray:
        found = pipe(
            list(given.texts), batch_size=batch_size, truncation=True, top_k=None,
            function_to_apply="none",
        )  # fmt: skip
        place = model.config.label2id
        logits = np.empty((len(found), LABELS), dtype=np.float32)
        for row, answers in enumerate(found):
            for answer in answers:
                logits[row, place[answer["label"]]] = answer["score"]
        return logits

    return run


def best_of(systems: dict[int, System], given: Input) -> int:
    """The setting that is fastest on these rows."""
    seconds = interleave({str(k): lambda run=run: run(given) for k, run in systems.items()}, 2)
    return int(min(seconds, key=lambda name: min(seconds[name])))


def our_systems(folder: Path, given: Input) -> dict[str, System]:
    """The exported model in every engine and precision that this machine has."""
    onnx_file = folder / "model.onnx"
    choices = [Choice("onnxruntime", "fp32"), Choice("onnxruntime", "int8")]
    quantize_for_onnxruntime(
        onnx_file, folder / choices[1].files[0], reduce_range=not has_exact_int8()
    )
    if has_openvino():
        some = given.hands()[0].take(np.arange(16))
        batches = cut_batches(np.diff(some.offsets), 256)
        int8 = Choice("openvino", "int8")
        feeds = [pad_batch(some.flat, some.offsets, rows) for rows in batches]
        quantize_for_openvino(onnx_file, folder / int8.files[0], feeds)
        choices += [*([Choice("openvino", "bf16")] if has_bf16() else []), int8]
    systems = {}
    for choice in choices:
        contents = {name: (folder / name).read_bytes() for name in choice.files}
        runtime = Runtime(load_engine(choice, contents, THREADS), threads=THREADS)
        systems[" ".join(choice)] = lambda given, own=runtime: own.logits(given.flat, given.offsets)
    return systems


def matrix_rates() -> dict[str, float]:
    """GFLOP/s of products at the sizes of bert-base: the physical limit of each precision."""
    rows, width, inner = 512, 768, 3_072
    a, b = torch.randn(rows, width), torch.randn(width, inner)
    a16, b16 = a.bfloat16(), b.bfloat16()
    a8, b8 = (torch.randint(-100, 100, m.shape, dtype=torch.int8) for m in (a, b))
    products: dict[str, Callable[[], Any]] = {
        "fp32": lambda: a @ b,
        "bf16": lambda: a16 @ b16,
        "int8": lambda: torch._int_mm(a8, b8),
    }
    rates = {}
    for name, product in products.items():
        product()
        seconds = []
        for _ in range(30):
            begun = time.perf_counter()
            product()
            seconds.append(time.perf_counter() - begun)
        rates[name] = 2 * rows * width * inner / min(seconds) / 1e9
    return rates


def compare_speed(comparison: Comparison) -> None:
    """Adds the systems to the table, and their ratios."""
    given = Input.read()
    hands = given.hands()
    torch.manual_seed(0)
    model = BertForSequenceClassification(BertConfig(vocab_size=21_128, num_labels=LABELS)).eval()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        save_model(model, folder / "model")
        export_onnx(folder / "model", folder / "model.onnx")
        ours = our_systems(folder, given)
    few = hands[-1].take(np.arange(0, len(hands[-1].texts), 4))
    size = best_of({n: hf_pipeline(model, given.tokenizer, n) for n in (1, 8, 32)}, few)
    budget = best_of({n: torch_eager(model, n) for n in (512, 2_048)}, few)
    systems = {
        "transformers pipeline": hf_pipeline(model, given.tokenizer, size),
        "torch eager": torch_eager(model, budget),
        **ours,
    }
    _agree(comparison, systems, few)
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for hand in hands[:ROUNDS]:
        one = interleave({name: lambda s=s, h=hand: s(h) for name, s in systems.items()}, 1)
        for name, values in one.items():
            seconds[name] += values
    rows = [len(hand.texts) for hand in hands[:ROUNDS]]
    for name, values in seconds.items():
        comparison.add(name, [n / s for n, s in zip(rows, values, strict=True)], "texts/s")
    best = min(ours, key=lambda name: median(seconds[name]))
    pairs = [("transformers pipeline", best)]
    pairs += [(peer, name) for name in ours for peer in ("torch eager", "onnxruntime fp32")]
    for peer, name in pairs:
        if peer != name:
            comparison.ratio(f"{peer}, ours {name}", "reviews+titles", _ratio(seconds, peer, name))
    begun = time.perf_counter()
    ours[best](given)
    took = time.perf_counter() - begun
    tokens = int(given.offsets[-1])
    comparison.add(f"{best}, all {ROWS:,} texts", [ROWS / took], "texts/s")
    comparison.input = f"{ROWS:,} texts, {tokens:,} tokens: {given.where}"
    done, rates = _products(seconds, [int(hand.offsets[-1]) for hand in hands[:ROUNDS]])
    comparison.notes += [
        f"{THREADS} threads. pipeline: batch_size {size}, the best of 1, 8, 32. torch eager: fp32, "
        f"sdpa, sorted batches of {budget} padded tokens, the better of 512 and 2,048. "
        "onnxruntime fp32 is our exported graph in our batches.",
        f"A round is one of {HANDS} hands of {rows[0]} texts; ratios are of medians of {ROUNDS}.",
        "Products of real tokens with the layers' weights, GFLOP/s, of what this machine's matrix "
        "products reach in that precision: "
        + ", ".join(f"{n} {d:,.0f} of {rates[_kind(n)]:,.0f}" for n, d in done.items()),
    ]
    bars = [("transformers pipeline", best, PIPELINE_BAR)]
    bars += [("torch eager", name, bar) for name, bar in BARS.items() if name in ours]
    for peer, name, bar in bars:
        reached = _ratio(seconds, peer, name)
        if reached < bar:
            needed = bar * done[peer] * OUR_WEIGHTS / WEIGHTS
            comparison.notes.append(
                f"{name} reaches {reached:.2f} of the bar of {bar} times {peer}: it would have to "
                f"multiply {needed:,.0f} GFLOP/s, and a matrix product alone reaches "
                f"{rates[_kind(name)]:,.0f} here."
            )


def _kind(system: str) -> str:
    """The precision that a system's name ends with."""
    last = system.split()[-1]
    return last if last in ("bf16", "int8") else "fp32"


def _products(
    seconds: dict[str, list[float]], tokens: list[int]
) -> tuple[dict[str, float], dict[str, float]]:
    """GFLOP/s of each system, and what matrix products alone reach in each precision."""
    done = {}
    for name, values in seconds.items():
        weights = OUR_WEIGHTS if name.startswith(("onnxruntime", "openvino")) else WEIGHTS
        done[name] = median(2 * weights * n / s / 1e9 for n, s in zip(tokens, values, strict=True))
    return done, matrix_rates()


def _ratio(seconds: dict[str, list[float]], peer: str, ours: str) -> float:
    return median(seconds[peer]) / median(seconds[ours])


def _agree(comparison: Comparison, systems: dict[str, System], given: Input) -> None:
    """Logits against torch eager's; random weights leave labels close to ties, so logits count."""
    expected = systems["torch eager"](given)
    scale = float(np.abs(expected).max())
    for name, run in systems.items():
        if name == "torch eager":
            continue
        difference = np.abs(run(given) - expected).max(axis=1) / scale
        allowed = TOLERANCES.get(name.split()[-1], TOLERANCES["fp32"])
        comparison.agree(f"logits of {name}", len(given.texts), int((difference > allowed).sum()))


def main() -> None:
    """Runs the comparison."""
    torch.set_num_threads(THREADS)
    comparison = Comparison(
        "inference_cpu", "", ["torch", "transformers", "onnxruntime", "openvino", "nncf"]
    )
    gate_a_trained_model(comparison)
    compare_speed(comparison)
    comparison.finish()


if __name__ == "__main__":
    main()
