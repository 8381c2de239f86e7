"""Pages are looked at in a real browser, with real Chinese fonts."""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (see .ci/run)")

STAGES = (
    "ingestion", "cleaning", "splitting", "audit", "segmentation", "tokenization", "finetuning",
    "evaluation", "export",
)  # fmt: skip


def browse(url, folder, *options):
    """What headless Chromium prints when it has loaded a page."""
    assert CHROMIUM is not None
    result = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", f"--user-data-dir={folder / 'browser'}", "--window-size=1600,1400",
            "--virtual-time-budget=20000", *options, url,
        ],
        capture_output=True,
        text=True,
        timeout=180,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


def distinct_colours(picture):
    """How many colours a PNG has: a blank page has one or two."""
    from PIL import Image

    with Image.open(picture) as image:
        return len(image.convert("RGB").resize((400, 350)).getcolors(maxcolors=200_000))


def newest(project, artefact):
    [folder] = (project / "data/08_reporting/feedback_topics" / artefact).iterdir()
    return next(path for path in folder.iterdir() if path.name.startswith(artefact))


@pytest.mark.parametrize("page", ["evaluation_page", "audit_page"])
def test_a_report_is_one_self_contained_page_that_renders_chinese(page, finished_run, tmp_path):
    path = newest(finished_run, page)
    html = path.read_text("utf-8")
    assert not re.search(r"""(src|href)=["'](https?:)?//""", html)
    dom = browse(path.as_uri(), tmp_path, "--dump-dom")
    assert "物流配送" in dom and "<svg" in dom
    picture = tmp_path / "page.png"
    browse(path.as_uri(), tmp_path, f"--screenshot={picture}")
    assert distinct_colours(picture) > 50


def test_plots_keep_text_as_text(finished_run):
    svg = newest(finished_run, "keywords_plot").read_text("utf-8")
    assert "<text" in svg and "物流配送" in svg


@pytest.fixture(scope="module")
def site(finished_run, tmp_path_factory):
    """Kedro-Viz's static site, served on this machine."""
    folder = tmp_path_factory.mktemp("viz")
    shutil.copytree(finished_run, folder / "project", ignore=shutil.ignore_patterns("data", "logs"))
    result = subprocess.run(
        [sys.executable, "-m", "kedro", "viz", "build"],
        cwd=folder / "project",
        env={**os.environ, "PYTHONPATH": str(folder / "project/src"), "DO_NOT_TRACK": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=str(folder / "project/build")
    )
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_kedro_viz_shows_the_stages_with_their_layers(site, tmp_path):
    dom = browse(site, tmp_path, "--dump-dom")
    for stage in STAGES:
        assert re.search(rf">\s*{stage}\s*<", dom), stage
    for layer in ("raw", "intermediate", "primary", "models", "reporting"):
        assert re.search(rf">\s*{layer}\s*<", dom, re.IGNORECASE), layer
    picture = tmp_path / "viz.png"
    browse(site, tmp_path, f"--screenshot={picture}")
    assert distinct_colours(picture) > 50


@pytest.fixture
def mlflow_page(finished_run):
    """MLflow's own page over the finished run's database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [
            sys.executable, "-m", "mlflow", "ui", "--port", str(port),
            "--backend-store-uri", f"sqlite:///{finished_run / 'mlflow.db'}",
        ],
        cwd=finished_run,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(120):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}health", timeout=2):
                break
            time.sleep(0.5)
        yield url
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def test_mlflow_shows_the_run_and_a_plot_in_chinese(mlflow_page, finished_run, tmp_path):
    with sqlite3.connect(finished_run / "mlflow.db") as database:
        [(run, experiment)] = database.execute("select run_uuid, experiment_id from runs")
    page = f"{mlflow_page}#/experiments/{experiment}/runs/{run}/artifacts/keywords_plot.svg"
    dom = browse(page, tmp_path, "--dump-dom")
    assert "feedback_topics" in dom and "keywords_plot.svg" in dom
    picture = tmp_path / "mlflow.png"
    browse(page, tmp_path, f"--screenshot={picture}")
    assert distinct_colours(picture) > 50
