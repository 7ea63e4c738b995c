"""The cache keeps what is made, survives damage, and is never in the way."""

import os
import stat
from pathlib import Path

import pytest
import torch

from gantut.data.cache import cache_folder, cached


class Maker:
    def __init__(self):
        self.calls = 0

    def __call__(self, **options):
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


def test_every_option_that_the_maker_takes_is_part_of_the_name(folder):
    make = Maker()
    asked = [{}, {"n": 1}, {"n": 2}, {"m": 1}, {"n": 1, "split": "test"}, {"n": 1, "hard": True}]
    made = [cached("key", make, **options)["b"][0].item() for options in asked]
    assert make.calls == len(asked) == len(list(folder.iterdir()))
    assert [cached("key", make, **options)["b"][0].item() for options in asked] == made
    assert make.calls == len(asked) and cached("other", make)["b"][0] == len(asked) + 1


def test_the_file_has_the_rights_of_any_other(folder):
    cached("key", Maker())
    (folder / "plain").write_text("")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert len(modes) == 1


@pytest.mark.parametrize("damage", [b"", b"rubbish", None])
def test_a_damaged_file_is_made_anew(folder, damage):
    make = Maker()
    cached("key", make)
    path = folder / "key.pt"
    path.write_bytes(path.read_bytes()[:50] if damage is None else damage)
    assert cached("key", make)["b"].tolist() == [2, 2] and make.calls == 2
    assert cached("key", make)["b"].tolist() == [2, 2] and make.calls == 2


@pytest.mark.parametrize("content", [{"a": "text"}, [torch.zeros(1)], torch.zeros(1)])
def test_a_foreign_file_is_made_anew(folder, content):
    folder.mkdir()
    torch.save(content, folder / "key.pt")
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
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_folder() == Path("/x/gantut")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "gantut"
    monkeypatch.setenv("GANTUT_CACHE", "/y")
    assert cache_folder() == Path("/y")
