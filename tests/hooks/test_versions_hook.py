"""Loads are pinned, and versions that do not belong together stop the run."""

import importlib.util

import pytest
from kedro.io import DataCatalog, Version
from kedro.pipeline import Node, Pipeline

from wenliu.code import code_of
from wenliu.datasets import VersionedDataset
from wenliu.datasets.commit import Lineage, read_marker
from wenliu.errors import UserError
from wenliu.hooks.lineage import digest, lineage_of
from wenliu.hooks.versions import VersionsHook, ancestry, pin_versions

V1, V2, V3 = (f"2026-01-0{n}T00.00.00.000Z" for n in (1, 2, 3))


def fit(tokens):
    return tokens


def score(model, tokens):
    return [model, tokens]


TRAINING = Pipeline([Node(fit, "tokens", "model", name="fit")])
SCORING = Pipeline([Node(score, ["model", "tokens"], "scores", name="score")])


@pytest.fixture
def project(tmp_path):
    def catalog(save: str) -> DataCatalog:
        return DataCatalog(
            {
                name: VersionedDataset(str(tmp_path / name), "json", Version(None, save))
                for name in ("tokens", "model", "scores")
            }
        )

    return catalog


def save(catalog, name, data, **inputs):
    dataset = catalog[name]
    dataset.lineage = Lineage(inputs=inputs)
    dataset.save(data)


def test_a_run_reads_what_it_wrote_although_something_newer_appears(project):
    mine, other = project(V1), project(V2)
    save(mine, "tokens", "mine")
    pin_versions(TRAINING, mine, {})
    save(mine, "model", "mine", tokens=V1)
    save(other, "tokens", "newer")
    save(other, "model", "newer", tokens=V2)
    assert mine.load("tokens") == "mine"
    assert mine.load("model") == "mine"


def test_a_partial_run_starts_from_the_newest_complete_versions(project):
    for version in (V1, V2):
        catalog = project(version)
        save(catalog, "tokens", version)
        save(catalog, "model", version, tokens=version)
    catalog = project(V3)
    pin_versions(SCORING, catalog, {})
    assert (catalog.load("tokens"), catalog.load("model")) == (V2, V2)


def test_versions_of_different_descent_stop_the_run_and_the_remedy_works(project):
    save(project(V1), "tokens", "old")
    save(project(V1), "model", "trained on old", tokens=V1)
    save(project(V2), "tokens", "new split")
    with pytest.raises(UserError, match="do not belong together") as error:
        pin_versions(SCORING, project(V3), {})
    remedy = str(error.value.remedy)
    given = dict(pair.split(":") for pair in remedy.split("--load-versions ")[1].split(","))
    catalog = project(V3)
    pin_versions(SCORING, catalog, given)
    assert catalog.load("tokens") == "old"


def test_an_input_that_was_never_made_is_named(project):
    with pytest.raises(UserError, match="'model' has no complete version"):
        pin_versions(SCORING, project(V1), {})


def test_a_run_that_makes_an_ancestor_anew_does_not_score_a_model_of_the_old_one(project):
    """Tokenise anew and evaluate, without training between."""
    save(project(V1), "tokens", "old")
    save(project(V1), "model", "trained on old", tokens=V1)
    tokenise = Pipeline([Node(lambda: "new", None, "tokens", name="tokenise")])
    with pytest.raises(UserError, match="makes 'tokens' anew, but 'model'"):
        pin_versions(tokenise + SCORING, project(V2), {})
    pin_versions(tokenise + TRAINING + SCORING, project(V2), {})


def test_the_same_content_in_a_newer_version_is_the_same_data(project):
    """A stage that ran again on the same input changes nothing for the later ones."""
    save(project(V1), "tokens", "same")
    save(project(V1), "model", "m", tokens=V1)
    save(project(V2), "tokens", "same")
    catalog = project(V3)
    pin_versions(SCORING, catalog, {})
    assert catalog["tokens"].resolve_load_version() == V2


@pytest.mark.parametrize("name", ["model", "scores", "nothing"])
def test_a_given_version_that_the_run_does_not_load_is_refused(project, name):
    save(project(V1), "tokens", "x")
    with pytest.raises(UserError, match=f"does not load '{name}'"):
        pin_versions(TRAINING, project(V2), {name: V1})


def test_a_version_that_is_not_there_lists_those_that_are(project):
    save(project(V1), "tokens", "x")
    with pytest.raises(UserError) as error:
        pin_versions(TRAINING, project(V2), {"tokens": V3})
    assert V1 in str(error.value)


def test_lineage_names_versions_and_changes_with_the_input(project):
    catalog = project(V1)
    save(catalog, "tokens", "x")
    node = TRAINING.nodes[0]
    lineage = lineage_of(node, catalog, "run")
    assert lineage.inputs == {"tokens": V1}
    assert lineage.fingerprint["code"] == digest(code_of(fit))
    newer = project(V2)
    save(newer, "tokens", "y")
    assert lineage_of(node, newer, "run").fingerprint["inputs"] != lineage.fingerprint["inputs"]
    # The same content in another version is the same input.
    newest = project(V3)
    save(newest, "tokens", "x")
    assert lineage_of(node, newest, "run").fingerprint == lineage.fingerprint


def test_code_counts_as_it_was_when_the_run_started(project, tmp_path):
    path = tmp_path / "edited.py"
    path.write_text("def first(x): return x\n\ndef second(x): return x\n")
    spec = importlib.util.spec_from_file_location("edited", path)
    edited = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(edited)
    first = Node(edited.first, "tokens", "model", name="first")
    second = Node(score, ["model", "tokens"], "scores", name="second")
    other = Node(edited.second, "scores", "more", name="other")
    pipeline, hook = Pipeline([first, second, other]), VersionsHook()

    def code_of_the_last(catalog):
        save(catalog, "scores", "s")
        return lineage_of(other, catalog, None).fingerprint["code"]

    save(project(V1), "tokens", "x")
    catalog = project(V2)
    before = digest(code_of(edited.second))
    hook.before_pipeline_run({}, pipeline, catalog)
    path.write_text(path.read_text() + "# edited while the first node runs\n")
    assert code_of_the_last(catalog) == before
    catalog = project(V3)
    hook.before_pipeline_run({}, pipeline, catalog)
    assert code_of_the_last(catalog) != before


def test_ancestry_goes_all_the_way_back(project, tmp_path):
    catalog = project(V1)
    save(catalog, "tokens", "x")
    save(catalog, "model", "m", tokens=V1)
    save(catalog, "scores", "s", model=V1)
    found = ancestry("scores", V1, catalog)
    assert {name: list(versions.values()) for name, versions in found.items()} == {
        "scores": [V1], "model": [V1], "tokens": [V1],
    }  # fmt: skip
    assert read_marker(tmp_path / "scores" / V1)["inputs"] == {"model": V1}
