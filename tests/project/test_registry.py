"""Registry, catalog, parameters and stages fit together."""

import logging
import warnings
from pathlib import Path

import pytest
import yaml
from kedro.validation.type_extractor import TypeExtractor

from wenliu.params import MODELS, Params
from wenliu.pipeline_registry import NIGHTLY_STAGES, STAGES, register_pipelines

ROOT = Path(__file__).parents[2]
#: The report of the gate is the decision itself.
REPORTS = {"promotion": "decision"}


@pytest.fixture(scope="module")
def pipelines():
    return dict(register_pipelines())


@pytest.fixture(scope="module")
def catalog():
    entries = {}
    for path in (ROOT / "conf/base/catalog").glob("*.yml"):
        entries |= yaml.safe_load(path.read_text("utf-8"))
    return entries


def test_every_dataset_of_every_pipeline_stands_in_the_catalog(pipelines, catalog):
    for name, pipeline in pipelines.items():
        data = {d for d in pipeline.datasets() if not d.startswith(("params:", "parameters"))}
        assert not data - set(catalog), name


def test_every_entry_of_the_catalog_is_used_and_has_a_layer(pipelines, catalog):
    used = {name for pipeline in pipelines.values() for name in pipeline.datasets()}
    for name, entry in catalog.items():
        assert name in used
        assert entry["metadata"]["kedro-viz"]["layer"]


def test_every_parameter_model_is_read_and_every_read_has_a_model(pipelines):
    read = {
        name.removeprefix("params:")
        for pipeline in pipelines.values()
        for name in pipeline.inputs()
        if name.startswith("params:")
    }
    assert read == set(MODELS)


def test_kedro_resolves_every_parameter_to_its_model_without_a_warning(pipelines, caplog):
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        types = TypeExtractor(pipelines).extract_types_from_pipelines()
    assert not caplog.records
    assert {name: types[name] for name in MODELS} == MODELS
    assert all(issubclass(model, Params) for model in types.values())


def test_a_stage_has_its_five_places(pipelines, catalog):
    for stage in STAGES:
        assert (ROOT / f"src/wenliu/pipelines/{stage}/pipeline.py").is_file()
        assert (ROOT / f"src/wenliu/pipelines/{stage}/README.md").is_file()
        assert (ROOT / f"conf/base/parameters/{stage}.yml").is_file()
        assert list((ROOT / f"tests/pipelines/{stage}").glob("test_*.py")), stage
        assert REPORTS.get(stage, f"{stage}_report") in catalog
        assert {node.namespace for node in pipelines[stage].nodes} == {stage}


def test_parameter_files_hold_only_their_own_key_and_known_fields():
    for path in (ROOT / "conf/base/parameters").glob("*.yml"):
        content = yaml.safe_load(path.read_text("utf-8"))
        assert list(content) == [path.stem]
        MODELS[path.stem].model_validate(content[path.stem])


def test_no_stage_reads_from_a_later_one(pipelines):
    made_at = {}
    for order, stage in enumerate(NIGHTLY_STAGES):
        for name in pipelines[stage].all_outputs():
            made_at[name] = order
    for order, stage in enumerate(NIGHTLY_STAGES):
        for name in pipelines[stage].inputs():
            assert made_at.get(name, -1) < order, f"{stage} reads {name}"


def test_kedro_finds_no_interrupted_namespace():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dict(register_pipelines())
