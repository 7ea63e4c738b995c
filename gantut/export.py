"""Networks as files: for PyTorch without gantut, for onnxruntime, for a browser.

ONNX needs three packages: onnx, onnxscript and onnxruntime (``pip install "gantut[onnx]"``).
"""

import copy
import importlib.util
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gantut.files import put
from gantut.models import VAE, VQVAE
from gantut.networks.ladder import RepeatConv2d
from gantut.numerics import chosen

NEEDED = ("onnx", "onnxscript", "onnxruntime")
WEIGHTS = ("float32", "float16", "int8")
# Which dimension of a weight counts the outputs: every output gets a scale of its own.
OUTPUTS = {"Conv": 0, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1}


class Decoding(nn.Module):
    """From codes to samples, and nothing else: what is exported of a model.

    It is a copy on the CPU, in float32 and in evaluation mode, so the model stays as it is.

    Args:
        model: a generator, a ``VAE`` or a ``VQVAE``; a trainer's ``model``, say.

    Example:
        >>> import torch
        >>> from gantut.networks import MLPGenerator
        >>> Decoding(MLPGenerator(2, (1, 4, 4)))(torch.zeros(5, 2)).shape
        torch.Size([5, 1, 4, 4])
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        autoencoder = isinstance(model, (VAE, VQVAE))
        self.network: Any = model.decoder if autoencoder else model
        self.likelihood: Any = model.likelihood if autoencoder else None
        self.quantiser: Any = model.quantiser if isinstance(model, VQVAE) else None
        for name, part in list(self.named_children()):
            alone = copy.deepcopy(part).cpu().float()
            # Trained networks keep channels last in memory, which torch.export.save warns about.
            setattr(self, name, alone.to(memory_format=torch.contiguous_format))
        self.eval()

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """The mean of p(x|z), or G(z): (N, *shape).

        Args:
            z: codes (N, latent_dim), or for a VQ-VAE the numbers of its code vectors, (N, h, w).
            labels: (N,), for a conditional model.
        """
        if self.quantiser is not None:
            z = self.quantiser.look_up(z)
        x = self.network(z) if labels is None else self.network(z, labels)
        return x if self.likelihood is None else self.likelihood(x, 1).mean


def _program(model: nn.Module, inputs: Sequence[Tensor]) -> Any:
    """The network as a graph that takes any number of examples."""
    rows = torch.export.Dim("rows")
    shapes = tuple({0: rows} for _ in inputs)
    with torch.no_grad():
        return torch.export.export(model, tuple(inputs), dynamic_shapes=shapes)


def _deviation(again: Any, model: nn.Module, inputs: Sequence[Tensor]) -> float:
    """On one example less than the file was made with: its size has to be free."""
    fewer = [values[:-1] for values in inputs] if len(inputs[0]) > 1 else inputs
    with torch.no_grad():
        return float((again(*fewer) - model(*fewer)).abs().max())


def write_program(model: nn.Module, inputs: Sequence[Tensor], path: Path | str) -> float:
    """Write a network as a ``torch.export`` program, which PyTorch opens without its source.

    ``torch.export.load(path).module()`` is then the function. The file holds the network in
    evaluation mode, takes any number of examples, and is written whole or not at all.

    Args:
        model: the network; it is left as it is.
        inputs: examples, one tensor (N, …) with N > 1 for each argument.
        path: the file.

    Returns:
        The largest deviation of the file's outputs from the network's, on N − 1 examples.
    """
    model, out = copy.deepcopy(model).eval(), io.BytesIO()
    torch.export.save(_program(model, inputs), out)
    again = torch.export.load(io.BytesIO(out.getvalue())).module()
    deviation = _deviation(again, model, inputs)
    put(path, out.getvalue())
    return deviation


def quantise(w: Tensor, axis: int = 0) -> tuple[Tensor, Tensor]:
    """Weights as 8-bit integers q and one scale s for each output, so that w ≈ s · q.

    s = max |w| / 127 over the weights of one output, and q = round(w / s) is in −127 … 127; the
    error is at most s / 2.

    Args:
        w: weights of any shape.
        axis: the dimension that counts the outputs.

    Returns:
        q, int8 and shaped like ``w``, and s, (outputs,).

    Example:
        >>> import torch
        >>> q, s = quantise(torch.tensor([[1.27, -0.64]]))
        >>> q.tolist(), round(float(s), 4)
        ([[127, -64]], 0.01)
    """
    others = [d for d in range(w.ndim) if d != axis]
    s = w.abs().amax(others).clamp(min=torch.finfo(w.dtype).tiny) / 127
    shape = [-1 if d == axis else 1 for d in range(w.ndim)]
    return (w / s.view(shape)).round().to(torch.int8), s


def write_onnx(
    model: nn.Module, inputs: Sequence[Tensor], path: Path | str, *, weights: str = "float32"
) -> float:
    """Write a network as one ONNX file, in evaluation mode and for any number of examples.

    The file names its inputs z and labels, its output x, and no path of the machine that made it.
    It is written whole or not at all.

    Args:
        model: the network; it is left as it is.
        inputs: examples, one tensor (N, …) for each argument.
        path: the file.
        weights: how those of linear layers and convolutions are kept. ``"float16"`` and ``"int8"``
            make the file nearly two and four times smaller and the outputs a little different;
            biases and norms stay as they are, and it always computes in float32.

    Returns:
        The largest deviation of the file's outputs (by onnxruntime) from the network's, on N − 1
        examples.

    Raises:
        ImportError: onnx, onnxscript or onnxruntime is not installed.
        ValueError: another kind of weights.
    """
    chosen("weights", weights, WEIGHTS)
    if missing := ", ".join(name for name in NEEDED if importlib.util.find_spec(name) is None):
        raise ImportError(f'format onnx needs the packages {missing}: pip install "gantut[onnx]"')
    model = copy.deepcopy(model).eval().float()
    made: Any = torch.onnx.export(
        _program(model, inputs),
        dynamo=True,
        opset_version=18,
        input_names=["z", "labels"][: len(inputs)],
        output_names=["x"],
        verbose=False,
    )
    proto = made.model_proto
    _clean(proto)
    if weights != "float32":
        repeats = (n for n, part in model.named_modules() if isinstance(part, RepeatConv2d))
        _shrink(proto, weights, [f"{name}.weight" for name in repeats])
    content = proto.SerializeToString()
    deviation = _deviation(lambda *some: run_onnx(content, *some), model, inputs)
    put(path, content)
    return deviation


def run_onnx(file: bytes | Path | str, *inputs: Tensor) -> Tensor:
    """What an ONNX file computes, by onnxruntime on the CPU.

    Args:
        file: its path, or its content.
        inputs: tensors, in the order of its arguments.

    Returns:
        The file's first output.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    slots = zip(session.get_inputs(), inputs, strict=True)
    return torch.from_numpy(session.run(None, {slot.name: x.numpy() for slot, x in slots})[0])


