"""The training curve. Beside the fit, not in its module: another plot must not train again."""

from __future__ import annotations


def plot_training(training_history: list) -> str:
    """Loss and validation scores over the epochs, as SVG."""
    from wenliu.reporting.charts import lines

    series = {}
    for split, column, name in (
        ("train", "loss", "training loss"),
        ("validation", "loss", "validation loss"),
        ("validation", "macro_f1", "validation macro-F1"),
    ):
        rows = [row for row in training_history if row["split"] == split]
        series[name] = ([row["epoch"] for row in rows], [row[column] for row in rows])
    return lines(series, title="Training", x_label="epoch", y_label="loss, macro-F1")
