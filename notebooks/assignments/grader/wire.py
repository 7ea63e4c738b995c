"""Messages between the trusted process and a submission's: JSON, and in it tensors as safetensors.

Whatever arrives is taken apart as data; nothing of it is executed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch
from safetensors.torch import load, save

from gantut.grading.compare import Answer, Other, plain

LARGEST = 16_000_000


def pack(message: Any) -> bytes:
    """Plain data as JSON. What JSON does not know is a dictionary with one key in brackets."""
    return json.dumps(plain(message), default=_tagged).encode()


def _tagged(value: Any) -> dict[str, Any]:
    if isinstance(value, Answer):
        return {"<answer>": value.name}
    if isinstance(value, torch.Generator):
        return {"<generator>": value.get_state()}
    if isinstance(value, torch.Tensor) and value.is_complex():
        return {"<complex>": torch.view_as_real(value)}
    if isinstance(value, torch.Tensor):
        return {"<tensor>": base64.b64encode(save({"": value.contiguous()})).decode()}
    return {"<other>": "..." if value is ... else value.kind}


def nothing(name: str) -> Any:
    raise ValueError(f"{name} stands for no object here")


def unpack(data: bytes, answer: Callable[[str], Any] = nothing) -> Any:
    """The message again; ``answer`` says what stands for a student's object.

    Raises:
        Exception: of many kinds, if somebody else made it.
    """

    def value(found: dict[str, Any]) -> Any:
        if len(found) != 1:
            return found
        ((tag, inner),) = found.items()
        if tag == "<answer>":
            return answer(inner)
        if tag == "<generator>":
            generator = torch.Generator()
            generator.set_state(inner)
            return generator
        if tag == "<complex>":
            return torch.view_as_complex(inner)
        if tag == "<tensor>":
            return load(base64.b64decode(inner, validate=True))[""]
        if tag == "<other>":
            return ... if inner == "..." else Other(str(inner)[:60])
        return found

    return json.loads(data, object_hook=value)


def send(pipe: Connection, message: Any) -> None:
    pipe.send_bytes(pack(message))


def receive(pipe: Connection, answer: Callable[[str], Any] = nothing) -> Any:
    """The next message, as ``unpack`` gives it.

    Raises:
        EOFError: there will be none.
        OSError: the other side is gone, or the message is too long.
    """
    return unpack(pipe.recv_bytes(LARGEST), answer)
