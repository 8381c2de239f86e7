"""What has not changed is not made again, and what is used instead is exactly the right version."""

import json

import pytest
from kedro.framework.hooks import hook_impl
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, MemoryDataset, Version
from kedro.pipeline import Node, Pipeline

from wenliu import code
from wenliu.datasets import RawFiles, VersionedDataset, WorkspaceDataset
from wenliu.datasets.commit import MARKER, REUSED
from wenliu.errors import UserError
from wenliu.hooks.versions import VersionsHook, pin_versions
from wenliu.params import SegmentationParams
from wenliu.runner import FreshRunner
from wenliu.summary import explain_decisions

STORED = ("rows", "report", "clean", "words", "model", "scores")
ran = []


def read(paths):
    ran.append("read")
    rows = [line for path in paths for line in path.read_text("utf-8").splitlines()]
    return rows, {"rows": len(rows)}


def clean(rows):
    ran.append("clean")
    return [row.strip() for row in rows]


def segment(rows, params):
    ran.append("segment")
    return [[*row] for row in rows]


def fit(clean, workspace, epochs):
    ran.append("fit")
    (workspace / "checkpoint").touch()
    if epochs < 0:
        raise ValueError("no such epoch")
    return {"seen": [*clean], "epochs": epochs}


def score(model, rows, words):
    ran.append("score")
    return [model["epochs"], len(rows)]


PIPELINE = Pipeline(
    [
        Node(read, "raw_files", ["rows", "report"], name="read"),
        Node(clean, "rows", "clean", name="clean"),
        Node(segment, ["clean", "params:segmentation"], "words", name="segment"),
        Node(fit, ["clean", "workspace", "params:epochs"], "model", name="fit"),
        Node(score, ["model", "rows", "words"], "scores", name="score"),
    ]
)


class Project:
    """A folder in which pipelines run; every run is a day later than the one before."""

    def __init__(self, folder):
        self.folder = folder
        self.day = 0
        self.epochs = 1
        self.segmentation = SegmentationParams()
        self.decisions = {}
        self.raw("a")

    def raw(self, text):
        (self.folder / "raw").mkdir(exist_ok=True)
        (self.folder / "raw/rows.txt").write_text(text)

    def catalog(self):
        version = Version(None, self.version(self.day))
        return DataCatalog(
            {
                **{n: VersionedDataset(str(self.folder / n), "json", version) for n in STORED},
                "raw_files": RawFiles(str(self.folder / "raw")),
                "workspace": WorkspaceDataset(str(self.folder / "workspace")),
                "params:epochs": MemoryDataset(self.epochs),
                "params:segmentation": MemoryDataset(self.segmentation),
            }
        )

    @staticmethod
    def version(day):
        return f"2026-01-{day:02}T00.00.00.000Z"

    def run(self, pipeline=PIPELINE, **load_versions):
        """Runs, and returns the names of the nodes that really ran, sorted."""
        self.day += 1
        self.now = self.catalog()
        ran.clear()
        hooks = _create_hook_manager()
        hooks.register(VersionsHook())
        hooks.register(self)
        params = {"load_versions": load_versions}
        hooks.hook.before_pipeline_run(run_params=params, pipeline=pipeline, catalog=self.now)
        run_id = self.version(self.day)
        self.decisions = {}
        FreshRunner().run(pipeline, self.now, hooks, run_id=run_id)
        return sorted(ran)

    @hook_impl
    def after_node_decided(self, decision):
        self.decisions[decision.node] = decision

    def reason(self, node):
        return self.decisions[node].reason

    def place(self, name, day):
        return self.folder / name / self.version(day)


@pytest.fixture
def project(tmp_path):
    made = Project(tmp_path)
    assert made.run() == ["clean", "fit", "read", "score", "segment"]
    assert made.reason("fit") == "not done before"
    return made


def test_nothing_runs_and_nothing_is_written_when_nothing_has_changed(project):
    before = sorted(project.folder.rglob("*"))
    assert project.run() == []
    assert sorted(project.folder.rglob("*")) == before
    assert project.now.load("scores") == [1, 1]
    assert {d.reused for d in project.decisions.values()} == {project.version(1)}


def test_a_changed_parameter_runs_what_depends_on_it_and_is_named(project):
    project.epochs = 2
    assert project.run() == ["fit", "score"]
    assert project.reason("fit") == "parameters changed (epochs 1 → 2)"
    assert project.reason("score") == "inputs changed (model)"
    assert project.now.load("scores") == [2, 1]


def test_the_summary_says_what_was_skipped_and_why_the_rest_was_not(project):
    project.epochs = 2
    project.run()
    assert list(explain_decisions(list(project.decisions.values()), PIPELINE)) == [
        ("unchanged", "3 of 5 steps: the results are those of earlier runs"),
        ("ran anew", "fit: parameters changed (epochs 1 → 2)"),
        ("", "score: followed from that"),
    ]


def test_a_changed_raw_file_is_named(project):
    project.raw("a\nb")
    assert len(project.run()) == 5
    assert project.reason("read") == "inputs changed (raw_files/rows.txt)"


def test_a_project_that_moves_is_the_same_project(project):
    moved = project.folder.with_name("moved")
    project.folder.rename(moved)
    project.folder = moved
    assert project.run() == []


