"""The cache keeps what is made, survives damage, and is never in the way."""

import os
from pathlib import Path

import pytest
import torch

from gantut.data.cache import cache_folder, cached


class Maker:
    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return {"a": torch.arange(5), "b": torch.full((2,), float(self.calls))}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GANTUT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_made_once(folder):
    make = Maker()
    first, second = cached("key", make), cached("key", make)
    assert make.calls == 1
    assert all(torch.equal(first[name], second[name]) for name in ("a", "b"))
    assert [file.name for file in folder.iterdir()] == ["key.pt"]  # no temporary file stays


@pytest.mark.parametrize("damage", [b"", b"rubbish", None])
def test_a_damaged_file_is_made_anew(folder, damage):
    make = Maker()
    cached("key", make)
    path = folder / "key.pt"
    path.write_bytes(path.read_bytes()[:50] if damage is None else damage)
    assert cached("key", make)["b"].tolist() == [2, 2] and make.calls == 2
    assert cached("key", make)["b"].tolist() == [2, 2] and make.calls == 2


def test_a_foreign_file_is_made_anew(folder):
    folder.mkdir()
    torch.save({"a": "text"}, folder / "key.pt")
    assert cached("key", Maker())["b"].tolist() == [1, 1]


def test_code_in_a_file_is_not_run(folder, tmp_path):
    folder.mkdir()
    witness = tmp_path / "witness"
    torch.save(Trap(str(witness)), folder / "key.pt")
    assert cached("key", Maker())["b"].tolist() == [1, 1]
    assert not witness.exists()


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GANTUT_CACHE", str(tmp_path / "file" / "cache"))
    make = Maker()
    cached("key", make)
    assert cached("key", make)["a"].tolist() == [0, 1, 2, 3, 4] and make.calls == 2


def test_an_error_in_the_maker_leaves_nothing(folder):
    with pytest.raises(ZeroDivisionError):
        cached("key", lambda: {"a": 1 // 0})
    assert not folder.exists() or os.listdir(folder) == []


def test_the_folder(monkeypatch):
    monkeypatch.delenv("GANTUT_CACHE", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_folder() == Path("/x/gantut")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "gantut"
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_folder() == Path.home() / "Library" / "Caches" / "gantut"
