"""A version that a run uses again is the current one, and its files are what they were."""

import os
from pathlib import Path

import pytest
from kedro.io import Version

from wenliu.datasets import VersionedDataset, WorkspaceDataset
from wenliu.datasets.commit import MARKER, REUSED, Lineage, is_undamaged

FIRST, SECOND, THIRD = (f"2026-01-0{n}T00.00.00.000Z" for n in (1, 2, 3))


def report(folder: Path, version: str | None = None) -> VersionedDataset:
    return VersionedDataset(str(folder / "report"), "json", Version(None, version))


@pytest.fixture
def two_versions(tmp_path):
    for version in (FIRST, SECOND):
        dataset = report(tmp_path, version)
        dataset.lineage = Lineage(inputs={"rows": version})
        dataset.save(version)
    return tmp_path


def test_a_reused_version_counts_as_newer_than_those_made_before(two_versions):
    report(two_versions, THIRD).reuse(FIRST, {"rows": FIRST})
    later = report(two_versions)
    assert later.load() == FIRST
    assert later.list_versions(full_path=False) == [FIRST, SECOND]


def test_what_is_made_after_it_is_newer_again(two_versions):
    report(two_versions, SECOND).reuse(FIRST, {"rows": FIRST})
    report(two_versions, THIRD).save(THIRD)
    assert report(two_versions).load() == THIRD


def test_it_is_made_from_the_versions_that_the_run_had(two_versions):
    report(two_versions, THIRD).reuse(FIRST, {"rows": SECOND})
    assert report(two_versions).marker()["inputs"] == {"rows": SECOND}
    assert report(two_versions).marker()["version"] == FIRST


def test_the_newest_version_reused_for_the_same_inputs_leaves_no_trace(two_versions):
    report(two_versions, THIRD).reuse(SECOND, {"rows": SECOND})
    assert not list(two_versions.rglob(REUSED))


def test_a_run_loads_what_it_reused_although_something_newer_appears(two_versions):
    mine = report(two_versions, THIRD)
    mine.reuse(FIRST, {"rows": FIRST})
    report(two_versions, "2026-01-04T00.00.00.000Z").save("newer")
    assert mine.load() == FIRST


def test_a_file_of_the_same_size_written_later_is_found_out(two_versions):
    folder = two_versions / "report" / FIRST
    file = folder / "report.json"
    content = file.read_bytes()
    assert is_undamaged(folder)
    file.write_bytes(content.replace(b"1", b"7"))
    assert not is_undamaged(folder)
    file.write_bytes(content)
    assert is_undamaged(folder)
    os.utime(folder / MARKER, (0, 0))  # copied: every file is later than the marker
    assert is_undamaged(folder)


def test_a_workspace_goes_whether_it_was_written_into_or_its_node_was_skipped(tmp_path):
    for name in ("fit", "export", "other"):
        (tmp_path / name).mkdir()
    workspace = WorkspaceDataset(str(tmp_path))
    workspace.claim("fit")
    workspace.claim("export")
    assert workspace.load() == tmp_path / "export"
    workspace.clear()
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_workspaces_that_nobody_comes_back_to_are_deleted(tmp_path, monkeypatch):
    """After a week, and all but the four newest; never one that this run has claimed."""
    for day in range(1, 15):
        monkeypatch.setenv("WENLIU_CLOCK", f"2030-05-{day:02d}T02:00:00+00:00")
        workspace = WorkspaceDataset(str(tmp_path))
        workspace.claim(f"fit-{day:02d}")
        workspace.load()
        if day in (3, 4):  # the same fit goes on the day after
            workspace.claim("long")
            (workspace.load() / "checkpoint").touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "fit-10", "fit-11", "fit-12", "fit-13", "fit-14",
    ]  # fmt: skip
    monkeypatch.setenv("WENLIU_CLOCK", "2030-05-20T03:00:00+00:00")
    workspace = WorkspaceDataset(str(tmp_path))
    workspace.claim("fit-10")
    workspace.load()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fit-10", "fit-14"]
    workspace.clear()
    assert [path.name for path in tmp_path.iterdir()] == ["fit-14"]
