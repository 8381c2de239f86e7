"""A bundle is asked in a process of its own whether it serves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from wenliu.serving import self_test as module
from wenliu.serving.manifest import read_manifest
from wenliu.serving.self_test import self_test


def test_a_good_bundle_passes_in_a_fresh_process(tiny_problem):
    found = self_test(tiny_problem.bundle)
    assert found["passed"] and not found["reason"]
    assert found["sha256"] == read_manifest(tiny_problem.bundle)["content_sha256"]
    assert found["labels"] == tiny_problem.json("label_map")["labels"]
    assert found["bytes"] > 0 and found["milliseconds_per_text"] > 0
    assert found["facts"]["max_length"] == 32


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "labels.json", "text.json"])
def test_one_flipped_byte_fails_it(tiny_problem, tmp_path, name):
    """Reliability 18: a bundle with one flipped byte is not served."""
    copy = shutil.copytree(tiny_problem.bundle, tmp_path / "bundle")
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    found = self_test(copy)
    assert not found["passed"] and name in found["reason"]


def test_the_command_answers_with_one_json_line_and_an_exit_code(tmp_path):
    command = [sys.executable, "-m", "wenliu.serving.self_test", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert result.returncode == 1 and '"passed": false' in result.stdout


def test_a_process_that_hangs_or_dies_is_an_answer(tiny_problem, monkeypatch):
    assert "within 0.01 seconds" in self_test(tiny_problem.bundle, timeout=0.01)["reason"]
    monkeypatch.setattr(module.sys, "executable", "/bin/false")
    assert "ended with 1" in self_test(tiny_problem.bundle)["reason"]


def test_nothing_of_torch_or_kedro_is_loaded_to_serve(tiny_problem):
    code = (
        "import sys; from pathlib import Path; from wenliu.serving.self_test import examine; "
        f"examine(Path({str(tiny_problem.bundle)!r})); "
        "print({'torch', 'kedro', 'transformers', 'mlflow'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "set()"
