"""Which column is the text, the label, the split, the id: told from names and values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

#: Values of a split column and what they mean; compared in lower case.
SPLIT_VALUES = {
    "train": "train",
    "training": "train",
    "训练": "train",
    "训练集": "train",
    "dev": "validation",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "eval": "validation",
    "验证": "validation",
    "验证集": "validation",
    "开发集": "validation",
    "test": "test",
    "testing": "test",
    "测试": "test",
    "测试集": "test",
}
MAX_LABELS = 200
_MAX_DISTINCT = 1000
_LABEL_CHARS = 40
#: Chinese characters are counted in so many rows.
_LOOKED_AT_ROWS = 2000
_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_LABEL_NAME = re.compile(
    r"(.*[_ ])?(labels?|category|class|department|topic|sentiment|intent|target|polarity|tag|y)|"
    r".*(标签|类别|分类|类型|主题|科室|部门|情感|意图|倾向)",
    re.IGNORECASE,
)
_TEXT_NAME = re.compile(
    r"text|text_?a|content|review|review_?text|comment|sentence|body|message|"
    r".*(文本|正文|内容|评论|评价|留言|点评|反馈|句子)",
    re.IGNORECASE,
)
#: Names that say nothing else; the pattern above also fits names such as 用户评价.
_EXACT_TEXT_NAME = re.compile(
    r"text|text_?a|content|review|review_?text|comment|sentence|body|message|"
    r"(文本|正文|(评论|评价|留言|反馈|点评|文本)?内容|评论|留言|点评|句子)",
    re.IGNORECASE,
)
#: What somebody replied is known later than what is to be classified.
_REPLY_NAME = re.compile(r"answers?|reply|response|output|.*(回答|回复|答复|答案)", re.IGNORECASE)
_ID_NAME = re.compile(r"(.*[_ ])?(id|guid|uuid|uid)|.*(编号|序号)", re.IGNORECASE)
#: A column with one of these names holds splits, even if none of its values is known.
_SPLIT_NAME = re.compile(r"(.*[_ ])?split|(.*(集|集合|数据))?划分", re.IGNORECASE)
#: One with these may hold something else: folds by number, the data sets that rows come from.
_MAYBE_SPLIT_NAME = re.compile(r"(.*[_ ])?(sub)?set|partition|fold|.*(划分|数据集)", re.IGNORECASE)
_MAX_SPLITS = 20
#: The reason where nothing looks like a split at all; any other one is worth a warning.
NO_SPLITS = "no column names splits"
_GROUP_NAME = re.compile(r"group(_?id)?|分组|组别", re.IGNORECASE)


@dataclass
class ColumnStatistics:
    """What was seen of one column; memory does not grow with the rows."""

    rows: int = 0
    blank: int = 0
    characters: int = 0
    han: int = 0
    counted: int = 0
    longest: int = 0
    distinct: Counter[str] = field(default_factory=Counter)
    many: bool = False
    unique: bool = True

    def add(self, values: Sequence[str | None]) -> None:
        """Counts values; Chinese characters only in the first rows, they are slow to count."""
        filled = [value for value in values if value and not value.isspace()]
        sizes = list(map(len, filled))
        self.rows += len(values)
        self.blank += len(values) - len(filled)
        self.characters += sum(sizes)
        self.longest = max(self.longest, *sizes, 0)
        looked_at = filled[: _LOOKED_AT_ROWS - self.counted]
        self.counted += len(looked_at)
        self.han += sum(len(_HAN.findall(value)) for value in looked_at)
        for value, size in zip(filled, sizes, strict=True):
            if self.many:
                break
            # A long text is told from others by its start and its length.
            key = value if size <= _LABEL_CHARS else f"{value[:_LABEL_CHARS]}\0{size}"
            self.distinct[key] += 1
            self.unique = self.unique and self.distinct[key] == 1
            self.many = len(self.distinct) > _MAX_DISTINCT

    @property
    def filled(self) -> int:
        """Rows with a value."""
        return self.rows - self.blank

    @property
    def mean_characters(self) -> float:
        """Of the rows with a value."""
        return self.characters / max(1, self.filled)

    @property
    def mean_han(self) -> float:
        """Chinese characters, of the rows with a value."""
        return self.han / max(1, self.counted)


Guess = tuple[str | None, str]


def guess_columns(
    statistics: Mapping[str, ColumnStatistics], given: Mapping[str, str]
) -> dict[str, Guess]:
    """For each role the column, or None, and the reason.

    Args:
        statistics: By name of column, in the order of the file.
        given: Role to column, as the user said.
    """
    guesses: dict[str, Guess] = {role: (name, "given") for role, name in given.items()}
    taken = set(given.values())
    if len(statistics) == 1 and not given:
        alone = next(iter(statistics))
        nothing = "there is one column"
        return {
            **dict.fromkeys(("label", "id", "group"), (None, nothing)),
            "split": (None, NO_SPLITS),
            "text": (alone, "the only column"),
        }

    def settle(role: str, guess: Guess) -> None:
        if role not in guesses:
            guesses[role] = guess
            taken.add(guess[0] or "")

    def free() -> dict[str, ColumnStatistics]:
        return {name: each for name, each in statistics.items() if name not in taken}

    settle("split", _guess_split(free()))
    settle("id", _guess_id(free()))
    settle("group", _guess_group(free()))
    # The text before the label, because a label must not take the only text.
    text = guesses.get("text") or _guess_text(free())
    taken.add(text[0] or "")
    settle("label", _guess_label(free()))
    if "text" not in guesses:
        guesses["text"] = text
    return guesses


def _guess_text(statistics: Mapping[str, ColumnStatistics]) -> Guess:
    exact = {
        name: each
        for name, each in statistics.items()
        if each.filled and _EXACT_TEXT_NAME.fullmatch(name)
    }
    chinese = {
        name: each
        for name, each in statistics.items()
        if each.filled and each.mean_han >= 1 and not _looks_like_label(name, each)
    }
    # A few values that repeat are no texts if there are other ones: 评论 may hold 好评 and 差评.
    if any(not _is_categorical(each) for each in chinese.values()):
        exact = {name: each for name, each in exact.items() if not _is_categorical(each)}
    candidates = {**chinese, **exact} or {
        # No Chinese at all, or all of it looks like labels: the longest text will do.
        name: each
        for name, each in statistics.items()
        if each.filled and (each.mean_han >= 1 or each.mean_characters >= 10)
    }
    if not candidates:
        return None, "no column holds text"
    rank = {
        name: (not _REPLY_NAME.fullmatch(name), each.mean_han, each.mean_characters)
        for name, each in candidates.items()
    }
    best = max(exact or rank, key=lambda name: rank[name])
    named = [name for name in candidates if _TEXT_NAME.fullmatch(name)]
    if len(named) == 1 and not exact and rank[named[0]][1] * 3 >= rank[best][1]:
        best = named[0]
    why = f"{candidates[best].mean_characters:.0f} characters a row, most of the Chinese text"
    if best in named:
        why = f"by its name, {candidates[best].mean_characters:.0f} characters a row"
    others = [n for n, each in candidates.items() if n != best and not _is_categorical(each)]
    replies = [name for name in others if _REPLY_NAME.fullmatch(name)]
    if replies:
        why += f"; {', '.join(map(repr, replies))} sounds like a reply to it"
    if others:
        why += f"; other texts: {', '.join(map(repr, others))}"
    return best, why


def _looks_like_label(name: str, each: ColumnStatistics) -> bool:
    """A named category with few values, which is never taken for the text."""
    return bool(_LABEL_NAME.fullmatch(name)) and _is_categorical(each)


def _is_categorical(each: ColumnStatistics) -> bool:
    return (
        not each.many
        and 2 <= len(each.distinct) <= MAX_LABELS
        and each.longest <= _LABEL_CHARS
        and each.filled >= 2 * len(each.distinct)
    )


def _guess_label(statistics: Mapping[str, ColumnStatistics]) -> Guess:
    named = [n for n, each in statistics.items() if _LABEL_NAME.fullmatch(n) and each.filled]
    fitting = [name for name in named if _is_categorical(statistics[name])]
    if named:
        # OCNLI has label, label0 to label4.
        best = next((n for n in fitting if n.lower() in ("label", "标签")), (fitting or named)[0])
        return best, f"by its name, {_count(statistics[best])} values"
    categorical = {
        name: each
        for name, each in statistics.items()
        if _is_categorical(each) and each.blank * 20 <= each.rows
    }
    if not categorical:
        return None, "no column repeats a few short values"
    best = min(categorical, key=lambda name: len(categorical[name].distinct))
    others = [name for name in categorical if name != best]
    why = f"{_count(categorical[best])} values that repeat"
    return best, why + (f"; other candidates: {', '.join(map(repr, others))}" if others else "")


def _count(each: ColumnStatistics) -> str:
    return f"more than {_MAX_DISTINCT}" if each.many else str(len(each.distinct))


def _guess_split(statistics: Mapping[str, ColumnStatistics]) -> Guess:
    """A column whose name says so or whose values mostly do; unknown values are told."""
    passed_over = []
    for name, each in statistics.items():
        values = {value.strip().lower(): n for value, n in each.distinct.items()}
        unknown = [repr(value[:20]) for value in values if value not in SPLIT_VALUES]
        known = len(values) - len(unknown)
        called = bool(_SPLIT_NAME.fullmatch(name))
        maybe = called or bool(_MAYBE_SPLIT_NAME.fullmatch(name))
        few = 0 < len(values) <= _MAX_SPLITS and not each.many
        # One known value alone may be a word that a text or a tag happens to be.
        telling = not unknown and (known > 1 or maybe)
        mostly = known > 1 and known > len(unknown) and not _LABEL_NAME.fullmatch(name)
        if few and (called or telling or mostly or (maybe and known)):
            why = f"holds {', '.join(sorted(values))}"
            if unknown:
                why += f"; unknown: {', '.join(unknown)}, to be named in ingestion.split_values"
            return name, why
        tagged = few and known and _is_categorical(each) and not _LABEL_NAME.fullmatch(name)
        if values and (maybe or tagged):
            shown = ", ".join(unknown[:3]) + (", ..." if len(unknown) > 3 else "")
            passed_over.append(f"{name!r} holds {shown or 'one split only'}")
    if passed_over:
        return None, f"{NO_SPLITS} that are known: {'; '.join(passed_over)}"
    return None, NO_SPLITS


def _guess_id(statistics: Mapping[str, ColumnStatistics]) -> Guess:
    for name, each in statistics.items():
        if _ID_NAME.fullmatch(name) and each.filled == each.rows and each.unique:
            return name, "by its name; its values are unique"
    return None, "no column of unique ids"


def _guess_group(statistics: Mapping[str, ColumnStatistics]) -> Guess:
    for name in statistics:
        if _GROUP_NAME.fullmatch(name):
            return name, "by its name"
    return None, "no column is called group"


def check_roles(columns: Sequence[str], given: Mapping[str, str | int | None]) -> dict[str, str]:
    """Names of the given columns; ``"2"`` is a position where no column is called so.

    Raises:
        KeyError: With role and column where there is no such column.
    """
    named: dict[str, str] = {}
    for role, column in given.items():
        if column is None:
            continue
        if column in columns:
            named[role] = str(column)
            continue
        position = int(column) if str(column).isdecimal() else -1
        if not 0 <= position < len(columns):
            raise KeyError(role, column)
        named[role] = columns[position]
    return named
