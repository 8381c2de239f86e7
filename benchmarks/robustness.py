"""How many predictions flip when the same text is typed in another way?

    python -m benchmarks.robustness [PROBLEM ...]

Asks the newest bundle of each problem (default: the bundled one; run it first) about its test rows,
as they are and with noise. Width, case, zero-width characters and byte order marks must flip none
(a test says so too); traditional characters and one homophone in ten characters are measured, with
the aims of 1 % and 8 %. A row's answer is compared with the same bundle's answer to the clean
text, not with its gold label, and the shares come with Wilson's intervals.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from benchmarks.harness import ROOT, Comparison
from wenliu.metrics import wilson_interval
from wenliu.serving.bundle import Bundle
from wenliu.serving.locate import locate_bundle
from wenliu.text import noise

#: Homophones are drawn by chance: this often, each time anew.
DRAWS = 5


def main() -> None:
    """Measures every problem and writes the result."""
    problems = sys.argv[1:] or ["feedback_topics"]
    result = Comparison(
        "robustness", f"test rows of {', '.join(problems)}", ["opencc", "pypinyin", "onnxruntime"]
    )
    for problem in problems:
        folder, said = locate_bundle(ROOT, problem)
        bundle = Bundle.load(folder, engine="onnxruntime", precision="fp32")
        texts = _test_texts(problem)
        before = [one.label for one in bundle.predict(texts)]
        for name, changed in _noisy(texts).items():
            flips = [
                one.label != label
                for draw in changed
                for one, label in zip(bundle.predict(draw), before, strict=True)
            ]
            interval = wilson_interval(sum(flips), len(flips), 0.95)
            shares = (interval.value, interval.low, interval.high)
            values = [round(100 * share, 2) for share in shares]
            result.add(f"{name}@{problem}", values, "% flipped")
        result.notes.append(f"{problem}: {len(texts)} rows, {said}")
    result.notes.append("min and max are the ends of the 95 % interval.")
    result.finish()


def _noisy(texts: list[str]) -> dict[str, list[list[str]]]:
    generator = np.random.default_rng(0)

    def each(function: Callable[[str], str], draws: int = 1) -> list[list[str]]:
        return [[function(text) for text in texts] for _ in range(draws)]

    return {
        "full width": each(noise.full_width),
        "case": each(noise.swap_case),
        "zero width": each(lambda text: noise.with_zero_width(text, generator)),
        "byte order mark": each(noise.with_byte_order_mark),
        "traditional": each(noise.traditional),
        "homophones, 1 in 10": each(lambda text: noise.homophones(text, generator), DRAWS),
    }


def _test_texts(problem: str) -> list[str]:
    from wenliu.datasets import VersionedDataset

    path = ROOT / "data/03_primary" / problem / "audited_examples"
    table = VersionedDataset(str(path), "table").load().table(["text", "split"])
    texts, splits = (table[name].to_pylist() for name in ("text", "split"))
    return [text for text, split in zip(texts, splits, strict=True) if split == "test"]


if __name__ == "__main__":
    main()
