"""From raw texts to clean texts, words and token ids, beside pandas and datasets; one core and two.

    python -m benchmarks.preprocess

Ours are the functions that the stages cleaning, segmentation and tokenization call: clean texts
with the map back to the raw ones and counts of what each rule did, words with their first
characters, token ids with offsets, all as Arrow columns. The peers (``usual_way.py``) work row by
row: the same rules as regular expressions, jieba and the fast tokenizer of transformers, without
map, counts or starts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, count
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.harness import INPUTS, ROUNDS, Comparison, interleave, texts_of
from benchmarks.usual_way import Peers
from wenliu.parallel import ColumnFunction, map_batches
from wenliu.text.encoding import encode, load_tokenizer
from wenliu.text.normalizer import Normalizer, TextSettings
from wenliu.text.segmentation import Segmenter
from wenliu.text.settings import resolve_settings
from wenliu.text.tally import Tally
from wenliu.text.vocabulary import build_character_tokenizer, wordpiece_tokenizer

MAX_LENGTH = 512
#: Characters read by each system. The peers would need minutes for what ours does in seconds; ours
#: needs as much as that for the start of its processes not to decide.
ONE_CORE, TWO_CORES, TWO_CORES_OURS = 400_000, 500_000, 20_000_000
BATCH_ROWS = 8_192
#: Endings alternate between these, so that rows differ and no rule has anything to do.
ENDINGS = ("的了是我不在有这", "人们来到时大地为")


@dataclass(frozen=True)
class Preprocess(ColumnFunction):
    """From ``text`` to ``clean_text``, ``edits``, ``words``, ``starts`` and ``token_ids``."""

    settings: dict[str, Any]
    tokenizer: dict[str, Any]

    @cached_property
    def tools(self) -> tuple[Normalizer, Segmenter, Any]:
        """Built once a process."""
        normalizer = Normalizer(TextSettings.from_dict(self.settings))
        return normalizer, Segmenter(), load_tokenizer(self.tokenizer)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The new columns."""
        clean, edits = self.clean(batch["text"])
        words, starts = self.segment(clean)
        columns = [clean, edits, words, starts, self.tokenize(clean)]
        return pa.record_batch(columns, ["clean_text", "edits", "words", "starts", "token_ids"])

    def clean(self, texts: pa.StringArray) -> tuple[pa.StringArray, pa.ListArray]:
        """As the stage cleaning does."""
        return self.tools[0].clean_column(texts, Tally())

    def segment(self, texts: pa.StringArray) -> tuple[pa.ListArray, pa.ListArray]:
        """As the stage segmentation does."""
        return self.tools[1].segment_column(texts)

    def tokenize(self, texts: pa.StringArray) -> pa.ListArray:
        """As the stage tokenization does."""
        flat, offsets = encode(self.tools[2], texts.to_pylist(), MAX_LENGTH)
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(flat))


def main() -> None:
    """Compares the results, then the times, on every input."""
    import datasets

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    datasets.disable_progress_bars()
    result = Comparison(
        "preprocess", "ChnSentiCorp, titles, medical answers: raw text to token ids",
        ("jieba", "pandas", "datasets", "transformers", "tokenizers", "rjieba", "pyarrow"),
    )  # fmt: skip
    cores = sorted(os.sched_getaffinity(0))[:2]
    for name in INPUTS:
        texts, _ = texts_of(name)
        settings, tokenizer = _problem(texts)
        ours, peers = (
            Preprocess(settings.to_dict(), tokenizer),
            Peers(settings, tokenizer, MAX_LENGTH),
        )
        _agree(result, name, texts, ours, peers)
        os.sched_setaffinity(0, cores[:1])
        _one_core(result, name, texts, ours, peers)
        os.sched_setaffinity(0, cores)
        if len(cores) > 1:
            _two_cores(result, name, texts, ours, peers)
    result.notes += [
        "One core (the process is bound to it): each system reads every other row of the set, "
        f"once, up to {ONE_CORE:,} characters. Ours remembers runs of letters and digits that it "
        "has tokenized: in each round it is new and has read the other half of the rows, as a "
        "stage has after its first part. `seen` has read the very same rows before.",
        f"Two cores: ours reads {TWO_CORES_OURS:,} characters in two spawned processes, their "
        "start counted; they are rows of the set over and over with different endings, so after a "
        "pass every run is known. The stages themselves start processes only for larger tables "
        f"(their `pays_above`). datasets {TWO_CORES:,} with num_proc=2 (on one core None is its "
        "best); pandas the same, with threads in the tokenizer, the only part that can use them.",
        "Peers: regular expressions compiled and jieba's dictionary loaded before, jieba.lcut, the "
        "tokenizer called with lists; datasets with batched=True, 1,000 rows, without cache.",
        "The stage tokenization also counts unknown tokens in raw and clean texts; that is left "
        "out, as the peers do nothing like it.",
    ]
    result.finish()