def test_going_back_serves_the_first_results_and_makes_them_the_current_ones(project):
    """A, B, A: and a stage that is run alone afterwards goes on from A, not from the newest."""
    project.raw("b\nb")
    project.epochs = 2
    assert len(project.run()) == 5
    project.raw("a")
    project.epochs = 1
    assert project.run() == []
    assert project.now.load("scores") == [1, 1]

    later = project.catalog()
    pin_versions(PIPELINE.only_nodes("score"), later, {})
    assert later.load("model") == {"seen": ["a"], "epochs": 1}
    assert later["rows"].resolve_load_version() == project.version(1)
    assert project.run(PIPELINE.only_nodes("score")) == []


def test_the_same_content_made_anew_stops_the_change(project):
    """Another raw file, the same clean text: nothing after cleaning runs but what reads rows."""
    project.raw("a  ")
    assert project.run() == ["clean", "read", "score"]
    assert project.now.load("model") == {"seen": ["a"], "epochs": 1}


def test_after_such_a_run_a_stage_alone_finds_versions_that_belong_together(project):
    """The model was made from older rows than the newest: from the same clean text all the same."""
    project.raw("a  ")
    project.run()
    assert project.run(PIPELINE.only_nodes("score")) == []
    project.epochs = 5
    assert project.run(PIPELINE.only_nodes("fit", "score")) == ["fit", "score"]


def test_what_does_not_belong_together_still_stops_the_run(project):
    project.raw("b")
    project.run(PIPELINE.only_nodes("read", "clean"))
    with pytest.raises(UserError, match="do not belong together"):
        project.run(PIPELINE.only_nodes("score"))


def test_given_versions_are_read_and_count(project):
    project.raw("b")
    project.run()
    given = {name: project.version(1) for name in ("model", "rows", "words")}
    assert project.run(PIPELINE.only_nodes("score"), **given) == []
    assert project.decisions["score"].reused == project.version(1)


def test_a_run_that_failed_is_resumed(project, caplog):
    project.raw("c")
    project.epochs = -1
    with pytest.raises(ValueError, match="epoch"):
        project.run()
    done = set(ran) - {"fit"}
    assert f"{len(done)} of 5 steps are done: the same command goes on" in caplog.text
    assert {"read", "clean"} <= done
    project.epochs = 3
    assert set(project.run()) == {"segment", "fit", "score"} - done
    assert project.now.load("scores") == [3, 1]


@pytest.mark.parametrize("damage", ["truncated", "altered", "deleted", "no marker", "no version"])
def test_a_damaged_version_is_not_reused(project, damage):
    file = project.place("report", 1) / "report.json"
    if damage == "truncated":
        file.write_text("")
    elif damage == "altered":
        file.write_text(file.read_text().replace("1", "2"))
    elif damage == "deleted":
        file.unlink()
    else:
        (file.parent / MARKER).unlink()
        if damage == "no version":
            file.unlink()
    assert project.run() == ["read"]
    assert "report" in project.reason("read")
    assert project.now.load("report") == {"rows": 1}


def test_the_outputs_of_one_node_come_from_one_execution(project):
    """Rows of one run and the report of another are no execution, even of the same content."""
    project.raw("b")
    project.run()
    project.raw("a")
    (project.place("report", 1) / MARKER).unlink()
    assert project.run() == ["read"]
    markers = [json.loads((project.place(n, 3) / MARKER).read_text()) for n in ("rows", "report")]
    assert {marker["run_id"] for marker in markers} == {project.version(3)}


def test_a_file_that_a_parameter_names_counts_with_its_content(project, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("文流")
    project.segmentation = SegmentationParams(user_dictionary=str(words))
    assert project.run() == ["segment"]
    assert project.run() == []
    words.write_text("文流\n新词")
    assert project.run() == ["segment"]
    assert "segmentation.user_dictionary/words.txt" in project.reason("segment")


def test_a_dependency_of_another_version_counts(project, monkeypatch):
    monkeypatch.setattr(code, "version", lambda name: "9.9")
    assert len(project.run()) >= 3
    assert project.reason("read").startswith("code changed (")


def test_what_nothing_keeps_and_what_nobody_can_compare_is_always_done():
    def make():
        ran.append("make")
        return 1

    def use(thing):
        ran.append("use")
        return thing

    pipeline = Pipeline([Node(make, None, "thing"), Node(use, "thing", "used")])
    hooks = _create_hook_manager()
    for _ in range(2):
        ran.clear()
        FreshRunner().run(pipeline, DataCatalog(), hooks)
        assert ran == ["make", "use"]


def test_markers_stay_small(project):
    for path in project.folder.rglob(MARKER):
        assert path.stat().st_size < 10_000


def test_a_reuse_is_recorded_once(project):
    project.raw("a  ")
    project.run()
    record = project.place("model", 1) / REUSED
    assert json.loads(record.read_text()) == {
        "used": project.version(2),
        "inputs": {"clean": project.version(2)},
    }
    project.run()
    assert json.loads(record.read_text())["used"] == project.version(2)


def test_asynchronous_runs_are_refused():
    with pytest.raises(UserError, match="asynchronously"):
        FreshRunner(is_async=True)
