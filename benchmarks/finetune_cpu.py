"""Fine-tuning on a CPU: rows a second, ours against HF Trainer.

    python -m benchmarks.finetune_cpu

A model of TinyBERT's size (4 layers, width 312) and random weights learns the same rows, in as
many updates of 32 rows, in fp32, at most 512 tokens, dropout 0.1 everywhere as BERT's. The peers
pad each batch to its longest row, drawn at random or grouped by length. Bars: 2.5 and 1.1 on
ChnSentiCorp.
"""

from __future__ import annotations

import copy
import os
from statistics import median

import numpy as np
import torch
from transformers import DataCollatorWithPadding

from benchmarks.harness import ROUNDS, Comparison, interleave
from benchmarks.trainer import BATCH, Problem, make_model, our_epochs, our_step, peer
from wenliu.modeling.packed import as_classifier
from wenliu.training.batches import pack

CPU = torch.device("cpu")
SIZE = {
    "hidden_size": 312, "num_hidden_layers": 4, "num_attention_heads": 12,
    "intermediate_size": 1200,
}  # fmt: skip
#: Updates of one round: long enough to time, short enough for five rounds of three systems.
UPDATES = {"chnsenticorp": 8, "titles": 30}
TOLERANCE = 1e-4


def different_losses(problem: Problem) -> int:
    """Batches whose loss in our packed run is not that of the padded stock model."""
    stock = make_model(**SIZE).eval()
    packed = as_classifier(copy.deepcopy(stock), CPU)
    collate, dataset = DataCollatorWithPadding(problem.tokenizer), problem.dataset()
    different = 0
    for chosen in np.random.default_rng(2).permutation(len(dataset)).reshape(-1, BATCH):
        inputs = collate([dataset[i] for i in chosen])
        batch = pack(problem.rows, chosen)
        with torch.inference_mode():
            expected = stock(**inputs).loss
            found = torch.nn.functional.cross_entropy(packed(batch), batch.labels)
        different += abs(float(found - expected)) > TOLERANCE
    return different


def compare(name: str, comparison: Comparison) -> None:
    """Adds one input to the comparison."""
    problem = Problem.of(name, UPDATES[name])
    comparison.input += f"{', ' if comparison.input else ''}{problem.where}"
    comparison.agree(f"losses@{name}", UPDATES[name], different_losses(problem))
    step, settings = our_step(make_model(**SIZE), problem.rows, CPU)
    systems = {"wenliu": our_epochs(step, settings)}
    # Sequential: the rows stand as Trainer grouped them.
    for strategy, label in (("random", "dynamic padding"), ("sequential", "group_by_length")):
        trainer = peer(make_model(**SIZE), problem, use_cpu=True, train_sampling_strategy=strategy)
        systems[f"Trainer, {label}"] = trainer.train
    seconds = interleave(systems, ROUNDS)
    rows = len(problem.rows)
    for system, values in seconds.items():
        comparison.add(f"{system}@{name}", [rows / value for value in values], "rows/s")
        if system != "wenliu":
            comparison.ratio(system, name, median(values) / median(seconds["wenliu"]))


def main() -> None:
    """Runs the comparison."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    comparison = Comparison(
        "finetune_cpu",
        "",
        ["torch", "transformers", "accelerate"],
        notes=[
            f"{torch.get_num_threads()} threads, fp32, updates in a round: {UPDATES}.",
            "Rows: batches of 32 evenly spread over an epoch that Trainer's own function groups by "
            "length out of 9,600 rows. group_by_length takes them as they are, dynamic padding and "
            "wenliu shuffle them.",
            "Trainer: sdpa, adamw_torch_fused, no logging, saving or evaluation, no worker "
            "processes; train() is timed, of a Trainer made before.",
            "wenliu computes the last layer for [CLS] alone, draws dropout from 16 random bits an "
            "element, and pads within attention only, in blocks of like length.",
        ],
    )
    for name in UPDATES:
        compare(name, comparison)
    comparison.finish()


if __name__ == "__main__":
    main()
