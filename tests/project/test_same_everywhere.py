"""A trained bundle answers the same however a text was typed, and wherever it is asked."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from wenliu.parts import Parts
from wenliu.pipelines.cleaning.columns import CleanTexts
from wenliu.serving.batch import predict_file
from wenliu.serving.bundle import Bundle
from wenliu.serving.locate import locate_bundle
from wenliu.text import noise

STRANGE = [
    "",
    " ",
    "\u3000",
    "😂😂",
    "𠮷野家",
    "\u200f\u202eשלום",
    "\ud83d",
    "a\x00b",
    "<br>",
    "١٢٣",
    "ﷺ",
]


@pytest.fixture(scope="module")
def folder(finished_run: Path) -> Path:
    return locate_bundle(finished_run, "feedback_topics")[0]


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Bundle:
    return Bundle.load(folder, engine="onnxruntime", precision="fp32")


@pytest.fixture(scope="module")
def texts(finished_run: Path) -> list[str]:
    [version] = (finished_run / "data/02_intermediate/feedback_topics/examples").iterdir()
    return Parts.open(version / "examples").column("text").to_pylist()


@pytest.mark.parametrize("kind", ["full width", "case", "zero width", "byte order mark"])
def test_what_a_reader_does_not_see_flips_no_prediction(bundle, texts, kind):
    """Reliability 26: width, case, zero-width characters and marks: 0 % flipped predictions."""
    generator = np.random.default_rng(0)
    noisy = {
        "full width": noise.full_width,
        "case": noise.swap_case,
        "zero width": lambda text: noise.with_zero_width(text, generator),
        "byte order mark": noise.with_byte_order_mark,
    }[kind]
    changed = [noisy(text) for text in texts]
    assert sum(a != b for a, b in zip(texts, changed, strict=True)) > 100
    before, after = bundle.predict(texts), bundle.predict(changed)
    assert [one.label for one in before] == [other.label for other in after]


def many_strings(texts: list[str]) -> list[str]:
    """10,000 strings: messages, pieces of messages stuck together, and strange ones."""
    generator = np.random.default_rng(1)
    pool = "".join(texts)
    found = [*STRANGE, *texts]
    while len(found) < 10_000:
        start, length = generator.integers(len(pool) - 80), generator.integers(1, 80)
        text = pool[start : start + length]
        if generator.random() < 0.2:
            text = noise.with_zero_width(noise.full_width(text), generator)
        found.append(text + STRANGE[generator.integers(len(STRANGE))] * (generator.random() < 0.1))
    return found


def test_cleaning_is_the_same_in_training_and_serving(bundle, folder, texts):
    """Reliability 27: identical on 10,000 strings."""
    settings = json.loads((folder / "text.json").read_text("utf-8"))
    # Arrow holds no lone surrogates: ingestion has quarantined their rows.
    strings = [text.replace("\ud83d", "") for text in many_strings(texts)]
    column = CleanTexts(settings, 0).normalizer.clean_column(pa.array(strings))[0]
    assert column.to_pylist() == bundle.clean(strings)


def test_probabilities_are_the_same_alone_in_a_batch_in_a_file_and_on_the_command_line(
    finished_run, bundle, texts, tmp_path
):
    """Reliability 27: |Δp| ≤ 1e-6 between the ways in (HTTP comes with the server)."""
    # A file says of the others why they have no answer.
    printable = [text for text in many_strings(texts) if text.isprintable()]
    cleaned = zip(printable, bundle.clean(printable), strict=True)
    strings = [text for text, clean in cleaned if clean.strip()][:2000]
    expected = [one.probability for one in bundle.predict(strings)]
    alone = [bundle.predict([text])[0].probability for text in strings[:200]]
    assert np.abs(np.subtract(alone, expected[:200])).max() <= 1e-6

    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    with source.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["text"], *([text] for text in strings)])
    predict_file(bundle, source, target, text_column="text")
    with target.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    found = [float(row["probability"]) for row in rows]
    assert np.abs(np.subtract(found, expected)).max() <= 1e-6

    command = [sys.executable, "-m", "wenliu", "predict", "--text", strings[7]]
    said = subprocess.run(command, cwd=finished_run, capture_output=True, text=True, check=True)
    assert f"{expected[7]:7.2%}  {bundle.predict([strings[7]])[0].label}" in said.stdout