def _one_core(
    result: Comparison, name: str, texts: list[str], seen: Preprocess, peers: Peers
) -> None:
    from datasets import Dataset

    others, texts = texts[::2], _up_to(texts[1::2], ONE_CORE)
    half_seen = [Preprocess(seen.settings, seen.tokenizer) for _ in range(ROUNDS)]
    for ours in half_seen:
        ours(pa.record_batch([pa.array(others)], ["text"]))
    column, data = pa.array(texts), Dataset.from_dict({"text": texts})
    batch = pa.record_batch([column], ["text"])
    clean, _ = seen.clean(column)
    size = sum(map(len, texts))
    measured = _speeds(
        result,
        f"{name}, one core",
        {
            "wenliu": (size, lambda: half_seen.pop()(batch)),
            "pandas": (size, lambda: peers.by_pandas(texts)),
            "datasets": (size, lambda: peers.by_datasets(data, None)),
            "wenliu seen": (size, lambda: seen(batch)),
            "wenliu clean": (size, lambda: seen.clean(column)),
            "wenliu segment": (size, lambda: seen.segment(clean)),
            "wenliu tokenize, seen": (size, lambda: seen.tokenize(clean)),
        },
    )
    for peer in ("pandas", "datasets"):
        result.ratio(peer, f"{name}, one core", measured["wenliu"] / measured[peer])


def _two_cores(
    result: Comparison, name: str, texts: list[str], ours: Preprocess, peers: Peers
) -> None:
    from datasets import Dataset

    few = _sized(texts, TWO_CORES)
    data = Dataset.from_dict({"text": few})
    many = pa.array(_sized(texts, TWO_CORES_OURS))

    def in_processes() -> None:
        batches = pa.table({"text": many}).to_batches(max_chunksize=BATCH_ROWS)
        for _ in map_batches(ours, batches, processes=2):
            pass

    def with_threads() -> None:
        os.environ["TOKENIZERS_PARALLELISM"] = "true"
        peers.by_pandas(few)
        os.environ["TOKENIZERS_PARALLELISM"] = "false"

    measured = _speeds(
        result,
        f"{name}, two cores",
        {
            "wenliu": (TWO_CORES_OURS, in_processes),
            "pandas": (TWO_CORES, with_threads),
            "datasets": (TWO_CORES, lambda: peers.by_datasets(data, 2)),
        },
    )
    for peer in ("pandas", "datasets"):
        result.ratio(peer, f"{name}, two cores", measured["wenliu"] / measured[peer])


def _speeds(
    result: Comparison, where: str, systems: dict[str, tuple[int, Callable[[], Any]]]
) -> dict[str, float]:
    """Adds the speed of each system, given with the characters it reads; returns the medians."""
    seconds = interleave({system: run for system, (_, run) in systems.items()})
    medians = {}
    for system, (characters, _) in systems.items():
        speeds = [characters / 1e6 / second for second in seconds[system]]
        medians[system] = result.add(f"{system}@{where}", speeds, "M chars/s")
    return medians


def _agree(result: Comparison, name: str, texts: list[str], ours: Preprocess, peers: Peers) -> None:
    made = ours(pa.record_batch([pa.array(texts)], ["text"]))
    clean = made["clean_text"].to_pylist()
    usual = list(map(peers.clean, texts))
    pairs = {
        "clean texts": (clean, usual),
        "words of equal texts": (made["words"].to_pylist(), list(map(peers.cut, clean))),
        "token ids of equal texts": (made["token_ids"].to_pylist(), peers.encode(clean)),
    }
    for what, (one, other) in pairs.items():
        different = sum(a != b for a, b in zip(one, other, strict=True))
        result.agree(f"{what}@{name}", len(texts), different)


def _problem(texts: list[str]) -> tuple[TextSettings, dict[str, Any]]:
    """Rules and tokenizer: of bert-base-chinese where its vocabulary is, else of the texts."""
    file = Path(os.environ.get("WENLIU_BENCH_DATA", "")) / "vocab/bert-base-chinese.vocab.txt"
    if file.is_file():
        tokenizer = wordpiece_tokenizer(
            file.read_text("utf-8").rstrip("\n").split("\n"), lowercase=True
        )
    else:
        tokenizer = build_character_tokenizer(texts)
    settings = resolve_settings(vocabulary=tokenizer.get_vocab(), lowercase=True, simplify=False)
    return settings, json.loads(tokenizer.to_str())


def _up_to(texts: list[str], characters: int) -> list[str]:
    """The first rows with so many characters in all."""
    sizes = accumulate(map(len, texts))
    return [text for text, size in zip(texts, sizes, strict=True) if size <= characters]


def _sized(texts: list[str], characters: int) -> list[str]:
    """Rows of the set, over and over with different endings, of so many characters in all."""
    rows: list[str] = []
    while characters > 0:
        row = texts[len(rows) % len(texts)] + _ending(len(rows))
        rows.append(row[:characters])
        characters -= len(row)
    return rows


def _ending(number: int) -> str:
    """A different short string for each number."""
    signs = []
    for place in count():
        number, digit = divmod(number, 8)
        signs.append(ENDINGS[place % 2][digit])
        if not number:
            break
    return "".join(signs)


if __name__ == "__main__":
    main()
