"""Scores, intervals, paired tests and calibration in numpy."""

from wenliu.metrics.calibration import (
    calibration_error,
    calibration_summary,
    fit_temperature,
    log_loss,
    log_softmax,
    reliability_curve,
    softmax,
)
from wenliu.metrics.classification import (
    accuracy_of,
    classification_metrics,
    confusion_matrix,
    gold_macro_f1_of,
    macro_f1,
    macro_f1_of,
    macro_recall_of,
)
from wenliu.metrics.confident_learning import confident_learning
from wenliu.metrics.intervals import (
    Interval,
    McNemar,
    binomial_tail,
    bootstrap_interval,
    counts_interval,
    mcnemar,
    paired_bootstrap,
    wilson_interval,
)

__all__ = [
    "Interval",
    "McNemar",
    "accuracy_of",
    "binomial_tail",
    "bootstrap_interval",
    "calibration_error",
    "calibration_summary",
    "classification_metrics",
    "confident_learning",
    "confusion_matrix",
    "counts_interval",
    "fit_temperature",
    "gold_macro_f1_of",
    "log_loss",
    "log_softmax",
    "macro_f1",
    "macro_f1_of",
    "macro_recall_of",
    "mcnemar",
    "paired_bootstrap",
    "reliability_curve",
    "softmax",
    "wilson_interval",
]
