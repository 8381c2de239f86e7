"""Fine-tuning on a GPU: rows a second, ours against HF Trainer, and the distance from the chip.

    python -m benchmarks.finetune_gpu

bert-base's configuration with random weights, bf16 autocast over fp32 weights, attention dropout 0
and hidden dropout 0.1 for everyone, 32 rows a step. The peers pad to 128, to the longest row of a
batch, and (the tuned one) group by length and compile. Bars on titles: 5, 2 and 1.2 times; at most
3 ms a step of 32 titles; at 16 k tokens a step at least 45 % of the bf16 matrix rate measured here.

Without CUDA the same script runs a toy of two layers on the CPU, which proves that it runs and
nothing else; the result says so.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from statistics import median

import torch

from benchmarks.harness import ROUNDS, Comparison, interleave
from benchmarks.trainer import MAX_TOKENS, Problem, make_model, our_epochs, our_step, peer
from wenliu.modeling.packed import as_classifier
from wenliu.training.batches import epoch_steps, pack
from wenliu.training.cuda_step import WARM_UPS, CudaStep

TOY = not torch.cuda.is_available()
DEVICE = torch.device("cpu" if TOY else "cuda")
LAYERS, WIDTH, INNER = (2, 64, 128) if TOY else (12, 768, 3_072)
SIZE = {
    "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": WIDTH // 64,
    "intermediate_size": INNER, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip
#: Updates of one round.
UPDATES = 4 if TOY else 100
TOKENS = 1_024 if TOY else 16_384
PEERS = {
    "Trainer, pad to 128": {"pad_to": 128},
    "Trainer, dynamic": {},
    # Sequential: the rows stand as Trainer grouped them.
    "Trainer, grouped + compile": {"train_sampling_strategy": "sequential", "torch_compile": True},
}
BARS = {"Trainer, pad to 128": 5, "Trainer, dynamic": 2, "Trainer, grouped + compile": 1.2}


def matrix_rate() -> float:
    """bf16 multiplications this device does, in FLOP/s: the best of large square products."""
    size, rates = 512 if TOY else 8_192, []
    a, b = (torch.randn(size, size, device=DEVICE, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(10):
        wait()
        begun = time.perf_counter()
        for _ in range(10):
            a @ b
        wait()
        rates.append(10 * 2 * size**3 / (time.perf_counter() - begun))
    return max(rates)


def flops(problem: Problem) -> float:
    """Of forward and backward over all rows, as a padding-free BERT needs them.

    The layers' matrices and attention. What wenliu leaves out of the last layer is counted here.
    """
    lengths = problem.rows.lengths.astype(float)
    matrices = LAYERS * (4 * WIDTH**2 + 2 * WIDTH * INNER) * lengths.sum()
    attention = LAYERS * 2 * WIDTH * (lengths**2).sum()
    return 3 * 2 * float(matrices + attention)


def skipped_flops(problem: Problem) -> float:
    """What the last layer does not compute: all but attention's inputs, for all but [CLS]."""
    tokens = float(problem.rows.lengths.sum()) - len(problem.rows)
    return 3 * 2 * (WIDTH**2 + 2 * WIDTH * INNER) * tokens


def wait() -> None:
    """Until the device has done what it was sent."""
    if not TOY:
        torch.cuda.synchronize()


def waited(run: Callable[[], object]) -> Callable[[], None]:
    """The run until the device is done with it."""

    def timed() -> None:
        run()
        wait()

    return timed


def different_losses(problem: Problem) -> tuple[int, int]:
    """Batches compared, and those whose fp32 loss is not that of the padded stock model."""
    stock = make_model(**SIZE).eval().to(DEVICE)
    packed = as_classifier(copy.deepcopy(stock), DEVICE)
    trainer = peer(stock, problem, use_cpu=TOY)
    collate, dataset = trainer.data_collator, problem.dataset()
    settings = our_step(make_model(**SIZE), problem.rows, DEVICE)[1]
    steps = epoch_steps(problem.rows.lengths, settings, 0, grouped=False)[:8]
    different = 0
    for chosen in steps:
        inputs = {k: v.to(DEVICE) for k, v in collate([dataset[i] for i in chosen]).items()}
        batch = pack(problem.rows, chosen).to(DEVICE)
        with torch.inference_mode():
            expected = stock(**inputs).loss
            found = torch.nn.functional.cross_entropy(packed(batch), batch.labels)
        different += abs(float(found - expected)) > 1e-3
    return len(steps), different


