"""Typed parameters: one frozen model for each parameters file.

A node argument fed by ``params:<stage>`` and annotated with one of these receives an instance
that Kedro has validated before any node runs. A field nobody declared is an error.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Split = Literal["train", "validation", "test"]
Policy = Literal["drop", "keep", "fail"]
Masking = Literal["mask", "drop", "keep"]
Engine = Literal["onnxruntime", "openvino"]
Precision = Literal["fp32", "bf16", "int8"]


def _unread_yaml(value: Any) -> Any:
    """YAML has read a bare ``on`` or ``off`` (``yes``, ``no``) as a boolean."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


Switch = Annotated[Literal["auto", "on", "off"], BeforeValidator(_unread_yaml)]
AutoOrOff = Annotated[Literal["auto", "off"], BeforeValidator(_unread_yaml)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Params(BaseModel):
    """Base of all parameter models."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Fields that may name a file or a folder: its contents count when nodes are skipped.
    named_files: ClassVar[tuple[str, ...]] = ()


class ScratchParams(Params):
    """Size of the small BERT that is trained from random weights."""

    hidden_size: int = Field(128, ge=8)
    layers: int = Field(2, ge=1)
    heads: int = Field(4, ge=1)
    intermediate_size: int = Field(512, ge=8)
    max_positions: int = Field(512, ge=8)
    dropout: float = Field(0.1, ge=0, lt=1)
    min_count: int = Field(2, ge=1, description="Rarer characters of training are [UNK].")

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden_size % self.heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} cannot be shared by {self.heads} heads: "
                "heads must divide hidden_size"
            )
        return self


class ModelParams(Params):
    """``conf/base/parameters/model.yml``: what is trained, and on what."""

    named_files: ClassVar[tuple[str, ...]] = ("checkpoint",)

    task: Literal["classification"] = "classification"
    checkpoint: str = "scratch"
    revision: str | None = None
    seed: int = 42
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    scratch: ScratchParams = ScratchParams()


class ColumnsParams(Params):
    """Columns by name, or by position counted from 0."""

    text: str | int | None = None
    label: str | int | None = None
    id: str | int | None = None
    split: str | int | None = None
    group: str | int | None = None


class GuardParams(Params):
    """What is said of new rows, compared with all older ones."""

    min_rows: int = Field(200, ge=1, description="Fewer new rows are not compared.")
    warn_label_shift: Share = Field(
        0.2, description="Share of rows that would need another label to have the old shares."
    )
    fail_label_shift: float = Field(0.7, gt=0, le=1)
    warn_length_ratio: float = Field(2.0, gt=1, description="Of the median characters of a text.")
    fail_length_ratio: float = Field(10.0, gt=1)


class IngestionParams(Params):
    """``ingestion.yml``. ``None`` and ``auto`` are found by looking at the file."""

    format: Literal["auto", "csv", "tsv", "json", "jsonl", "xlsx", "parquet"] = "auto"
    encoding: str = "auto"
    delimiter: str = "auto"
    quoting: Literal["auto", "minimal", "none"] = "auto"
    header: Literal["auto"] | bool = "auto"
    sheet: str | int | None = None
    columns: ColumnsParams = ColumnsParams()
    label_names: str | None = Field(
        None, description="File with one label name a line, for labels that are integers."
    )
    splits: dict[str, Split] = Field({}, description="File name or glob to split.")
    split_values: dict[str, Split] = Field({}, description="Value of the split column to split.")
    max_bad_rows: float = Field(0.01, ge=0, le=1, description="Share of rows.")
    limit: int | None = Field(None, ge=1)
    max_file_bytes: int = Field(4 * 2**30, ge=1, description="After decompression.")
    max_expansion: float = Field(100.0, gt=1, description="Decompressed over compressed size.")
    max_row_chars: int = Field(1_000_000, ge=1)
    inbox_settle: float = Field(
        2.0, ge=0, description="Seconds for which a file in the inbox must not change."
    )
    guard: GuardParams = GuardParams()


class CleaningParams(Params):
    """``cleaning.yml``: one switch for each rule."""

    invisible: bool = True
    html: bool = True
    fullwidth: bool = True
    urls: Masking = "mask"
    emails: Masking = "mask"
    mentions: Masking = "mask"
    phones: Masking = "mask"
    id_numbers: Masking = "mask"
    simplify: Switch = "auto"
    punctuation: Switch = "auto"
    lowercase: Switch = "auto"
    emoji: Literal["auto", "keep", "words", "drop"] = "auto"
    repeats: int = Field(3, ge=0, description="Longest run of one character; 0 leaves all.")
    whitespace: bool = True
    samples: int = Field(5, ge=0, description="Before/after samples of each rule in the report.")


class SplittingParams(Params):
    """``splitting.yml``: shares are of the rows without a given split."""

    validation: float = Field(0.1, ge=0, lt=1)
    test: float = Field(0.1, ge=0, lt=1)
    salt: str = "wenliu"
    min_rows_per_class: int = Field(
        2, ge=0, description="A class needs this for each split that is made; 0 does not check."
    )
    max_share_difference: float = Field(
        0.1, ge=0, le=1, description="Warned about above this difference of a label's shares."
    )
    max_frozen_gone: float = Field(
        0.05, ge=0, le=1, description="Share of the frozen texts that may be gone from the data."
    )


class AuditParams(Params):
    """``audit.yml``: what is done about what the audit finds."""

    leaks: Policy = "drop"
    repeats: Policy = "drop"
    conflicts: Policy = "drop"
    near_similarity: float = Field(0.9, gt=0, le=1)
    near_min_chars: int = Field(16, ge=3)
    samples: int = Field(20, ge=0)


class SegmentationParams(Params):
    """``segmentation.yml``."""

    named_files: ClassVar[tuple[str, ...]] = ("user_dictionary",)

    engine: Literal["rjieba", "jieba"] = "rjieba"
    user_dictionary: str | None = None
    part_of_speech: bool = False
    cache: Literal["none", "private"] = "none"
    keywords: int = Field(12, ge=1, description="For each label.")


class TokenizationParams(Params):
    """``tokenization.yml``."""

    max_length: Literal["auto"] | Annotated[int, Field(ge=3)] = Field(
        "auto", description="In tokens; [CLS] and [SEP] are two of them."
    )
    coverage: float = Field(0.99, gt=0, le=1, description="Of training rows, for ``auto``.")
    truncation: Literal["head", "tail", "head_tail"] = "head"


class FinetuningParams(Params):
    """``finetuning.yml``."""

    epochs: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        "auto", description="auto: 4 from a checkpoint; from scratch 5 to 20, by the tokens."
    )
    batch_by: Literal["rows", "tokens"] = "rows"
    batch_size: int = Field(32, ge=1, description="Rows of one forward pass, for batch_by: rows.")
    batch_tokens: int = Field(
        4096, ge=1, description="Tokens of one forward pass, for batch_by: tokens."
    )
    accumulation: int = Field(1, ge=1)
    learning_rate: Literal["auto"] | Annotated[float, Field(gt=0)] = "auto"
    layer_decay: float = Field(1.0, gt=0, le=1)
    weight_decay: float = Field(0.01, ge=0)
    warmup: float = Field(0.1, ge=0, lt=1, description="Share of all steps.")
    max_gradient_norm: float = Field(1.0, gt=0)
    class_weights: Literal["none", "balanced"] = "none"
    label_smoothing: Literal["auto"] | Share = Field(
        "auto", description="auto: 0.1 from scratch, 0 from a checkpoint."
    )
    token_dropout: Literal["auto"] | Share = Field(
        "auto",
        description="Share of tokens hidden from attention in training; "
        "auto: 0.2 from scratch, 0 from a checkpoint.",
    )
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    cuda_graphs: AutoOrOff = Field(
        "auto", description="auto: one GPU replays whole steps, and long runs compile the layers."
    )
    processes: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        "auto", description="On each machine; auto: one for each GPU, one without GPUs."
    )
    metric: Literal["macro_f1", "accuracy", "loss"] = "macro_f1"
    patience: int = Field(10, ge=1, description="Evaluations without improvement before stopping.")
    evaluations_per_epoch: int = Field(1, ge=1)
    checkpoint_minutes: float = Field(
        10.0, ge=0, description="Between training checkpoints; 0: one after every step."
    )


class EvaluationParams(Params):
    """``evaluation.yml``."""

    bootstrap: int = Field(1000, ge=100)
    confidence: float = Field(0.95, gt=0, lt=1)
    calibration_bins: int = Field(15, ge=2)
    errors: int = Field(100, ge=0)
    suspects: int = Field(100, ge=0)
    folds: int = Field(5, ge=2)


class ExportParams(Params):
    """``export.yml``."""

    opset: int = Field(20, ge=18)
    parity_rows: int = Field(300, ge=1)
    parity_tolerance: float = Field(1e-3, gt=0)
    engines: tuple[Engine, ...] = Field(
        ("onnxruntime", "openvino"), description="Measured where installed."
    )
    precisions: tuple[Precision, ...] = Field(
        ("fp32", "bf16", "int8"), description="fp32 is always there."
    )
    gate_rows: int = Field(1000, ge=1, description="Of validation, and of test; evenly spread.")
    calibration_rows: int = Field(
        128, ge=1, description="Training rows that OpenVINO's 8-bit scales are measured on."
    )
    register_model: bool = True


class Limits(Params):
    """From which value on a measure warns, and fails; ``None``: never."""

    warn: float | None = None
    fail: float | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.warn is not None and self.fail is not None and self.fail < self.warn:
            raise ValueError(f"fail {self.fail} is below warn {self.warn}")
        return self


class DriftParams(Params):
    """``drift.yml``."""

    rows: int = Field(5000, ge=2, description="Sampled at most from each side.")
    classifier_rows: int = Field(1000, ge=2, description="Of them for the domain classifier.")
    permutations: int = Field(499, ge=19)
    significance: float = Field(0.005, gt=0, lt=1, description="Largest p that counts.")
    min_rows: int = Field(20, ge=2, description="Fewer on a side: the measure says nothing.")
    fail_rows: int = Field(200, ge=1, description="Fewer new rows warn at most.")
    label_shares: Limits = Limits(warn=0.1, fail=0.4)
    predicted_shares: Limits = Limits(warn=0.1, fail=0.4)
    lost_labels: Limits = Limits(warn=1)
    confidence: Limits = Limits(warn=0.05, fail=0.2)
    length: Limits = Limits(warn=0.15, fail=0.6)
    unknown: Limits = Limits(warn=0.01, fail=0.05)
    bigrams: Limits = Limits(warn=0.05, fail=0.3)
    domain: Limits = Limits(warn=0.75, fail=0.98)


class PromotionParams(Params):
    """``promotion.yml``: what a challenger must show before it becomes the champion."""

    strategy: Literal["non_inferior", "superior"] = "non_inferior"
    confidence: float = Field(0.95, gt=0.5, lt=1, description="One-sided, of every decision.")
    bootstrap: int = Field(2000, ge=200)
    min_gate_rows: int = Field(50, ge=2, description="Fewer rows decide nothing.")
    min_macro_f1: float = Field(0.0, ge=0, lt=1, description="Asked of every challenger.")
    best_tolerance: float = Field(
        0.01, ge=0, le=1, description="Macro-F1 below the best ever promoted, at most."
    )
    slice_rows: int = Field(50, ge=2, description="Smaller slices are shown, not tested.")
    slice_tolerance: float = Field(
        0.02, ge=0, le=1, description="A slice may lose so much accuracy, significant or not."
    )
    flips: int = Field(20, ge=0, description="Examples shown of each kind.")


class InferenceParams(Params):
    """``inference.yml``: given on the command line more often than in the file."""

    input: str | None = None
    output: str | None = None
    bundle: str | None = Field(None, description="Folder or version; default: the champion.")
    text: str | int | None = Field(None, description="Column; default: found.")
    sheet: str | int | None = Field(None, description="Of a workbook; default: found.")
    engine: Literal["auto"] | Engine = Field(
        "auto", description="auto: OpenVINO where it is installed and was measured."
    )
    precision: Literal["auto"] | Precision = Field("auto", description="auto: export's choice.")
    batch_tokens: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"


#: Name of the parameters file and of the top-level key in it -> its model.
MODELS: dict[str, type[Params]] = {
    "model": ModelParams,
    "ingestion": IngestionParams,
    "cleaning": CleaningParams,
    "splitting": SplittingParams,
    "audit": AuditParams,
    "segmentation": SegmentationParams,
    "tokenization": TokenizationParams,
    "finetuning": FinetuningParams,
    "evaluation": EvaluationParams,
    "export": ExportParams,
    "drift": DriftParams,
    "promotion": PromotionParams,
    "inference": InferenceParams,
}
