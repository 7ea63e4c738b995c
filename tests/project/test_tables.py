"""The table of losses: it is what the script writes, and no loss is missing."""

import ast
import inspect
import re
import tomllib
from pathlib import Path

import pytest
import tables

from gantut import losses
from gantut.models import priors
from gantut.models.likelihoods import LIKELIHOODS

ROOT = Path(__file__).resolve().parents[2]
DATA = tomllib.loads(tables.DATA.read_text(encoding="utf-8"))
ROWS = [(family, name) for family, table in DATA.items() for name in table["rows"]]
OF_A_VAE = ("elbo", "importance", "mmd", "total_correlation", "quantisation", "features")
WANTED = {
    "adversarial": set(losses.LOSSES),
    "penalties": set(losses.PENALTIES),
    "likelihoods": set(LIKELIHOODS),
    "priors": {name for name in vars(priors) if name.endswith("Prior")},
    "vae": {
        name
        for name, thing in ((name, getattr(losses, name)) for name in losses.__all__)
        if inspect.isfunction(thing) and thing.__module__.rpartition(".")[2] in OF_A_VAE
    },
}


@pytest.mark.parametrize("family", WANTED)
def test_every_loss_has_its_row(family):
    assert set(DATA[family]["rows"]) == WANTED[family]


@pytest.mark.parametrize(("family", "name"), ROWS)
def test_every_row_has_a_source_and_a_test(family, name):
    row = DATA[family]["rows"][name]
    bibliography = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    assert re.search(rf"^@\w+\{{{row['source']},", bibliography, re.MULTILINE)
    file, test = row["test"].split("::")
    nodes = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    assert test in {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("name", losses.LOSSES)
def test_every_pair_says_what_its_generator_follows(name):
    assert re.search(r"\$|no closed form", DATA["adversarial"]["rows"][name]["follows"])


def test_the_page_is_what_the_script_writes():
    assert tables.PAGE.read_text(encoding="utf-8") == tables.page()


def test_the_slopes_by_hand():
    """Pearson's saturating side, -v²/4 - v, has the slope -v/2 - 1: -½, 3/2, 9."""
    assert tables.slope_cell("f_pearson") == (
        "trick: **stays**<br>$-1,$ $-1,$ $-1$<br>saturating: **turns round**<br>$-0.5,$ $1.5,$ $9$"
    )
    assert tables.slope_cell("least_squares") == "**grows**<br>$-2,$ $-6,$ $-21$"
    # −sigmoid(v), which is −eᵛ where v is far below 0.
    assert tables.slope_cell("minimax") == (
        r"**vanishes**<br>$-0.27,$ $-0.0067,$ $-2.1\cdot 10^{-9}$"
    )