def compare_titles(comparison: Comparison) -> None:
    """Rows a second and milliseconds a step, 32 titles at a time."""
    problem = Problem.of("titles", UPDATES)
    comparison.input += problem.where
    comparison.agree("losses", *different_losses(problem))
    step, settings = our_step(
        make_model(**SIZE), problem.rows, DEVICE, CudaStep, precision="bf16", epochs=1_000
    )
    ours = our_epochs(step, settings)
    systems = {"wenliu": waited(ours)}
    for name, options in PEERS.items():
        trainer = peer(
            make_model(**SIZE), problem, bf16=True, use_cpu=TOY, dataloader_pin_memory=not TOY,
            **options,
        )  # fmt: skip
        systems[name] = waited(trainer.train)
    for _ in range(WARM_UPS + 1):  # every shape captured, every kernel compiled
        ours()
    interleave(systems, 1)
    seconds = interleave(systems, ROUNDS)
    rows = len(problem.rows)
    for name, values in seconds.items():
        comparison.add(f"{name}@titles", [rows / value for value in values], "rows/s")
        if name in BARS:
            comparison.ratio(name, "titles", median(values) / median(seconds["wenliu"]))
    steps = [1_000 * value / UPDATES for value in seconds["wenliu"]]
    milliseconds = comparison.add("wenliu, a step@titles", steps, "ms")
    comparison.notes.append(f"A step of 32 titles: {milliseconds:.2f} ms, bar 3 ms.")
    comparison.notes.append(f"CUDA graph of the whole step: {step.graphed}.")


def measure_utilisation(comparison: Comparison) -> None:
    """Share of the matrix rate at a budget of 16 k tokens a step, on ChnSentiCorp."""
    problem = Problem.of("chnsenticorp", UPDATES)
    comparison.input += f", {problem.where}"
    step, settings = our_step(
        make_model(**SIZE), problem.rows, DEVICE, CudaStep, precision="bf16", epochs=1_000,
        batch_by="tokens", batch_tokens=TOKENS,
    )  # fmt: skip
    run = waited(our_epochs(step, settings))
    for _ in range(WARM_UPS + 1):
        run()
    before, rates = matrix_rate(), []
    for seconds in interleave({"wenliu": run}, ROUNDS)["wenliu"]:
        rates.append(flops(problem) / seconds)
    peak = max(before, matrix_rate())
    comparison.add("bf16 matrix products", [peak / 1e12], "TFLOP/s")
    rate = comparison.add("wenliu@16k tokens", [rate / 1e12 for rate in rates], "TFLOP/s")
    done = 1 - skipped_flops(problem) / flops(problem)
    comparison.notes.append(
        f"Utilisation at {TOKENS:,} tokens a step: {rate * 1e12 / peak:.1%} of the measured rate "
        f"by what the model defines, {done * rate * 1e12 / peak:.1%} by what is computed; bar 45 %."
    )


def main() -> None:
    """Runs the comparison."""
    toy = "TOY SIZE ON A CPU, NO CUDA HERE: figures mean nothing; " if TOY else ""
    comparison = Comparison(
        "finetune_gpu",
        toy,
        ["torch", "transformers", "accelerate"],
        notes=[
            f"{LAYERS} layers of width {WIDTH}, {UPDATES} updates of 32 rows in a round, at most "
            f"{MAX_TOKENS} tokens; bf16 autocast over fp32 weights; attention dropout 0 and hidden "
            "dropout 0.1 for everyone (bert-base's own attention dropout is 0.1, which takes "
            "another kernel here).",
            "Trainer: bf16, sdpa, adamw_torch_fused, pinned memory, no logging, saving or "
            f"evaluation; {PEERS}; train() is timed, of a Trainer made and run before.",
        ],
    )
    if TOY:
        comparison.notes.insert(0, "TOY: no CUDA device here; no bar is judged by this file.")
    compare_titles(comparison)
    measure_utilisation(comparison)
    comparison.finish()


if __name__ == "__main__":
    main()
