"""The bundled messages are what their README says."""

import importlib.util
import json
import random
import re
from collections import Counter
from pathlib import Path

import pytest
from openpyxl import load_workbook

ROOT = Path(__file__).parents[2]
WRITTEN = ROOT / "data/00_written/feedback_topics"
RAW = ROOT / "data/01_raw/feedback_topics"


@pytest.fixture(scope="module")
def plant():
    spec = importlib.util.spec_from_file_location("plant", WRITTEN / "plant.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def messages(plant):
    return plant.written()


@pytest.fixture(scope="module")
def truth():
    return json.loads((WRITTEN / "planted.json").read_text("utf-8"))


def test_there_are_enough_messages_in_eight_topics(messages):
    topics = Counter(message["topic"] for message in messages)
    assert len(messages) >= 1200
    assert len(topics) == 8
    assert min(topics.values()) > 0.08 * len(messages)
    assert len({message["id"] for message in messages}) == len(messages)


def test_messages_are_4_to_300_characters_and_of_every_length_between(messages):
    lengths = sorted(len(message["text"]) for message in messages)
    assert lengths[0] >= 4 and lengths[-1] <= 300
    assert lengths[len(lengths) // 10] <= 12
    assert lengths[-len(lengths) // 15] >= 120


def test_no_template_wrote_them(messages):
    """At least 85 % of the distinct character 6-grams stand in one text only."""
    grams = Counter()
    for message in messages:
        text = message["text"]
        grams.update({text[i : i + 6] for i in range(len(text) - 5)})
    assert sum(count == 1 for count in grams.values()) / len(grams) >= 0.85
    assert len({message["text"] for message in messages}) == len(messages)


def test_they_are_as_messy_as_people_are(messages):
    texts = [message["text"] for message in messages]
    for pattern, at_least in (
        ("[A-Za-z]", 80),
        ("[0-9]", 200),
        ("[！？。~…]{2,}", 25),
        ("[\U0001f300-\U0001faff]", 50),
        ("[這個們請嗎麼還沒點錢]", 60),
        ("[Ａ-Ｚａ-ｚ０-９]", 5),
    ):
        assert sum(bool(re.search(pattern, text)) for text in texts) >= at_least, pattern


def test_the_raw_files_are_what_the_script_makes(plant, truth, tmp_path, monkeypatch):
    monkeypatch.setattr(plant, "RAW", tmp_path)
    monkeypatch.setattr(plant, "HERE", tmp_path)
    for path in WRITTEN.glob("messages_*.jsonl"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    plant.main()
    made = json.loads((tmp_path / "planted.json").read_text("utf-8"))
    assert made == truth
    names = sorted(path.name for path in RAW.iterdir() if path.suffix != ".md")
    assert names == sorted(truth["rows"])
    for name in names:
        if name.endswith(".xlsx"):
            rows = [list(load_workbook(f / name).active.values) for f in (RAW, tmp_path)]
            assert rows[0] == rows[1]
        else:
            assert (RAW / name).read_bytes() == (tmp_path / name).read_bytes()


def test_planting_writes_no_text_of_its_own(plant, messages):
    """Every planted row is a written message but for the slip that the truth names."""
    rows, truth = plant.plant(messages, random.Random(plant.SEED))
    originals = {message["id"]: message["text"] for message in messages}
    by_id = {row["id"]: row["text"] for row in rows}
    assert all(by_id[copy] == originals[original] for original, copy in truth["exact"])
    assert all(abs(len(by_id[c]) - len(originals[o])) <= 1 for o, c in truth["near"])


def test_the_readme_states_the_planted_counts(truth):
    readme = (WRITTEN / "README.md").read_text("utf-8")
    for kind, count in truth["counts"].items():
        assert re.search(rf"\| `{kind}` \| {count} \|", readme), kind
    assert f"{truth['written']:,} messages" in readme


def test_the_relabelling_agrees_as_the_readme_says():
    answers = json.loads((WRITTEN / "relabelled.json").read_text("utf-8"))
    agreed = sum(a["written_as"] == a["relabelled_as"] for a in answers)
    assert len(answers) == 100
    assert f"{agreed} of 100" in (WRITTEN / "README.md").read_text("utf-8")
