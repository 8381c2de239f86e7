"""Tokenization as column functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from wenliu.parallel import ColumnFunction, PartFunction, with_counts

if TYPE_CHECKING:
    import pyarrow as pa

    from wenliu.text.fast_tokenizer import FastTokenizer

#: Two vocabularies may give the same for a part: what matters of them stands in the part's key.
_BY_PART = {"memo": False}


@dataclass(frozen=True)
class CountCharacters(PartFunction):
    """Counts the characters of ``clean_text`` where training sees the row.

    Reads ``clean_text``, ``split`` and ``dropped``.
    """

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch:
        """Rows and characters; no columns."""
        import pyarrow.compute as pc

        rows = 0
        counts: Counter[str] = Counter()
        for batch in batches:
            learned = pc.and_(pc.equal(batch["split"], "train"), pc.is_null(batch["dropped"]))
            texts = batch["clean_text"].filter(learned)
            rows += len(texts)
            counts.update(_characters(texts))
        return _counted({"rows": rows, "characters": counts})


@dataclass(frozen=True)
class FindAlphabet(PartFunction):
    """Finds the characters that occur in ``text`` or ``clean_text``."""

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch:
        """Each once, in order; no columns."""
        found: set[str] = set()
        for batch in batches:
            found.update(_characters(batch["text"]), _characters(batch["clean_text"]))
        return _counted({"characters": "".join(sorted(found))})


def _counted(counts: dict[str, Any]) -> pa.RecordBatch:
    import pyarrow as pa

    return with_counts(pa.record_batch([], schema=pa.schema([])), counts)


def _characters(texts: pa.StringArray) -> dict[str, int]:
    """How often each stands in the texts."""
    from wenliu.text.string_columns import content_of
    from wenliu.text.vocabulary import count_characters

    content, _ = content_of(texts)
    return count_characters(str(content, "utf-8"))


@dataclass(frozen=True)
class MeasureTexts(ColumnFunction):
    """From ``text`` and ``clean_text`` to ``length``; counts what is unknown.

    ``length`` is that of the uncut row, in tokens with ``[CLS]`` and ``[SEP]``.

    Attributes:
        tokenizer: The parsed ``tokenizer.json``.
        declared: The same with the casing that the checkpoint declares, wrong or not.
    """

    tokenizer: dict[str, Any] = field(metadata=_BY_PART)
    declared: dict[str, Any] = field(metadata=_BY_PART)

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

    @property
    def schema(self) -> pa.Schema:
        """Of what is returned."""
        import pyarrow as pa

        return pa.schema([pa.field("length", pa.int32(), nullable=False)])

    @property
    def pays_above(self) -> int:
        """Of some 10 million characters a second, read twice."""
        return 240_000_000

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The length of each clean text."""
        import numpy as np
        import pyarrow as pa

        from wenliu.text.unknown import UnknownTally

        before, after = UnknownTally(self.loaded_as_declared), UnknownTally(self.loaded)
        before.add(batch["text"].to_pylist())
        lengths = after.add(batch["clean_text"].to_pylist()) + 2
        found = pa.record_batch([pa.array(lengths.astype(np.int32))], schema=self.schema)
        return with_counts(found, {"before": before.counts(), "after": after.counts()})


@dataclass(frozen=True)
class TokenizeTexts(ColumnFunction):
    """From ``clean_text`` to ``token_ids``.

    Attributes:
        tokenizer: The parsed ``tokenizer.json``.
        task: Name of the task, which says how a text becomes a row.
        max_length: Longest row.
        truncation: Where longer ones are cut.
    """

    tokenizer: dict[str, Any] = field(metadata=_BY_PART)
    task: str
    max_length: int
    truncation: str

    @cached_property
    def loaded(self) -> FastTokenizer:
        """Built once a process."""
        from wenliu.text.encoding import load_tokenizer

        return load_tokenizer(self.tokenizer)

    @property
    def schema(self) -> pa.Schema:
        """Of what is returned."""
        import pyarrow as pa

        from wenliu.schemas import TokenIds

        return pa.schema([TokenIds.arrow().field("token_ids")])

    @property
    def pays_above(self) -> int:
        """Of some 20 million characters a second."""
        return 240_000_000

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Token ids of each clean text."""
        import numpy as np
        import pyarrow as pa

        from wenliu.tasks import get_task

        texts = batch["clean_text"].to_pylist()
        flat, offsets = get_task(self.task).encode(
            self.loaded, texts, self.max_length, self.truncation
        )
        ids = pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(flat))
        return pa.record_batch([ids], schema=self.schema)
