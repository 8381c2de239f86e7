"""The code keeps to the table of layers in docs/architecture.md."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "wenliu"
FOUNDATION = {
    "clock", "code", "column_files", "disk", "errors", "frames", "gathering", "memo", "parallel",
    "part", "parts", "progress", "project", "put_aside", "worker_pool",
}  # fmt: skip
MAY_IMPORT = {
    "text": set(),
    "metrics": set(),
    "readers": set(),
    "tasks": {"text", "metrics"},
    "serving": {"text", "tasks", "metrics", "readers"},
    "modeling": {"text", "tasks"},
    "training": {"modeling", "text", "tasks", "metrics"},
    "reporting": {"metrics"},
    "datasets": {
        "serving",
        "frozen",
        "inbox",
        "champion_folder",
        "model_store",
        "registry",
        "registry_tags",
        "settled",
    },
    "hooks": {
        "datasets",
        "params",
        "summary",
        "tracking",
        "inbox",
        "intake",
        "lock",
        "processes",
        "registry",
        "registry_log",
        "alerts",
        "console",
        "night_facts",
        "nights",
        "nights_page",
        "retention",
        "settled",
    },
}
#: Third parties that a layer must not know at all.
FORBIDDEN = {
    "text": {"torch", "transformers", "kedro", "mlflow"},
    "metrics": {"torch", "transformers", "kedro", "mlflow", "sklearn"},
    "readers": {"torch", "transformers", "kedro", "mlflow", "pandas"},
    "tasks": {"torch", "transformers", "kedro", "mlflow"},
    "serving": {"torch", "transformers", "kedro"},
    "modeling": {"kedro"},
    "training": {"kedro"},
}
#: Paid for by every command when it stands at the top of one of these modules.
HEAVY = {
    "torch", "transformers", "mlflow", "sklearn", "matplotlib", "onnxruntime", "onnx", "pandas",
    "pyarrow", "jieba", "rjieba", "opencc", "scipy",
}  # fmt: skip


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    nodes = tree.body if top_level_only else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(names: set[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("wenliu.") and "." in name}


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_a_layer_imports_only_what_its_row_allows(layer):
    allowed = MAY_IMPORT[layer] | FOUNDATION | {layer, "__version__"}
    for path in (SOURCE / layer).rglob("*.py"):
        extra = ours(imports(path)) - allowed
        assert not extra, f"{path.relative_to(SOURCE)} imports {sorted(extra)}"


@pytest.mark.parametrize("layer", FORBIDDEN)
def test_a_layer_does_not_know_the_wrong_packages(layer):
    for path in (SOURCE / layer).rglob("*.py"):
        if path.name == "mlflow_model.py":
            continue
        packages = {name.split(".")[0] for name in imports(path)}
        assert not packages & FORBIDDEN[layer], f"{path.relative_to(SOURCE)}"


def test_nothing_heavy_at_the_top_of_what_every_command_imports():
    light = [*SOURCE.glob("*.py"), *(SOURCE / "pipelines").rglob("*.py")]
    light += [*(SOURCE / "hooks").glob("*.py"), *(SOURCE / "datasets").glob("*.py")]
    for path in light:
        packages = {name.split(".")[0] for name in imports(path, top_level_only=True)}
        assert not packages & HEAVY, f"{path.relative_to(SOURCE)} imports {packages & HEAVY}"


def test_nothing_unsafe_anywhere():
    """Reliability 33: no pickle in any guise, no code from a hub, no shell."""
    folders = [SOURCE, *(SOURCE.parents[1] / name for name in ("benchmarks", "deploy", "data"))]
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        packages = {name.split(".")[0] for name in imports(path)}
        assert not packages & {"pickle", "joblib", "marshal", "cloudpickle", "dill"}, path
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            keywords = {k.arg: k.value for k in call.keywords}
            for name in ("trust_remote_code", "shell"):
                value = keywords.get(name)
                assert not (isinstance(value, ast.Constant) and value.value is True), path
            source = ast.unparse(call.func)
            assert source not in {"torch.load", "yaml.load", "eval", "exec", "os.system"}, path


def test_the_dependency_audit_leaves_nothing_out():
    """Reliability 33: every pinned package is looked up, none is excused."""
    root = SOURCE.parents[1]
    [line] = [
        line
        for line in (root / "Makefile").read_text().splitlines()
        if "--strict" in line and "pip-audit " in line
    ]
    assert "--ignore" not in line and "constraints.txt" in line
    assert "make audit" in (root / ".github/workflows/ci.yml").read_text()
    pinned = (root / "constraints.txt").read_text().splitlines()
    assert all("==" in pin for pin in pinned if pin and not pin.startswith("#"))
