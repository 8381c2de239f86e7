"""Tokenization as column functions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from wenliu.parallel import ColumnFunction, with_counts

if TYPE_CHECKING:
    import pyarrow as pa

    from wenliu.text.fast_tokenizer import FastTokenizer


@dataclass(frozen=True)
class MeasureTexts(ColumnFunction):
    """From ``clean_text`` to ``length``, in tokens with ``[CLS]`` and ``[SEP]``, uncut.

    Attributes:
        tokenizer: The parsed ``tokenizer.json``.
    """

    tokenizer: dict[str, Any]

    @cached_property
    def loaded(self) -> FastTokenizer:
        """Built once a process."""
        from wenliu.text.encoding import load_tokenizer

        return load_tokenizer(self.tokenizer)

    @property
    def pays_above(self) -> int:
        """Of some 40 million characters a second."""
        return 480_000_000

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The length of each text."""
        import numpy as np
        import pyarrow as pa

        from wenliu.text.encoding import token_counts

        lengths = token_counts(self.loaded, batch["clean_text"].to_pylist()) + 2
        return pa.record_batch({"length": pa.array(lengths.astype(np.int32))})


@dataclass(frozen=True)
class TokenizeTexts(ColumnFunction):
    """From ``AuditedExamples`` to ``TokenIds`` and ``length``; counts what is unknown.

    ``length`` is that of the uncut row, in tokens with ``[CLS]`` and ``[SEP]``.

    Attributes:
        tokenizer: The parsed ``tokenizer.json``.
        declared: The same with the casing that the checkpoint declares, wrong or not.
        task: Name of the task, which says how a text becomes a row.
        max_length: Longest row.
        truncation: Where longer ones are cut.
    """

    tokenizer: dict[str, Any]
    declared: dict[str, Any]
    task: str
    max_length: int
    truncation: str

    @cached_property
    def loaded(self) -> FastTokenizer:
        """Built once a process."""
        from wenliu.text.encoding import load_tokenizer

        return load_tokenizer(self.tokenizer)

    @cached_property
    def loaded_as_declared(self) -> FastTokenizer:
        """Built once a process."""
        from wenliu.text.encoding import load_tokenizer

        return load_tokenizer(self.declared)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Token ids of each clean text."""
        import numpy as np
        import pyarrow as pa

        from wenliu.schemas import TokenIds
        from wenliu.tasks import get_task
        from wenliu.text.unknown import UnknownTally

        before, after = UnknownTally(self.loaded_as_declared), UnknownTally(self.loaded)
        before.add(batch["text"].to_pylist())
        texts = batch["clean_text"].to_pylist()
        lengths = (after.add(texts) + 2).astype(np.int32)
        flat, offsets = get_task(self.task).encode(
            self.loaded, texts, self.max_length, self.truncation
        )
        ids = pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(flat))
        columns = {name: batch[name] for name in TokenIds.columns if name != "token_ids"}
        found = pa.RecordBatch.from_pydict(
            {**columns, "token_ids": ids, "length": pa.array(lengths)}
        )
        return with_counts(found, {"before": before.counts(), "after": after.counts()})
