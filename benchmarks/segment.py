"""Words of real lines, beside jieba 0.42.1 and jieba_next: seconds, and how many lines are equal.

    python -m benchmarks.segment

Ours is what the pipeline calls, ``Segmenter.segment_column``: from an Arrow column of texts to the
columns of words and of their first characters. The peers make lists of strings. All on one core.
"""

from __future__ import annotations

import logging
import lzma
import os
import warnings
from itertools import islice
from pathlib import Path
from types import ModuleType

import pyarrow as pa

from benchmarks.harness import INPUTS, Comparison, interleave, sized, texts_of
from wenliu.text.segmentation import Segmenter

#: Texts of books and laws, articles with code, manuals: as many lines of each.
CORPORA = ("classical_modern_target", "laws_md", "lctt_published_md", "vsdocs_zh_md")
LINES = 100_000


def main() -> None:
    """Compares the words, then the times, on every input."""
    jieba, jieba_next, segmenter = _peer("jieba"), _peer("jieba_next"), Segmenter()
    from rjieba import Jieba

    rjieba = Jieba()
    result = Comparison(
        "segment", "ChnSentiCorp, titles, medical answers, 100 k lines; one core",
        ("jieba", "jieba_next", "rjieba"),
    )  # fmt: skip
    for name, texts in _inputs():
        column = pa.array(texts)
        characters = sum(map(len, texts))
        ours = segmenter.segment_column(column)[0]
        different = sum(
            row.as_py() != jieba.lcut(text) for row, text in zip(ours, texts, strict=True)
        )
        result.agree(f"lines with jieba@{name}", len(texts), different)
        different = sum(jieba_next.lcut(text) != jieba.lcut(text) for text in texts)
        result.agree(f"lines of jieba_next with jieba@{name}", len(texts), different)
        seconds = interleave(
            {
                "wenliu": lambda column=column: segmenter.segment_column(column),
                "rjieba": lambda texts=texts: [rjieba.cut(text) for text in texts],
                "jieba_next": lambda texts=texts: [jieba_next.lcut(text) for text in texts],
                "jieba": lambda texts=texts: [jieba.lcut(text) for text in texts],
            }
        )
        medians = {
            system: result.add(
                f"{system}@{name}", [characters / second / 1e6 for second in values], "M chars/s"
            )
            for system, values in seconds.items()
        }
        for peer in ("jieba", "jieba_next", "rjieba"):
            result.ratio(peer, name, medians["wenliu"] / medians[peer])
    result.notes += [
        "jieba and jieba_next: lcut line by line, HMM on, dictionaries loaded before; lists of "
        "strings. Their parallel mode is left out: it forks, and speed is counted on one core.",
        "rjieba: Jieba().cut line by line, lists of strings whose Latin words are not all jieba's; "
        "ours is rjieba fed by the block, these words put right, the columns and starts made.",
    ]
    result.finish()


def _peer(name: str) -> ModuleType:
    """The module of that name, quiet and ready."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = __import__(name)
    module.setLogLevel(logging.ERROR)
    module.initialize()
    return module


def _inputs() -> list[tuple[str, list[str]]]:
    """The three sets, and 100,000 lines of long texts (of the sets where there are none)."""
    inputs = [(name, texts_of(name)[0]) for name in INPUTS]
    folder = Path(os.environ.get("WENLIU_BENCH_DATA", "")) / "corpus"
    if not folder.is_dir():
        return [*inputs, ("lines", sized([line for _, texts in inputs for line in texts], LINES))]
    lines: list[str] = []
    for name in CORPORA:
        with lzma.open(folder / f"{name}.txt.xz", "rt", encoding="utf-8") as file:
            filled = (line.rstrip("\n") for line in file if line.strip())
            lines += islice(filled, LINES // len(CORPORA))
    return [*inputs, ("lines", lines)]


if __name__ == "__main__":
    main()
