"""Keys and entries that nobody reads are errors, with a hint."""

import pytest

from wenliu.errors import UserError
from wenliu.hooks.guard import check_catalog_names, check_parameters


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
    assert "--params" in message({"modle": {}})


def test_a_value_that_does_not_fit_is_shown():
    text = message({"finetuning": {"batch_size": "many"}})
    assert "'finetuning.batch_size'" in text and "'many'" in text


def test_a_catalog_entry_that_no_pipeline_uses_is_an_error():
    text = message(["examples", "exmaples"], {"examples"}, check=check_catalog_names)
    assert "'exmaples'" in text and "did you mean 'examples'" in text
