"""Makes the messy raw files of the bundled problem out of the written messages.

    python data/00_written/feedback_topics/plant.py

The messages in ``messages_*.jsonl`` were written one by one. This script writes none: with a fixed
seed it copies some, puts HTML and invisible characters into others, breaks a few, and deals all of
them to four files that look like what people send. ``planted.json`` lists the ids of everything it
did; the tests hold the audit, the quarantine and the cleaning report against that list.
"""

from __future__ import annotations

import csv
import io
import json
import random
import unicodedata
from datetime import datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
RAW = HERE.parents[1] / "01_raw" / "feedback_topics"
SEED = 20261120
COLUMNS = ("编号", "内容", "主题")
ZERO_WIDTH = ("\u200b", "\u200d", "\ufeff", "\u2060")

Row = dict[str, str]


def written() -> list[Row]:
    """The messages as they were written."""
    return [
        json.loads(line)
        for path in sorted(HERE.glob("messages_*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]


def plant(messages: list[Row], chance: random.Random) -> tuple[list[Row], dict[str, list]]:
    """Alters and copies messages; returns all rows and the truth about them."""
    rows = [dict(row) for row in messages]
    topics = sorted({row["topic"] for row in rows})
    # Each message gets one treatment at most, so that every count in the truth stands alone.
    untouched = chance.sample(rows, len(rows))
    truth: dict[str, list] = {}

    def take(count: int, fits=lambda row: True) -> list[Row]:
        chosen = [row for row in untouched if fits(row)][:count]
        for row in chosen:
            untouched.remove(row)
        return chosen

    def copies(kind: str, originals: list[Row], alter, topic=lambda row: row["topic"]) -> None:
        truth[kind] = []
        for row in originals:
            copied = sum(map(len, truth.values())) + 1
            copy = {"id": f"d{copied:03d}", "topic": topic(row), "text": alter(row["text"])}
            rows.append(copy)
            truth[kind].append([row["id"], copy["id"]])

    def long(row: Row) -> bool:
        return len(row["text"]) >= 40

    copies("exact", take(40), lambda text: text)
    copies("normalised", take(24, varied), vary)
    copies("near", take(36, long), lambda text: slip(text, chance))
    copies(
        "conflict",
        take(12),
        lambda text: text,
        lambda row: chance.choice([topic for topic in topics if topic != row["topic"]]),
    )

    truth["html"] = []
    for row in take(40, lambda row: len(row["text"]) >= 10):
        row["text"] = chance.choice(HTML)(row["text"])
        truth["html"].append(row["id"])
    truth["zero_width"] = []
    for row in take(40, lambda row: len(row["text"]) >= 6):
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(1, len(row["text"]))
            row["text"] = row["text"][:at] + chance.choice(ZERO_WIDTH) + row["text"][at:]
        truth["zero_width"].append(row["id"])

    truth["blank"] = []
    for number, text in enumerate(("   ", "\u3000\u3000", "\u200b"), 1):
        rows.append({"id": f"blank{number}", "topic": chance.choice(topics), "text": text})
        truth["blank"].append(f"blank{number}")
    return rows, truth


HTML = (
    lambda text: f"<p>{text}</p>",
    lambda text: f'<div class="msg"><span style="color:#333">{text}</span></div>',
    lambda text: f"{text[: len(text) // 2]}<br/>{text[len(text) // 2 :]}",
    lambda text: f"{text}&nbsp;&nbsp;",
    lambda text: f"&gt;&gt; {text}<!-- app -->",
)


def varied(row: Row) -> bool:
    """Whether a message has letters or digits that can be written full-width."""
    return sum(c.isascii() and c.isalnum() for c in row["text"]) >= 2


def vary(text: str) -> str:
    """The same message to a reader: full-width letters and digits, a blank at the end."""
    wide = "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() else c for c in text)
    assert unicodedata.normalize("NFKC", wide) == unicodedata.normalize("NFKC", text)
    return f"{wide} "


def slip(text: str, chance: random.Random) -> str:
    """A slip of the hand: one character in the middle is doubled, lost or swapped."""
    at = chance.randrange(len(text) // 4, 3 * len(text) // 4)
    kind = chance.choice(("double", "lose", "swap"))
    if kind == "double" or (kind == "swap" and text[at] == text[at + 1]):
        return text[:at] + text[at] + text[at:]
    if kind == "lose":
        return text[:at] + text[at + 1 :]
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def broken(chance: random.Random) -> dict[str, list[Row]]:
    """Rows that no reader can use, by the file they go to; each belongs in quarantine."""
    return {
        "2025上半年.csv": [
            {"id": "bad1", "topic": "物流配送", "text": "包裹到了\ufffd\ufffd，箱子\ufffd角破了"},
        ],
        "app_2026.jsonl": [
            {"id": "bad2", "topic": "软件故障", "text": "打开就闪\ud83d退，重装也没用"},
            {"id": "bad3", "topic": "", "text": "这条当时没来得及归类，先放着"},
        ],
        "客服转录.xlsx": [
            {"id": "bad4", "topic": "", "text": "电话里说了半天，记录只剩这一句"},
        ],
    }


def main() -> None:
    """Writes the four raw files and the truth about them."""
    chance = random.Random(SEED)
    messages = written()
    rows, truth = plant(messages, chance)
    chance.shuffle(rows)
    names = ("2024全年.csv", "2025上半年.csv", "app_2026.jsonl", "客服转录.xlsx")
    files: dict[str, list[Row]] = {name: [] for name in names}
    for row in rows:
        files[chance.choices(names, weights=(35, 30, 25, 10))[0]].append(row)
    bad = broken(chance)
    for name, broken_rows in bad.items():
        for row in broken_rows:
            files[name].insert(chance.randrange(5, len(files[name])), row)
    truth["quarantine"] = sorted(row["id"] for rows in bad.values() for row in rows)

    RAW.mkdir(parents=True, exist_ok=True)
    # What Excel saves on a Chinese Windows, and what it saves as "CSV UTF-8".
    (RAW / names[0]).write_bytes(as_csv(files[names[0]]).encode("gb18030"))
    (RAW / names[1]).write_bytes(as_csv(files[names[1]]).encode("utf-8-sig"))
    (RAW / names[2]).write_bytes(as_jsonl(files[names[2]]))
    write_xlsx(RAW / names[3], files[names[3]])

    counts = {kind: len(ids) for kind, ids in truth.items()}
    summary = {
        "seed": SEED,
        "written": len(messages),
        "rows": {name: len(files[name]) for name in names},
        "counts": counts,
        "ids": truth,
    }
    (HERE / "planted.json").write_text(
        json.dumps(summary, ensure_ascii=False, indent=1) + "\n", "utf-8"
    )
    print(
        json.dumps({key: summary[key] for key in ("written", "rows", "counts")}, ensure_ascii=False)
    )


def as_csv(rows: list[Row]) -> str:
    """Comma-separated, quoted where needed, with the line ends of Windows."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\r\n")
    table.writerow(COLUMNS)
    table.writerows([row["id"], row["text"], row["topic"]] for row in rows)
    return out.getvalue()


def as_jsonl(rows: list[Row]) -> bytes:
    """JSON lines; a lone surrogate can only be written escaped."""
    lines = []
    for row in rows:
        record = dict(zip(COLUMNS, (row["id"], row["text"], row["topic"]), strict=True))
        try:
            lines.append(json.dumps(record, ensure_ascii=False).encode("utf-8"))
        except UnicodeEncodeError:
            lines.append(json.dumps(record).encode("ascii"))
    return b"\n".join(lines) + b"\n"


def write_xlsx(path: Path, rows: list[Row]) -> None:
    """A workbook with one sheet."""
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    sheet.title = "转录"
    sheet.append(COLUMNS)
    for row in rows:
        sheet.append([row["id"], row["text"], row["topic"] or None])
    book.properties.created = book.properties.modified = datetime(2026, 11, 20)
    book.save(path)


if __name__ == "__main__":
    main()
