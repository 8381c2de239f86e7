"""The notebooks run top to bottom on a finished run."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs_top_to_bottom(path, finished_run, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(finished_run / "src"))
    notebook = nbformat.read(path, as_version=4)
    context = {"metadata": {"path": str(finished_run)}}
    NotebookClient(notebook, timeout=120, resources=context).execute()
    outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error"]
    assert sum("data" in o and "text/html" in o.data for o in outputs) >= 3


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(path):
    for cell in nbformat.read(path, as_version=4).cells:
        assert not cell.get("outputs")
