"""What scripts write into pages and notebooks says what its source says today."""

import importlib

import pytest


@pytest.mark.parametrize("script", ["address", "api", "chapters", "checks", "runs"])
def test_nothing_is_stale(script, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", [f"{script}.py", "--check"])
    status = importlib.import_module(script).main()
    assert status == 0, f"run .ci/{script}.py\n{capsys.readouterr().err}"
