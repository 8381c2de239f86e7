"""Two runs at once without a lock: each reads what it wrote itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"
ROUNDS = 20

# Both processes save versions of the same artefacts, in turns that nobody orders.
RUNS = """
import json, random, sys, time
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, MemoryDataset, Version
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner
from wenliu.datasets import VersionedDataset
from wenliu.hooks.versions import VersionsHook

folder, who, rounds, pinned = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "pinned"


def tokenize(name):
    return name


def fit(tokens):
    time.sleep(random.uniform(0, 0.03))
    return f"model of {tokens}"


def score(model, tokens):
    time.sleep(random.uniform(0, 0.03))
    return [model, tokens]


PIPELINE = Pipeline([
    Node(tokenize, "name", "tokens", name="tokenize"),
    Node(fit, "tokens", "model", name="fit"),
    Node(score, ["model", "tokens"], "scores", name="score"),
])
print("ready", flush=True)
sys.stdin.readline()
answers = []
for number in range(rounds):
    name = f"{who} {number}"
    version = Version(None, f"2026-01-01T00.00.{number:02}.{who}")
    catalog = DataCatalog({"name": MemoryDataset(name)} | {
        one: VersionedDataset(f"{folder}/{one}", "json", version)
        for one in ("tokens", "model", "scores")
    })
    hooks = _create_hook_manager()
    if pinned:
        hooks.register(VersionsHook())
    hooks.hook.before_pipeline_run(run_params={}, pipeline=PIPELINE, catalog=catalog)
    SequentialRunner().run(PIPELINE, catalog, hooks)
    with open(f"{folder}/scores/{version.save}/scores.json") as file:
        answers.append(json.load(file) == [f"model of {name}", name])
print(json.dumps(answers), flush=True)
"""


def overlap(folder, mode):
    """For each of two processes, which of its runs read only what they wrote."""
    script = folder / "runs.py"
    script.write_text(RUNS)
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", script, str(folder), who, str(ROUNDS), mode],
            env={**os.environ, "PYTHONPATH": str(SOURCE), "WENLIU_LOCK": "off"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for who in ("one", "two")
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said[0][1] + said[1][1]
    return [json.loads(out) for out, _ in said]


def test_each_of_two_runs_reads_only_its_own_versions(tmp_path):
    """Reliability 3: with the lock off, 20 of 20."""
    assert overlap(tmp_path, "pinned") == [[True] * ROUNDS] * 2


def test_without_pins_they_would_mix(tmp_path):
    """What the test above is worth: the newest on disk is somebody else's."""
    assert not all(map(all, overlap(tmp_path, "newest")))
