from __future__ import annotations

import pytest

from wenliu.params import FinetuningParams
from wenliu.pipelines.finetuning.plots import plot_training
from wenliu.pipelines.finetuning.settings import resolve_settings
from wenliu.training.settings import FitSettings

SCRATCH = {"path": None, "learning_rate": 1e-3}
BERT = {"path": "/somewhere", "learning_rate": 3e-5}


@pytest.mark.parametrize(("tokens", "epochs"), [(0, 20), (200_000, 10), (9_000_000, 5)])
def test_scratch_sees_fewer_epochs_the_more_data(tokens, epochs):
    settings = resolve_settings(FinetuningParams(), SCRATCH, tokens, 7, "fp32")
    assert (settings.epochs, settings.learning_rate, settings.seed) == (epochs, 1e-3, 7)
    assert (settings.label_smoothing, settings.token_dropout) == (0.1, 0.2)


def test_every_default_is_the_parameters_own():
    settings = resolve_settings(FinetuningParams(), BERT, 1_000, 7, "fp32")
    for name, value in FinetuningParams():
        if name == "processes":  # what they do is the same however many there are
            continue
        assert getattr(settings, name) == value or value == "auto", name
    with pytest.raises(TypeError, match="patience"):
        FitSettings(epochs=1)


def test_a_checkpoint_is_tuned_gently():
    settings = resolve_settings(FinetuningParams(), BERT, 1_000, 7, "bf16")
    assert (settings.epochs, settings.learning_rate, settings.precision) == (4, 3e-5, "bf16")
    assert (settings.label_smoothing, settings.token_dropout) == (0.0, 0.0)


def test_off_is_a_boolean_to_yaml():
    assert FinetuningParams(cuda_graphs=False).cuda_graphs == "off"


def test_what_is_given_is_kept():
    params = FinetuningParams(epochs=2, learning_rate=0.5, label_smoothing=0.3, token_dropout=0)
    settings = resolve_settings(params, SCRATCH, 1_000, 7, "fp32")
    assert (settings.epochs, settings.learning_rate) == (2, 0.5)
    assert (settings.label_smoothing, settings.token_dropout) == (0.3, 0)


@pytest.mark.parametrize("field", ["epochs", "learning_rate", "label_smoothing"])
def test_values_out_of_range_are_refused(field):
    with pytest.raises(ValueError, match=field):
        FinetuningParams(**{field: -1})


def test_plot():
    history = [
        {"step": 1, "epoch": 0.5, "split": "train", "loss": 1.2, "learning_rate": 1e-3},
        {"step": 2, "epoch": 1.0, "split": "train", "loss": 1.0, "learning_rate": 0.0},
        {"step": 2, "epoch": 1.0, "split": "validation", "loss": 1.1, "macro_f1": 0.5},
    ]
    picture = plot_training(history)
    assert picture.lstrip().startswith("<svg") and "macro-F1" in picture