def _clean(proto: Any) -> None:
    """Remove the exporter's notes, which name this machine's paths; call the free size ``rows``."""
    for part in (proto, proto.graph, *proto.graph.node, *proto.graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    del proto.graph.value_info[:]
    for value in (*proto.graph.input, *proto.graph.output):
        del value.metadata_props[:]
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param:
                size.dim_param = "rows"


def _shrink(proto: Any, weights: str, made: Sequence[str]) -> None:
    """Keep the weights of the heavy operations as float16 or int8; the file makes them float32.

    Args:
        made: weights (outputs, …) from which the graph makes the kernel of an operation.
    """
    from onnx import TensorProto, helper, numpy_helper

    kept = {tensor.name: tensor for tensor in proto.graph.initializer}
    heavy = {name: 0 for name in made if name in kept}  # which dimension counts the outputs
    for node in proto.graph.node:
        if node.op_type in OUTPUTS and node.input[1] in kept:
            transposed = any(a.name == "transB" and a.i for a in node.attribute)
            heavy[node.input[1]] = 0 if transposed else OUTPUTS[node.op_type]
    for name, axis in heavy.items():
        w = torch.from_numpy(numpy_helper.to_array(kept[name]).copy())
        small, full = f"{name}.{weights}", f"{name}.float32"
        if weights == "float16":
            parts = {small: w.half()}
            back = helper.make_node("Cast", [small], [full], to=TensorProto.FLOAT)
        else:
            parts = dict(zip((small, f"{name}.scale"), quantise(w, axis), strict=True))
            back = helper.make_node("DequantizeLinear", list(parts), [full], axis=axis)
        proto.graph.initializer.remove(kept[name])
        proto.graph.initializer.extend(
            numpy_helper.from_array(values.numpy(), key) for key, values in parts.items()
        )
        for node in proto.graph.node:
            node.input[:] = [full if slot == name else slot for slot in node.input]
        proto.graph.node.insert(0, back)
