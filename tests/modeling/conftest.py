from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import pytest

from wenliu.text.vocabulary import SPECIAL_TOKENS

#: A vocabulary in the shape of bert-base-chinese's: no capitals, no curly quotes.
VOCABULARY = [
    *SPECIAL_TOKENS, "<S>", "<T>", *"快递三天没动静客服也不回，。！？,.!?\"'「-…", "abc", "##d",
    *"們這個來說時會對沒後還為學電話機車東問題開關買賣",
]  # fmt: skip


def _scratch(**changes):
    size = {
        "hidden_size": 32, "layers": 2, "heads": 2, "intermediate_size": 64,
        "max_positions": 64, "dropout": 0.1, "min_count": 1,
    }  # fmt: skip
    return SimpleNamespace(**{**size, **changes})


@pytest.fixture(scope="session")
def choose():
    """Model parameters, as the pipeline hands them over."""

    def choose(checkpoint="scratch", revision=None, **size):
        return SimpleNamespace(
            checkpoint=str(checkpoint),
            revision=revision,
            seed=1,
            device="cpu",
            scratch=_scratch(**size),
        )

    return choose


@pytest.fixture(scope="session")
def hub_server():
    """A small local server that answers as a hub does."""
    return _hub_server


@pytest.fixture
def make_checkpoint(tmp_path):
    """Writes a tiny BERT checkpoint as a hub has it; returns its folder."""
    from transformers.models.bert import BertConfig, BertForMaskedLM

    def make(
        name="tiny-bert",
        config=None,
        tokenizer_config=None,
        vocabulary=VOCABULARY,
        head=True,
        rename=None,
        size=None,
    ) -> Path:
        folder = tmp_path / name
        settings = BertConfig(
            vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=64, max_position_embeddings=64, **(size or {}),
        )  # fmt: skip
        model = BertForMaskedLM(settings)
        (model if head else model.bert).save_pretrained(folder)
        if rename:
            from safetensors.torch import load_file, save_file

            weights = load_file(folder / "model.safetensors")
            weights = {rename(k): v.contiguous() for k, v in weights.items()}
            save_file(weights, folder / "model.safetensors", {"format": "pt"})
        written = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**written, **(config or {})}))
        (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", "utf-8")
        if tokenizer_config is not None:
            (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))
        return folder

    return make


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def _hub_server(
    files: dict[str, bytes], repository: str = "someone/tiny-bert", revision: str = "main"
) -> Iterator[tuple[str, list[str]]]:
    """Serves one repository; yields its address and the list of requests it got."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, body: bool) -> None:
            path = unquote(self.path.split("?")[0])
            requests.append(f"{self.command} {path}")
            prefix = f"/api/models/{repository}"
            if path in (prefix, f"{prefix}/revision/{revision}"):
                siblings = [{"rfilename": name} for name in files]
                info = {"id": repository, "sha": COMMIT, "siblings": siblings}
                return self._send(200, json.dumps(info).encode(), {}, body)
            if path.startswith(f"{prefix}/revision/"):
                return self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"}, body)
            if path.startswith(f"{prefix}/tree/{COMMIT}"):
                tree = [
                    {"type": "file", "path": n, "size": len(c), "oid": _etag(c)}
                    for n, c in files.items()
                ]
                return self._send(200, json.dumps(tree).encode(), {}, body)
            name = path.removeprefix(f"/{repository}/resolve/{COMMIT}/")
            if name in files:
                headers = {"ETag": f'"{_etag(files[name])}"', "X-Repo-Commit": COMMIT}
                return self._send(200, files[name], headers, body)
            return self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body)

        def _send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        server.server_close()


def _etag(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
