"""A bundle loads whole and untouched, or not at all; what it says does not depend on the batch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wenliu.errors import UserError
from wenliu.serving.bundle import Bundle
from wenliu.serving.manifest import MANIFEST, BundleError, build_manifest
from wenliu.serving.precisions import FILES as FILES_OF

FILES = (
    "model.onnx",
    "model.int8.onnx",
    "tokenizer.json",
    "labels.json",
    "text.json",
    "calibration.json",
    "model_card.md",
    MANIFEST,
)


@pytest.fixture
def copy(tiny_problem, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_problem.bundle, tmp_path / "bundle"))


@pytest.fixture(scope="module")
def bundle(tiny_problem) -> Bundle:
    return load_fp32(tiny_problem.bundle)


def load_fp32(folder: Path, **options) -> Bundle:
    """The precision in which a row's result does not depend on the rows it is batched with."""
    return Bundle.load(folder, engine="onnxruntime", precision="fp32", **options)


def rebuild(folder: Path) -> None:
    """A manifest that fits what is in the folder now, as a careful attacker would write it."""
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    files = {p.name: p.read_bytes() for p in folder.iterdir() if p.name != MANIFEST}
    (folder / MANIFEST).write_bytes(
        build_manifest(files, runtime=manifest["runtime"], facts={"metrics": {}})
    )


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_byte_in_any_file_is_refused(copy, name):
    """Reliability 18: one flipped byte in any file, and the load is refused."""
    path = copy / name
    original = path.read_bytes()
    places = np.random.default_rng(0).integers(0, len(original), 25).tolist()
    for place in {0, len(original) - 1, *places}:
        for change in (0x01, 0x80):
            flipped = bytearray(original)
            flipped[place] ^= change
            path.write_bytes(flipped)
            with pytest.raises(BundleError):
                Bundle.load(copy)
    path.write_bytes(original)
    Bundle.load(copy)


def test_a_blank_that_became_a_tab_in_the_manifest_is_refused(copy):
    text = (copy / MANIFEST).read_bytes()
    (copy / MANIFEST).write_bytes(text.replace(b"  ", b" \t", 1))
    with pytest.raises(BundleError, match="not as it was written"):
        Bundle.load(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_or_shorter_file_is_refused(copy, name):
    data = (copy / name).read_bytes()
    (copy / name).write_bytes(data[:-1])
    with pytest.raises(BundleError):
        Bundle.load(copy)
    (copy / name).unlink()
    with pytest.raises(BundleError):
        Bundle.load(copy)


def test_a_file_that_the_manifest_does_not_list_is_refused(copy):
    (copy / "model.onnx.data").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"Not in the manifest: model\.onnx\.data"):
        Bundle.load(copy)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("verify", [True, False])
def test_hard_and_symbolic_links_are_refused(copy, tmp_path, name, verify):
    """Reliability 32: onnxruntime would follow them."""
    outside = tmp_path / "outside"
    shutil.copyfile(copy / name, outside)
    for link in (os.link, os.symlink):
        (copy / name).unlink()
        link(outside, copy / name)
        with pytest.raises(BundleError, match="link"):
            Bundle.load(copy, verify=verify)


def test_a_named_pipe_does_not_block(copy):
    (copy / "model_card.md").unlink()
    os.mkfifo(copy / "model_card.md")
    with pytest.raises(BundleError, match="plain file"):
        Bundle.load(copy)


@pytest.mark.parametrize("how", ["parent", "absolute", "symlink", "hard link", "beside"])
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_external_data_is_refused_even_with_a_fitting_manifest(copy, tmp_path, how, precision):
    """Reliability 32: `..`, absolute paths and links, whoever wrote the manifest."""
    [model_file] = FILES_OF["onnxruntime", precision]
    weights = tmp_path / "weights.bin"
    beside = copy / "weights.bin"
    model = onnx.load(copy / model_file)
    onnx.save(
        model,
        tmp_path / "model.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    location = {"parent": "../weights.bin", "absolute": str(weights)}.get(how, "weights.bin")
    changed = onnx.load(tmp_path / "model.onnx", load_external_data=False)
    for tensor in changed.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    (copy / model_file).write_bytes(changed.SerializeToString())
    if how == "beside":
        shutil.copyfile(weights, beside)
    rebuild(copy)
    if how == "symlink":
        beside.symlink_to(weights)
    elif how == "hard link":
        os.link(weights, beside)
    with pytest.raises(BundleError):
        Bundle.load(copy, engine="onnxruntime", precision=precision)
    if how in ("symlink", "hard link"):  # an attacker lists the link in the manifest, too
        rebuild(copy)
        with pytest.raises(BundleError, match="link"):
            Bundle.load(copy)


def test_onnxruntimes_own_format_is_refused(copy):
    # Its weights may be external as well, and the scan reads ONNX only.
    (copy / "model.onnx").write_bytes(b"\x20\x00\x00\x00ORTM" + bytes(100))
    rebuild(copy)
    with pytest.raises(BundleError):
        load_fp32(copy)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.json", b'{"labels": ["a", "b"]}'),
        ("labels.json", b"[]"),
        ("calibration.json", b'{"temperature": 0}'),
        ("calibration.json", b'{"temperature": NaN}'),
        ("text.json", b'{"version": 99}'),
        ("tokenizer.json", b"{}"),
        ("model.onnx", b"nothing"),
    ],
)
def test_files_that_do_not_fit_together_are_refused(copy, name, content):
    (copy / name).write_bytes(content)
    rebuild(copy)
    with pytest.raises(UserError):
        Bundle.load(copy)


