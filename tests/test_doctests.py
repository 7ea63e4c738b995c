"""The examples in the library's docstrings run, and print what they say."""

import doctest
import importlib
import re

import pytest
import surface

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
SOURCES = {module: path.read_text(encoding="utf-8") for module, path in surface.modules().items()}
WITH_EXAMPLES = [module for module, source in SOURCES.items() if ">>> " in source]


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_the_examples_run(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    said = []
    for one in doctest.DocTestFinder().find(importlib.import_module(module), module):
        runner.run(one, out=said.append)
    assert runner.failures == 0, "".join(said)
    assert list(tmp_path.iterdir()) == [], "an example leaves files behind"


def test_what_is_skipped_says_why():
    """As in >>> train()  # needs a GPU  # doctest: +SKIP"""
    faults = [
        f"{module}: {line.strip()}"
        for module, source in SOURCES.items()
        for line in source.split("\n")
        if "+SKIP" in line and not re.search(r"#.*\w.*# doctest", line)
    ]
    assert faults == []
