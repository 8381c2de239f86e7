"""How many characters a second cleaning reads on one core. The bar is 5 million.

    python benchmarks/clean.py

Takes the raw messages of the bundled problem, or ChnSentiCorp where ``WENLIU_BENCH_DATA`` names a
folder with ``classification/chnsenticorp``, over and over, each time with another ending, so that
no row repeats. Prints medians over some rounds; ``clean_batch_with_edits`` is what the pipeline
calls, ``clean_batch`` what the bundle does.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

from wenliu.readers import ReadOptions, read_files
from wenliu.text.normalizer import Normalizer, Tally
from wenliu.text.settings import resolve_settings

ROOT = Path(__file__).resolve().parents[1]
CHARACTERS = 5_000_000
ROUNDS = 5
#: Endings alternate between these, so that they give no rule anything to do.
ENDINGS = ("的了是我不在有这", "人们来到时大地为")


def read_texts() -> tuple[str, list[str]]:
    """A name, and the raw texts."""
    data = os.environ.get("WENLIU_BENCH_DATA")
    folder = (
        Path(data) / "classification/chnsenticorp" if data else ROOT / "data/01_raw/feedback_topics"
    )
    files = sorted(path for path in folder.iterdir() if path.suffix != ".md")
    texts = [text for file in read_files(files, ReadOptions()) for text in file.values["text"]]
    return folder.name, [text for text in texts if text]


def ending(number: int) -> str:
    """A different short string for each number."""
    signs = []
    for place in count():
        number, digit = divmod(number, 8)
        signs.append(ENDINGS[place % 2][digit])
        if not number:
            return "".join(signs)


def speed(clean: Callable[[list[str], Tally], object], texts: list[str]) -> float:
    """Characters a second, the median of some rounds."""
    characters = sum(map(len, texts))
    seconds = []
    for _ in range(ROUNDS):
        tally = Tally()
        begun = time.perf_counter()
        clean(texts, tally)
        seconds.append(time.perf_counter() - begun)
    return characters / statistics.median(seconds)


def main() -> None:
    """Prints a line for each way of cleaning."""
    name, raw = read_texts()
    texts: list[str] = []
    size = 0
    while size < CHARACTERS:
        texts.append(raw[len(texts) % len(raw)] + ending(len(texts)))
        size += len(texts[-1])
    assert len(set(texts)) == len(texts)
    settings = resolve_settings(vocabulary=None, lowercase=True, simplify=True)
    normalizer = Normalizer(settings)
    normalizer.clean_batch(texts[:1000], Tally())  # tables are made at first use
    print(f"{name}: {len(texts):,} rows, {size:,} characters")
    for clean in (normalizer.clean_batch, normalizer.clean_batch_with_edits):
        print(f"{clean.__name__:<24}{speed(clean, texts) / 1e6:>6.1f} million characters a second")


if __name__ == "__main__":
    main()
