"""Networks as ONNX files: for onnxruntime, for a browser, for every program that knows the format.

Three packages make and read them: onnx, onnxscript and onnxruntime (``pip install "gantut[onnx]"``).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gantut.cli.settings import SettingsError, put

NEEDED = ("onnx", "onnxscript", "onnxruntime")
WEIGHTS = ("float32", "float16", "int8")
OPSET = 18
# Where the outputs stand in the weights of each operation: every output gets a scale of its own.
OUTPUTS = {"Conv": 0, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1}


def check_packages() -> None:
    """Raise ``SettingsError`` where one of the three packages is not installed, and say how to install them."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise SettingsError(
            f'format onnx needs the packages {", ".join(missing)}: pip install "gantut[onnx]" or pip install {" ".join(missing)}'
        )


def quantise(w: Tensor, axis: int = 0) -> tuple[Tensor, Tensor]:
    """Weights as 8-bit integers q and a scale s for each output, so that w ≈ s · q with an error of at most s / 2.

    s = max |w| / 127 over the weights of one output, which stands at ``axis``; q = round(w / s) is in −127 … 127. Returns q, int8, of the
    shape of ``w``, and s, (outputs,).
    """
    others = [d for d in range(w.ndim) if d != axis]
    s = w.abs().amax(others).clamp(min=torch.finfo(w.dtype).tiny) / 127
    shape = [-1 if d == axis else 1 for d in range(w.ndim)]
    return (w / s.view(shape)).round().to(torch.int8), s


def write_onnx(
    model: nn.Module, inputs: Sequence[Tensor], path: Path | str, *, weights: str = "float32"
) -> float:
    """Write a network as one ONNX file, and return the largest deviation of its outputs from the network's own.

    ``inputs`` are examples, one tensor (N, …) for each argument; the file takes any other N. They are called z and labels, and the output
    x. ``weights`` says how the weights are kept: as ``"float32"``, or as ``"float16"`` or ``"int8"``, which makes the file two and four
    times smaller and the outputs a little different. It always computes in float32. The deviation is measured with onnxruntime, on one
    example less than was given. The file is written whole or not at all, and names no path of the machine that made it.

    Raises:
        SettingsError: onnx, onnxscript or onnxruntime is not installed; another kind of weights; a network that is not float32.
    """
    if weights not in WEIGHTS:
        raise SettingsError(f"unknown weights {weights!r}; known: {', '.join(WEIGHTS)}")
    if others := {p.dtype for p in model.parameters()} - {torch.float32}:
        raise SettingsError(
            f"expected a network in float32, got {', '.join(map(str, others))}; use model.float()"
        )
    check_packages()
    names, was_training = ["z", "labels"][: len(inputs)], model.training
    rows = torch.export.Dim("rows")
    model.eval()
    try:
        with torch.no_grad():
            program = torch.export.export(
                model, tuple(inputs), dynamic_shapes=tuple({0: rows} for _ in inputs)
            )
            made: Any = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=OPSET,
                input_names=names,
                output_names=["x"],
                verbose=False,
            )
            proto = made.model_proto
            _clean(proto)
            if weights != "float32":
                _shrink(proto, weights)
            content = proto.SerializeToString()
            fewer = [values[:-1] for values in inputs] if len(inputs[0]) > 1 else list(inputs)
            deviation = float((run_onnx(content, *fewer) - model(*fewer)).abs().max())
    finally:
        model.train(was_training)
    put(path, content)
    return deviation


def run_onnx(file: bytes | Path | str, *inputs: Tensor) -> Tensor:
    """The outputs of an ONNX file, or of its content, for tensors in the order of its arguments; by onnxruntime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    source = file if isinstance(file, bytes) else str(file)
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    named = {
        slot.name: values.numpy() for slot, values in zip(session.get_inputs(), inputs, strict=True)
    }
    return torch.from_numpy(session.run(None, named)[0])


def _clean(proto: Any) -> None:
    """Remove what the exporter notes about the source, paths of this machine among it, and call the free size ``rows``."""
    for part in (proto, proto.graph, *proto.graph.node, *proto.graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    del proto.graph.value_info[:]
    for value in (*proto.graph.input, *proto.graph.output):
        del value.metadata_props[:]
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param:
                size.dim_param = "rows"


def _shrink(proto: Any, weights: str) -> None:
    """Keep the weights of the heavy operations as float16 or int8, and let the file turn them into float32 as it is loaded."""
    from onnx import TensorProto, helper, numpy_helper

    kept = {tensor.name: tensor for tensor in proto.graph.initializer}
    for node in list(proto.graph.node):
        name = node.input[1] if len(node.input) > 1 else ""
        if node.op_type not in OUTPUTS or name not in kept:
            continue
        w = torch.from_numpy(numpy_helper.to_array(kept[name]).copy())
        transposed = any(a.name == "transB" and a.i for a in node.attribute)
        axis = 0 if transposed else OUTPUTS[node.op_type]
        small = f"{name}.{weights}"
        if weights == "float16":
            parts = [numpy_helper.from_array(w.half().numpy(), small)]
            back = helper.make_node("Cast", [small], [f"{name}.float32"], to=TensorProto.FLOAT)
        else:
            q, s = quantise(w, axis)
            parts = [
                numpy_helper.from_array(q.numpy(), small),
                numpy_helper.from_array(s.numpy(), f"{name}.scale"),
            ]
            back = helper.make_node(
                "DequantizeLinear", [small, f"{name}.scale"], [f"{name}.float32"], axis=axis
            )
        proto.graph.initializer.remove(kept.pop(name))
        proto.graph.initializer.extend(parts)
        node.input[1] = f"{name}.float32"
        proto.graph.node.insert(0, back)
