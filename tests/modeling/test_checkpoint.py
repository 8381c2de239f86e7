from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from wenliu.errors import UserError
from wenliu.modeling.checkpoint import resolve_checkpoint

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": b'{"model_type": "bert"}',
    "vocab.txt": b"[PAD]\n",
    "model.safetensors": b"weights" * 1000,
    "pytorch_model.bin": b"pickle",
    "modeling_evil.py": b"code",
    "README.md": b"words",
}


def resolve(checkpoint, revision=None):
    return resolve_checkpoint(SimpleNamespace(checkpoint=str(checkpoint), revision=revision))


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty hub cache; huggingface_hub reads its settings once, at import."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return tmp_path


def folder_with(tmp_path, **changes):
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    files = {**FILES, **{k.replace("__", "."): v for k, v in changes.items()}}
    for name, content in files.items():
        if content is not None:
            (folder / name).write_bytes(content)
    return folder


def test_scratch_has_no_folder():
    assert resolve("scratch") is None


def test_a_folder_absolute_and_relative(tmp_path, monkeypatch):
    folder = folder_with(tmp_path)
    assert resolve(folder) == folder
    monkeypatch.chdir(tmp_path)
    assert resolve("checkpoint") == folder
    assert resolve("./checkpoint") == folder


def test_a_folder_of_the_project_from_anywhere_else(tmp_path, monkeypatch):
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text('[tool.kedro]\npackage_name = "wenliu"\n', "utf-8")
    folder = folder_with(project)
    (project / "notebooks").mkdir()
    monkeypatch.chdir(project / "notebooks")
    assert resolve("checkpoint") == folder


def test_without_a_project_the_working_directory_counts(tmp_path, monkeypatch):
    from wenliu.modeling import checkpoint

    def find_project():
        raise UserError("There is no Wenliu project here.")

    monkeypatch.setattr(checkpoint, "find_project", find_project)
    monkeypatch.chdir(tmp_path)
    folder = folder_with(tmp_path)
    assert resolve("checkpoint") == folder
    with pytest.raises(UserError, match="neither a folder"):
        resolve("no/such/folder")


@pytest.mark.parametrize("name", ["/no/such/folder", "./nothing", "a/b/c", "..", "model.bin"])
def test_neither_folder_nor_hub_id(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError):
        resolve(name)


def test_a_pickle_alone_is_refused_with_the_way_out(tmp_path):
    """Reliability 33: weights are safetensors."""
    folder = folder_with(tmp_path, model__safetensors=None)
    with pytest.raises(UserError, match=r"refs/pr/"):
        resolve(folder)


@pytest.mark.parametrize(
    "config",
    [
        {"auto_map": {"AutoModel": "modeling_evil.Model"}},
        {"_attn_implementation_internal": "someone/kernel"},
        {"text_config": {"auto_map": {}}},
    ],
)
def test_remote_code_is_refused(tmp_path, config):
    """Reliability 32: `auto_map`, and an attention of the checkpoint's own."""
    folder = folder_with(tmp_path, config__json=json.dumps(config).encode())
    with pytest.raises(UserError, match="code"):
        resolve(folder)


@pytest.mark.parametrize("missing", ["config__json", "vocab__txt"])
def test_an_incomplete_folder_is_refused(tmp_path, missing):
    with pytest.raises(UserError, match=missing.replace("__", ".")):
        resolve(folder_with(tmp_path, **{missing: None}))


def test_download_takes_only_what_is_needed(cache, hub_server, monkeypatch):
    with hub_server(FILES) as (address, requests):
        monkeypatch.setenv("HF_ENDPOINT", address)
        folder = resolve("someone/tiny-bert")
    assert folder.name == COMMIT
    assert sorted(p.name for p in folder.iterdir()) == [
        "config.json", "model.safetensors", "vocab.txt",
    ]  # fmt: skip
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert not any(".bin" in request or ".py" in request for request in requests)


def test_without_a_network_the_cached_copy_is_used(cache, hub_server, monkeypatch, caplog):
    with hub_server(FILES, revision="v1") as (address, _):
        monkeypatch.setenv("HF_ENDPOINT", address)
        downloaded = resolve("someone/tiny-bert", "v1")
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{_free_port()}")
    assert resolve("someone/tiny-bert", "v1") == downloaded
    assert "cached copy" in caplog.text
    caplog.clear()
    assert resolve("someone/tiny-bert", COMMIT) == downloaded  # asks nobody
    assert not caplog.text


def test_wrong_id_and_wrong_revision(cache, hub_server, monkeypatch):
    with hub_server(FILES) as (address, _):
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(UserError, match="no such checkpoint"):
            resolve("someone/nothing")
        with pytest.raises(UserError, match="no such revision"):
            resolve("someone/tiny-bert", "v9")


def test_a_repository_of_pickles_is_refused_before_any_download(cache, hub_server, monkeypatch):
    files = {k: v for k, v in FILES.items() if k != "model.safetensors"}
    with hub_server(files) as (address, requests):
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(UserError, match="safetensors"):
            resolve("someone/tiny-bert")
    assert not any("/resolve/" in request for request in requests)


def test_connection_refused_is_said_at_once(cache, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{_free_port()}")
    begun = time.monotonic()
    with pytest.raises(UserError, match=r"HF_ENDPOINT=https://hf-mirror.com"):
        resolve("someone/tiny-bert")
    assert time.monotonic() - begun < 30


def test_a_server_that_never_answers(cache, monkeypatch):
    from wenliu.modeling import hub

    monkeypatch.setattr(hub, "ANSWER_SECONDS", 1.0)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{listener.getsockname()[1]}")
        begun = time.monotonic()
        with pytest.raises(UserError, match="cannot be reached"):
            resolve("someone/tiny-bert")
    assert time.monotonic() - begun < 10


def test_a_fresh_process_gives_up_within_30_seconds(tmp_path):
    program = (
        "from types import SimpleNamespace as N\n"
        "from wenliu.modeling.checkpoint import resolve_checkpoint\n"
        "resolve_checkpoint(N(checkpoint='someone/tiny-bert', revision=None))"
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        environment = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path), "HOME": str(tmp_path)}
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**environment, "PYTHONPATH": ":".join(p for p in sys.path if p)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert "UserError" in done.stderr and "HF_ENDPOINT" in done.stderr
    assert time.monotonic() - begun < 30


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]
