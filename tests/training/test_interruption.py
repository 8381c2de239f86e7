"""Signals while a model trains; the process here is the one that gets them."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace

import pytest
import torch

from wenliu.tasks import SingleLabelClassification
from wenliu.training import interruption
from wenliu.training.fit import fit
from wenliu.training.interruption import Interruption
from wenliu.training.step import TrainStep

#: They send signals to the process that they run in, where nobody else should be at work.
pytestmark = pytest.mark.slow
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)


@pytest.fixture(autouse=True)
def handlers():
    """Nothing here may change what a signal does afterwards."""
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    assert [signal.getsignal(number) for number in SIGNALS] == before
    assert signal.alarm(0) == 0


@pytest.fixture
def train(tmp_path, tiny_model, tiny_rows, base_settings, monkeypatch):
    """Fits a tiny model; ``during[n]`` is called in the middle of step n."""

    def train(name, during=None, minutes=10.0):
        during, taken, update = during or {}, [], TrainStep._update

        def interrupted(self):
            taken.append(1)
            during.get(len(taken), lambda: None)()
            update(self)

        model = tiny_model(0.1)
        with monkeypatch.context() as patch:
            patch.setattr(TrainStep, "_update", interrupted)
            settings = replace(base_settings, epochs=2, checkpoint_minutes=minutes)
            rows, task = (tiny_rows(64), tiny_rows(20, 1)), SingleLabelClassification()
            return model, fit(model, task, *rows, settings, tmp_path / name, torch.device("cpu"))

    return train


def send(number):
    return lambda: os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_step_writes_a_checkpoint_and_leaves(
    train, tmp_path, capfd, number, code
):
    """Reliability 6: and the same fit goes on from there to what it would have become."""
    whole, result = train("whole")
    with pytest.raises(SystemExit) as left:
        train("stopped", {5: send(number)})
    assert left.value.code == code
    told = capfd.readouterr().err
    assert f"{number.name}: this step ends" in told
    assert "Training stopped at step 5 of 16: the same command goes on from there." in told
    model, resumed = train("stopped")
    assert resumed.resumed_from == 5
    weights = model.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in whole.state_dict().items())
    assert resumed.best_score == result.best_score


def test_a_second_signal_leaves_at_once(train, tmp_path):
    """Reliability 6: without the step's end and without a checkpoint."""

    def twice():
        send(signal.SIGINT)()
        send(signal.SIGTERM)()
        pytest.fail("still here")

    with pytest.raises(SystemExit) as left:
        train("stopped", {5: twice})
    assert left.value.code == 130
    assert not (tmp_path / "stopped" / "checkpoints").exists()


def test_a_step_that_takes_too_long_is_left_where_it_is(train, monkeypatch):
    """Reliability 6: out within 120 s, whatever the step is doing."""
    with Interruption():
        send(signal.SIGTERM)()
        assert 0 < signal.alarm(0) <= 110  # seconds that were left
    monkeypatch.setattr(interruption, "PATIENCE_SECONDS", 1)

    def endless():
        send(signal.SIGTERM)()
        time.sleep(60)

    begun = time.monotonic()
    with pytest.raises(SystemExit) as left:
        train("stopped", {5: endless})
    assert left.value.code == 143 and time.monotonic() - begun < 30


def test_a_fit_in_another_thread_leaves_signals_alone():
    noted = []

    def work():
        with Interruption() as found:
            noted.append(found.signal)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert noted == [None]
