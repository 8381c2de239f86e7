"""Schemas of the tables between the stages, enforced by the catalog on every load and save.

A catalog entry names one as its ``validator``. Extra columns are refused too: a column nobody
declared is a column nobody will find again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from wenliu.errors import UserError
from wenliu.parts import Parts

if TYPE_CHECKING:
    import pyarrow as pa

SPLITS = ("train", "validation", "test")

#: Values of the column ``dropped``, and what each means.
DROPPED = {
    "leak": "a twin stands in a later split",
    "repeat": "the text stands earlier in training",
    "conflict": "the same text has another label in training",
    "blank": "nothing is left of the text",
}

_EXAMPLES = {
    "id": "string",  # "<source>:<line>", unless the file has a column of ids
    "text": "string",  # as it stands in the raw file
    "label": "string",
    "label_id": "int32",
    "split": "string?",  # as given by file or column, else null
    "group": "string?",  # rows of one group stay on one side
    "source": "string",  # file name
    "line": "int64",  # 1-based, where the record starts
}
_CLEANED = {
    **_EXAMPLES,
    "clean_text": "string",  # what the model reads
    # Non-identical stretches, flat: new start, new end, old start, old end, ...; null: no change
    "edits": "list<int32>?",
}
_SPLIT = {
    **_CLEANED,
    "split": "string",
    "split_given": "bool",
    "eval_set": "string?",  # gate, audit, fresh: what a test row of a frozen problem is for
}
_AUDITED = {
    **_SPLIT,
    "leak": "string?",  # identical, normalised, near: strongest twin in training as given
    "dropped": "string?",  # why training may not see the row: leak, repeat, conflict, blank
}


class TableSchema:
    """Columns of an Arrow table: name to type, ``?`` where nulls are allowed."""

    columns: ClassVar[dict[str, str]] = {}
    optional: ClassVar[dict[str, str]] = {}

    @classmethod
    def arrow(cls) -> pa.Schema:
        """The Arrow schema of the required columns."""
        import pyarrow as pa

        return pa.schema(
            [
                pa.field(name, _arrow_type(spec), spec.endswith("?"))
                for name, spec in cls.columns.items()
            ]
        )

    @classmethod
    def validate(cls, data: pa.Table | Parts) -> pa.Table | Parts:
        """Checks the columns, their types and their nulls; reads no file that needs no reading.

        Raises:
            UserError: Naming the first column that does not fit.
        """
        parts = Parts.of(data)
        names = parts.schema.names
        wanted = {**cls.columns, **{k: v for k, v in cls.optional.items() if k in names}}
        missing = [name for name in wanted if name not in names]
        extra = [name for name in names if name not in wanted]
        if missing or extra:
            raise UserError(
                f"The table has columns {names}; missing {missing}, unknown {extra}.",
                where=f"schema {cls.__name__}",
            )
        for name, spec in wanted.items():
            field = parts.schema.field(name)
            if field.type != _arrow_type(spec):
                raise UserError(
                    f"Column {name!r} holds {field.type}, not {_arrow_type(spec)}.",
                    where=f"schema {cls.__name__}",
                )
            if not spec.endswith("?") and (nulls := parts.nulls(name)):
                raise UserError(
                    f"Column {name!r} has {nulls} missing values.",
                    where=f"schema {cls.__name__}",
                )
        return data


def _arrow_type(spec: str) -> pa.DataType:
    import pyarrow as pa

    name = spec.removesuffix("?")
    if name.startswith("list<"):
        return pa.list_(_arrow_type(name[5:-1]))
    return {
        "string": pa.string(),
        "bool": pa.bool_(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "float32": pa.float32(),
    }[name]


class Examples(TableSchema):
    """Rows as they were read."""

    columns = _EXAMPLES


class Quarantine(TableSchema):
    """Rows that could not be read, and why."""

    columns: ClassVar[dict[str, str]] = {
        "source": "string",
        "line": "int64",
        "column": "string?",
        "reason": "string",
        "content": "string",  # the raw row, cut to 1,000 characters, undecodable bytes escaped
    }


class CleanExamples(TableSchema):
    """Rows with the text that the model reads and the way back to the raw one."""

    columns = _CLEANED


class SplitExamples(TableSchema):
    """Rows that know which side they are on."""

    columns = _SPLIT


class AuditedExamples(TableSchema):
    """Rows with the marks of the audit; every later stage reads these."""

    columns = _AUDITED


class Words(TableSchema):
    """Segmented ``clean_text``, row by row as in ``audited_examples``."""

    columns: ClassVar[dict[str, str]] = {
        "id": "string",
        "words": "list<string>",
        "starts": "list<int32>",  # character offsets in clean_text
    }
    optional: ClassVar[dict[str, str]] = {"tags": "list<string>"}


class TokenIds(TableSchema):
    """Token ids, flat with offsets (Arrow's list layout), row by row as in ``audited_examples``."""

    columns: ClassVar[dict[str, str]] = {
        "id": "string",
        "split": "string",
        "label_id": "int32",
        "dropped": "string?",
        "token_ids": "list<int32>",  # with [CLS] and [SEP], cut to max_length
    }


class ModelLogits(TableSchema):
    """The model's logits on validation and test rows, in the order of ``audited_examples``."""

    columns: ClassVar[dict[str, str]] = {
        "id": "string",
        "split": "string",
        "label_id": "int32",
        "logits": "list<float32>",
    }


class BaselineProbabilities(TableSchema):
    """The better baseline's probabilities, in the order of ``audited_examples``.

    Training rows (those that the audit kept) are out of fold.
    """

    columns: ClassVar[dict[str, str]] = {
        "id": "string",
        "split": "string",
        "label_id": "int32",
        "probabilities": "list<float32>",
    }


class Predictions(TableSchema):
    """What the model says of validation and test rows."""

    columns: ClassVar[dict[str, str]] = {
        "id": "string",
        "split": "string",
        "label_id": "int32",
        "leak": "string?",
        "logits": "list<float32>",
        "baseline": "list<float32>",  # probabilities of the better baseline
    }


class GatePredictions(TableSchema):
    """What champion and challenger say of the rows that judge models."""

    columns: ClassVar[dict[str, str]] = {
        "id": "string",
        "eval_set": "string",  # gate, audit, fresh
        "gold": "string",  # labels by name: the two models may know different ones
        "champion": "string?",  # null where there is none that serves
        "challenger": "string",
        "champion_probability": "float32?",
        "challenger_probability": "float32",
        "source": "string",
        "text": "string",  # raw
    }
