"""What an ONNX file may ask for, found without the onnx package."""

from __future__ import annotations

import contextlib

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from wenliu.serving.onnx_scan import MalformedModelError, external_locations


def external(location: str) -> TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2])
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    return tensor


def model(**parts) -> onnx.ModelProto:
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    nodes = parts.pop("nodes", [helper.make_node("Identity", ["w"], ["y"])])
    return helper.make_model(helper.make_graph(nodes, "g", [], [output], **parts))


def subgraph(tensor: TensorProto) -> onnx.GraphProto:
    output = helper.make_tensor_value_info("w", TensorProto.FLOAT, [2])
    return helper.make_graph([], "branch", [], [output], initializer=[tensor])


def sparse(tensor: TensorProto) -> onnx.SparseTensorProto:
    return onnx.SparseTensorProto(values=tensor, dims=[4])


W = external("../outside.bin")
PLACES = {
    "initializer": lambda: model(initializer=[W]),
    "sparse initializer": lambda: model(sparse_initializer=[sparse(W)]),
    "attribute": lambda: model(nodes=[helper.make_node("Constant", [], ["y"], value=W)]),
    "subgraph": lambda: model(
        nodes=[
            helper.make_node("If", ["c"], ["y"], then_branch=subgraph(W), else_branch=subgraph(W))
        ]
    ),
    "function": lambda: _with_function(),
    "training": lambda: _with_training(),
}


def _with_function() -> onnx.ModelProto:
    made = model()
    node = helper.make_node("Constant", [], ["y"], value=W)
    made.functions.append(helper.make_function("own", "F", [], ["y"], [node], []))
    return made


def _with_training() -> onnx.ModelProto:
    made = model()
    made.training_info.add().initialization.CopyFrom(subgraph(W))
    return made


@pytest.mark.parametrize("place", PLACES)
def test_external_data_is_found_wherever_a_tensor_can_stand(place):
    assert "location=../outside.bin" in external_locations(PLACES[place]().SerializeToString())


def test_a_location_counts_even_where_the_tensor_says_it_is_inside():
    tensor = external("/etc/passwd")
    tensor.data_location = TensorProto.DEFAULT
    assert external_locations(model(initializer=[tensor]).SerializeToString())


def test_a_model_with_its_weights_inside_passes():
    weights = numpy_helper.from_array(__import__("numpy").ones(2, "float32"), "w")
    assert external_locations(model(initializer=[weights]).SerializeToString()) == []


def test_the_real_export_passes(tiny_problem):
    assert external_locations((tiny_problem.bundle / "model.onnx").read_bytes()) == []


@given(st.binary(max_size=300))
def test_any_bytes_are_scanned_or_refused(data):
    with contextlib.suppress(MalformedModelError):
        external_locations(data)


def test_a_model_cut_short_is_refused(tiny_problem):
    data = (tiny_problem.bundle / "model.onnx").read_bytes()
    with pytest.raises(MalformedModelError):
        external_locations(data[: len(data) // 2])


def test_no_way_to_a_tensor_is_overlooked():
    """Every message of onnx's own schema that can hold a tensor is walked."""
    from wenliu.serving.onnx_scan import _CHILDREN

    messages, waiting = {}, [onnx.ModelProto.DESCRIPTOR]
    while waiting:
        descriptor = waiting.pop()
        if descriptor.full_name not in messages:
            messages[descriptor.full_name] = descriptor
            waiting += [f.message_type for f in descriptor.fields if f.message_type]
    reaching = {"onnx.TensorProto": set()}
    while True:  # until nothing new is found to reach a tensor
        found = {
            name: {
                f.number
                for f in descriptor.fields
                if f.message_type and f.message_type.full_name in reaching
            }
            for name, descriptor in messages.items()
        }
        more = {name: fields for name, fields in found.items() if fields}
        if more.keys() <= reaching.keys():
            break
        reaching |= more
    walked = {"onnx.TrainingInfoProto": "Training"}
    assert len(more) == 7
    for name, fields in more.items():
        ours = walked.get(name, name.removeprefix("onnx.").removesuffix("Proto"))
        assert fields <= set(_CHILDREN[ours]), f"{name}: {fields} lead to tensors"