def test_a_smaller_precision_that_is_no_model_is_refused_when_it_is_asked_for(copy):
    (copy / "model.int8.onnx").write_bytes(b"nothing")
    rebuild(copy)
    assert Bundle.load(copy).choice.precision == "fp32"
    with pytest.raises(UserError):
        Bundle.load(copy, precision="int8")


def test_a_folder_that_is_no_bundle(tmp_path):
    with pytest.raises(BundleError, match="no bundle"):
        Bundle.load(tmp_path)


def test_the_hash_identifies_content_and_not_its_facts(tiny_problem, copy):
    manifest = json.loads((copy / MANIFEST).read_text("utf-8"))
    rebuild(copy)  # other facts: no metrics
    again = Bundle.load(copy)
    assert again.manifest["metrics"] != manifest["metrics"]
    assert again.sha256 == manifest["content_sha256"]
    shorter = {**manifest["runtime"], "max_length": 8}
    files = {p.name: p.read_bytes() for p in copy.iterdir() if p.name != MANIFEST}
    (copy / MANIFEST).write_bytes(build_manifest(files, runtime=shorter, facts={}))
    assert Bundle.load(copy).sha256 != again.sha256


STRANGE = [
    "",
    " \u3000\n\t",
    "😂😂😂",
    "𠮷野家的𠮷",
    "\u202eتسوق\u202c",
    "\u200b\ufeff\u200d",
    "\ud800 lone \udfff",
    "\0\x01\x7f",
    "[CLS] [SEP] [MASK] [PAD] [UNK]",
    "é" * 10 + "\u0301" * 1000,
    "长" * 1_000_000,
]


def test_any_text_has_a_defined_result(bundle):
    """Reliability 25: empty, blank, emoji, surrogates, right to left."""
    predictions = bundle.predict(STRANGE)
    for prediction in predictions:
        assert prediction.label in bundle.labels
        assert prediction.probabilities.sum() == pytest.approx(1)
        assert prediction.probability == prediction.probabilities.max()
    assert bundle.predict([]) == []
    assert bundle.logits([]).shape == (0, len(bundle.labels))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.text(
            st.one_of(
                st.characters(codec=None),
                st.sampled_from("的了不好快递退款质量，。！ＡＢＣａｂ12 😂👍\u200b\u202e\ud83d"),
            ),
            max_size=60,
        ),
        min_size=1,
        max_size=12,
    )
)
def test_one_text_or_many_get_the_same_answer(bundle, texts):
    """Reliability 27: cleaning is identical, probabilities differ by at most 1e-6."""
    cleaned = bundle.clean(texts)
    assert cleaned == [bundle.clean([text])[0] for text in texts]
    together = bundle.predict(texts)
    for text, prediction in zip(texts, together, strict=True):
        alone = bundle.predict([text])[0]
        assert np.abs(alone.probabilities - prediction.probabilities).max() <= 1e-6


def test_results_come_in_the_order_of_the_texts_whatever_the_batches(tiny_problem, bundle):
    texts = ["退" * (i * 7 % 40 + 1) + "款" for i in range(50)]
    expected = bundle.logits(texts)
    for budget in (1, 40, 100_000):
        other = load_fp32(tiny_problem.bundle, batch_tokens=budget, threads=1)
        assert np.abs(other.logits(texts) - expected).max() <= 1e-5


def test_onnx_agrees_with_torch_on_strange_texts(tiny_problem, bundle):
    """Reliability 28, in fp32."""
    from wenliu.text.encoding import encode, load_tokenizer
    from wenliu.training.prediction import predict_logits

    tokenizer = load_tokenizer(tiny_problem.json("tokenizer"))
    texts = [
        *bundle.clean(STRANGE),
        *tiny_problem.table("audited_examples")["clean_text"].to_pylist(),
    ]
    by_torch = predict_logits(tiny_problem.model, *encode(tokenizer, texts, 32))
    assert np.abs(bundle.clean_logits(texts) - by_torch).max() <= 1e-3


def test_probabilities_are_calibrated_and_keep_the_argmax(bundle):
    logits = bundle.logits(["退款还没到"])
    [prediction] = bundle.predict(["退款还没到"])
    scaled = np.exp(logits[0] / bundle.temperature)
    assert bundle.temperature == 1.7
    assert np.allclose(prediction.probabilities, scaled / scaled.sum(), atol=1e-6)
    assert prediction.label == bundle.labels[int(logits[0].argmax())]


def test_serving_needs_none_of_the_training_packages(tiny_problem):
    code = f"""
import sys
from wenliu.errors import UserError
from wenliu.serving.bundle import Bundle
import wenliu.serving.batch, wenliu.serving.locate, wenliu.serving.writers
Bundle.load({str(tiny_problem.bundle)!r}).predict(["快递三天了还没到"])
bad = {{"torch", "transformers", "kedro", "mlflow", "pandas", "sklearn", "pyarrow", "onnx"}}
print(sorted(bad & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
