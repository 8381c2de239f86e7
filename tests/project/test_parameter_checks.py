"""Values that only fail late, or that YAML reads differently than they look."""

import pytest
import yaml
from omegaconf import OmegaConf
from pydantic import ValidationError

from wenliu.params import CleaningParams, ModelParams, TokenizationParams


def with_omegaconf(text):
    return OmegaConf.to_container(OmegaConf.create(text))


@pytest.mark.parametrize("load", [yaml.safe_load, with_omegaconf])
@pytest.mark.parametrize("key", ["simplify", "punctuation", "lowercase"])
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("off", "off"),
        ("no", "off"),
        ("false", "off"),
        ("on", "on"),
        ("yes", "on"),
        ("True", "on"),
        ('"off"', "off"),
        ('"on"', "on"),
        ("auto", "auto"),
    ],
)
def test_switches_in_real_yaml(load, key, written, meant):
    params = CleaningParams.model_validate(load(f"{key}: {written}\n"))
    assert getattr(params, key) == meant
    assert CleaningParams.model_validate(params.model_dump()) == params
    with pytest.raises(ValidationError):
        setattr(params, key, "on")


@pytest.mark.parametrize("value", ["1", "0", "maybe", "~"])
def test_other_words_are_no_switches(value):
    with pytest.raises(ValidationError):
        CleaningParams.model_validate(yaml.safe_load(f"simplify: {value}"))


def test_a_length_leaves_room_for_a_token():
    assert TokenizationParams(max_length=3).max_length == 3
    assert TokenizationParams().max_length == "auto"
    with pytest.raises(ValidationError, match="greater than or equal to 3"):
        TokenizationParams(max_length=2)


def test_heads_divide_the_hidden_size():
    ModelParams.model_validate({"scratch": {"hidden_size": 96, "heads": 3}})
    with pytest.raises(ValidationError, match="hidden_size 128 cannot be shared by 3 heads"):
        ModelParams.model_validate({"scratch": {"heads": 3}})
