"""Both bundles over the same raw rows, by the same code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wenliu.errors import UserError
from wenliu.frames import Table
from wenliu.parts import Parts
from wenliu.progress import progress_bar

if TYPE_CHECKING:
    from wenliu.serving.bundle import Bundle

#: Columns of ``audited_examples`` that the table of answers is made from.
_READ = ("id", "eval_set", "label", "source", "text")
_CHUNK_ROWS = 2_048


def answer_rows(
    challenger: Path | None,
    champion: Path | None,
    labels: Sequence[str],
    audited_examples: Table | Parts,
) -> Table:
    """What both models say of every gate, audit and fresh row.

    Args:
        challenger: Folder of the new bundle; None: there are no answers, and no rows.
        champion: Folder of the old one; None: its columns stay empty.
        labels: Of this run's label map.
        audited_examples: Rows with ``eval_set``.

    Returns:
        The table ``gate_predictions``, in the order of the rows.

    Raises:
        UserError: The challenger has other labels than the label map, or a bundle cannot be used.
    """
    import pyarrow as pa

    from wenliu.schemas import GatePredictions
    from wenliu.serving.bundle import Bundle

    wanted = GatePredictions.arrow()
    if challenger is None:
        return wanted.empty_table()
    new = Bundle.load(challenger)
    if new.labels != list(labels):
        raise UserError(
            f"The bundle's labels are {', '.join(new.labels)}; those of the data are "
            f"{', '.join(labels)}.",
            where=str(challenger),
            remedy="run ingestion to export again; the champion stays",
        )
    old = None if champion is None else Bundle.load(champion)
    parts = Parts.of(audited_examples)
    schema = pa.schema([parts.schema.field(name) for name in _READ])
    judged = (batch.filter(batch["eval_set"].is_valid()) for batch in parts.batches(_READ))
    rows = pa.Table.from_batches(judged, schema).to_pydict()
    answers = _answers({"challenger": new, "champion": old}, rows["text"])
    return pa.table({**rows, "gold": rows["label"], **answers}).select(wanted.names).cast(wanted)


def _answers(bundles: Mapping[str, Bundle | None], texts: list[str]) -> dict[str, list[Any]]:
    """Label and probability of each text by each bundle; None where there is no bundle."""
    found: dict[str, list[Any]] = {}
    for name in bundles:
        found[name], found[f"{name}_probability"] = [], []
    with progress_bar(len(texts) * len(bundles), "scoring the models") as bar:
        for name, bundle in bundles.items():
            for start in range(0, len(texts), _CHUNK_ROWS):
                chunk = texts[start : start + _CHUNK_ROWS]
                said = bundle.predict(chunk) if bundle else [None] * len(chunk)
                found[name] += [one and one.label for one in said]
                found[f"{name}_probability"] += [one and one.probability for one in said]
                bar.update(len(chunk))
    return found
