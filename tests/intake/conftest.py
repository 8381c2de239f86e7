"""A problem with an inbox, and files to drop into it."""

from __future__ import annotations

import pytest

from wenliu.inbox import Folders
from wenliu.intake import take_in
from wenliu.params import IngestionParams

LABELS = ["物流", "退款"]


def table(rows, start=0, labels=LABELS, head="text,label"):
    lines = [f"第{i}位顾客的留言,{labels[i % len(labels)]}" for i in range(start, start + rows)]
    return "\n".join([head, *lines]) + "\n"


class Inbox:
    """Drops files and takes them in; nothing waits for files to settle unless asked to."""

    def __init__(self, project):
        self.project = project
        self.folders = Folders.of(project, "p")
        self.folders.inbox.mkdir(parents=True)
        self.first = self.folders.root / "first.csv"
        self.first.write_text(table(100), "utf-8")

    def drop(self, name, content):
        path = self.folders.inbox / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, "utf-8")
        return path

    def take(self, labels=LABELS, **params):
        params = IngestionParams.model_validate({"inbox_settle": 0, **params})
        return take_in(self.project, "p", params, labels, [self.first])

    def outcomes(self, **arguments):
        return {file.name: file.outcome for file in self.take(**arguments).files}

    def raw(self):
        """What a run would read."""
        from wenliu.datasets import RawFiles

        return RawFiles(str(self.folders.root)).load()


@pytest.fixture
def inbox(tmp_path):
    return Inbox(tmp_path)
