"""Keys and entries that nobody reads are errors, with a hint."""

import pytest

from wenliu.errors import UserError
from wenliu.hooks.guard import (
    check_catalog_names,
    check_environment_files,
    check_frozen,
    check_globals,
    check_parameters,
)


def message(*arguments, check=check_parameters):
    with pytest.raises(UserError) as error:
        check(*arguments)
    return str(error.value)


def test_known_parameters_pass():
    check_parameters({"finetuning": {"epochs": 2}, "model": {"checkpoint": "scratch"}})


def test_an_unknown_stage_is_named_with_the_nearest_known_one():
    text = message({"finetunning": {"epochs": 2}})
    assert "'finetunning'" in text and "did you mean 'finetuning'" in text


def test_an_unknown_key_is_named_with_its_file_and_line(tmp_path):
    file = tmp_path / "parameters" / "finetuning.yml"
    file.parent.mkdir()
    file.write_text("finetuning:\n  epohcs: 3\n")
    text = message({"finetuning": {"epohcs": 3}}, [tmp_path])
    assert "'finetuning.epohcs'" in text
    assert "did you mean 'epochs'" in text
    assert f"{file}:2" in text


def test_a_nested_unknown_key_lists_its_own_siblings():
    text = message({"model": {"scratch": {"layer": 3}}})
    assert "'model.scratch.layer'" in text and "did you mean 'layers'" in text


def test_a_key_that_is_in_no_file_came_from_the_command_line():
    assert "--params" in message({"modle": {}}, [], {"modle": {}})


def test_the_place_named_is_where_the_value_came_from(tmp_path):
    """The environment goes before the base, and the command line before both."""
    base, problem = tmp_path / "base", tmp_path / "hotel"
    for folder, epochs in ((base, "20"), (problem, "abc")):
        folder.mkdir()
        (folder / "parameters.yml").write_text(f"finetuning:\n  epochs: {epochs}\n")
    found = message({"finetuning": {"epochs": "abc"}}, [problem, base])
    assert f"{problem / 'parameters.yml'}:2" in found
    found = message({"finetuning": {"epochs": -1}}, [problem, base], {"finetuning": {"epochs": -1}})
    assert "--params" in found


def test_a_field_without_its_stage_is_led_home():
    assert "did you mean 'finetuning.epochs'" in message({"epochs": 1})


def test_a_stage_that_is_no_mapping_is_an_error():
    assert "'finetuning'" in message({"finetuning": 5})


@pytest.mark.parametrize(
    ("values", "expected"),
    [({"problem": "x", "problm": "y"}, "'problm'"), ({"problem": "../x"}, "'../x'"), ({}, "None")],
)
def test_globals_hold_the_name_of_the_problem_and_nothing_else(values, expected):
    assert expected in message(values, check=check_globals)


def test_a_file_that_kedro_would_not_find_is_an_error(tmp_path):
    for name in (
        "globals.yml",
        "parameters/x.yml",
        "catalog.yml",
        "parameters_x.yml",
        "frozen.yml",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    check_environment_files(tmp_path)
    (tmp_path / "ingestion.yml").write_text("ingestion: {}")
    assert "ingestion.yml" in message(tmp_path, check=check_environment_files)


def test_a_value_that_does_not_fit_is_shown():
    text = message({"finetuning": {"batch_size": "many"}})
    assert "'finetuning.batch_size'" in text and "'many'" in text


def test_a_catalog_entry_that_no_pipeline_uses_is_an_error():
    text = message(["examples", "exmaples"], {"examples"}, check=check_catalog_names)
    assert "'exmaples'" in text and "did you mean 'examples'" in text


def test_a_gate_without_frozen_rows_is_refused_before_anything_is_trained():
    from kedro.io import DataCatalog, MemoryDataset

    from wenliu.pipeline_registry import register_pipelines

    pipelines = register_pipelines()
    nothing = DataCatalog({"frozen_sets": MemoryDataset({})})
    text = message(pipelines["nightly"], nothing, "hotel", check=check_frozen)
    assert "wenliu freeze --env hotel" in text
    check_frozen(pipelines["__default__"], nothing, None)
    frozen = DataCatalog({"frozen_sets": MemoryDataset({"gate": "00"})})
    check_frozen(pipelines["nightly"], frozen, None)
