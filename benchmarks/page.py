"""Writes tables and plots of ``docs/speed.md``, ``docs/gate.md`` and the READMEs, from the results.

    python -m benchmarks.page

What stands between ``<!-- NAME:begin -->`` and ``<!-- NAME:end -->`` is replaced by the table of
``results/NAME.json``; the words around it are written by people. A test compares both.
"""

from __future__ import annotations

import json
import re
from typing import Any

from benchmarks.harness import RESULTS, ROOT
from wenliu.reporting.charts import bar_grid

PAGES = tuple(ROOT / "docs" / name for name in ("speed.md", "gate.md", "reliability.md"))
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")
#: What the READMEs say, in English and Chinese, of which result, and the ratios it rests on.
HEADLINES = (
    (
        "raw text to clean text, words and token ids, one core, against `pandas.apply` with jieba "
        "and a Hugging Face tokenizer",
        "原始文本到清洗后的文本、词和 token id，单核，对比 `pandas.apply` 加 jieba 和 "
        "Hugging Face 分词器",
        "preprocess",
        r"pandas@.*one core",
    ),
    (
        "words, against jieba 0.42.1",
        "分词，对比 jieba 0.42.1",
        "segment",
        r"jieba@",
    ),
    (
        "token ids, warm, against tokenizers' `encode_batch`",
        "token id（已预热），对比 tokenizers 的 `encode_batch`",
        "tokenize",
        r"encode_batch@(?!random)",
    ),
    (
        "fine-tuning reviews on a CPU, against transformers' Trainer with dynamic padding",
        "在 CPU 上微调（评论），对比 transformers Trainer 的动态填充",
        "finetune_cpu",
        r"Trainer, dynamic padding@chnsenticorp",
    ),
    (
        "the same, against Trainer grouped by length",
        "同上，对比 Trainer 按长度分组",
        "finetune_cpu",
        r"Trainer, group_by_length@chnsenticorp",
    ),
    (
        "inference of BERT-base on a CPU in int8, by the faster engine, against transformers' "
        "`pipeline`",
        "BERT-base 在 CPU 上用 int8 推理（取较快的引擎），对比 transformers 的 `pipeline`",
        "inference_cpu",
        r"transformers pipeline",
    ),
    (
        "the same in fp32, which onnxruntime serves by default, against torch eager",
        "同上，onnxruntime 默认的 fp32，对比 torch eager",
        "inference_cpu",
        r"torch eager, ours onnxruntime fp32",
    ),
)
IMAGES = ROOT / "docs" / "images"


def read_results() -> dict[str, dict[str, Any]]:
    """Name to content of every result file."""
    return {
        path.stem: json.loads(path.read_text("utf-8")) for path in sorted(RESULTS.glob("*.json"))
    }


def table(result: dict[str, Any]) -> str:
    """The measured rows, the ratios and what was compared, as Markdown."""
    machine = result["machine"]
    found = [
        f"Read: {result['input']}. Machine: {machine['cpu']}, {machine['cores']} cores"
        + (f", {machine['gpu']}" if "gpu" in machine else "")
        + f"; {machine['date']}.",
        "",
        "| system | median | least | most | unit |",
        "|---|---:|---:|---:|---|",
        *(
            f"| {row['system']} | {_number(row['median'])} | {_number(row['min'])} | "
            f"{_number(row['max'])} | {row['unit']} |"
            for row in result["rows"]
        ),
    ]
    if _has_plot(result):
        found += ["", f"![Ratios](images/speed_{result['name']}.svg)"]
    if result["agreement"]:
        found += ["", f"Held against each other: {'; '.join(_agreement(result['agreement']))}."]
    found += ["", *(f"- {note}" for note in result["notes"])] if result["notes"] else []
    return "\n".join(found)


def _agreement(counts: dict[str, int]) -> list[str]:
    """How many of how many differ, for each thing compared."""
    names = [key.removeprefix("compared ") for key in counts if key.startswith("compared ")]
    return [
        f"{name}: {counts[f'different {name}']:,} of {counts[f'compared {name}']:,} differ"
        for name in names
    ]


def _has_plot(result: dict[str, Any]) -> bool:
    """Whether the ratios mean something."""
    return bool(result["ratios"]) and not result["input"].startswith("TOY")


def plot(result: dict[str, Any]) -> str:
    """The ratios, a panel for each input, as SVG."""
    panels: dict[str, tuple[list[str], list[float]]] = {}
    for name, ratio in result["ratios"].items():
        peer, where = name.split("@", 1)
        labels, values = panels.setdefault(where, ([], []))
        peer, _, ours = peer.partition(", ours ")
        labels.append(f"{ours}: {peer}" if ours else peer)  # labels are shortened at their end
        values.append(ratio)
    return bar_grid(panels, title=f"{result['name']}: ratios")


def rendered(page: str) -> str:
    """The page with the tables of today's results."""
    for name, result in read_results().items():
        block = f"<!-- {name}:begin -->\n{table(result)}\n<!-- {name}:end -->"
        pattern = re.compile(rf"<!-- {name}:begin -->.*?<!-- {name}:end -->", re.S)
        page = pattern.sub(lambda _, block=block: block, page)
    return page


def headlines(readme: str, chinese: bool) -> str:
    """A README with the headline ratios of today's results."""
    results = read_results()
    rows = ["| | 倍数 |" if chinese else "| | times |", "|---|---|"]
    for english, han, name, pattern in HEADLINES:
        found = [v for key, v in results[name]["ratios"].items() if re.match(pattern, key)]
        low, high = (f"{value:.1f}" for value in (min(found), max(found)))
        times = low if low == high else f"{low} – {high}"
        rows.append(f"| {han if chinese else english} | {times} (`make benchmark-{name}`) |")
    block = "<!-- speed:begin -->\n" + "\n".join(rows) + "\n<!-- speed:end -->"
    return re.sub(r"<!-- speed:begin -->.*?<!-- speed:end -->", lambda _: block, readme, flags=re.S)


def main() -> None:
    """Writes pages, plots and headlines."""
    for page in PAGES:
        page.write_text(rendered(page.read_text("utf-8")), "utf-8")
    for path, chinese in zip(READMES, (False, True), strict=True):
        path.write_text(headlines(path.read_text("utf-8"), chinese), "utf-8")
    for name, result in read_results().items():
        if _has_plot(result):
            (IMAGES / f"speed_{name}.svg").write_text(plot(result), "utf-8")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    main()
