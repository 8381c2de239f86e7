"""What tests of several stages need."""

from __future__ import annotations

import sys

import pytest

from wenliu.parallel import ColumnFunction


@pytest.fixture
def in_pool(monkeypatch):
    """A function that makes every stage run in two processes, in batches of so many rows."""

    def switch(rows: int) -> None:
        monkeypatch.setattr("wenliu.parallel._cores", lambda: 2)
        monkeypatch.setattr("wenliu.parallel.BATCH_ROWS", rows)
        for function in ColumnFunction.__subclasses__():
            monkeypatch.setattr(function, "pays_above", 0)
        for name, module in list(sys.modules.items()):
            if name.startswith("wenliu.pipelines.") and hasattr(module, "BATCH_ROWS"):
                monkeypatch.setattr(module, "BATCH_ROWS", rows)

    return switch
