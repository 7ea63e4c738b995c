"""The table of losses: it is what the script writes, no loss is missing, and what it names exists."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
import tables

from gantut import losses, metrics, networks
from gantut.models import priors
from gantut.models.likelihoods import LIKELIHOODS

ROOT = Path(__file__).resolve().parents[2]

DATA = tomllib.loads(tables.DATA.read_text(encoding="utf-8"))
# What the package offers that is no loss of its own.
TOOLS = {
    *(
        "CHANGES",
        "DIVERGENCES",
        "LOSSES",
        "PENALTIES",
        "SCHEDULES",
        "AdversarialLoss",
        "Augment",
        "Divergence",
        "Penalty",
    ),
    *(
        "RateSplit",
        "Schedule",
        "adversarial_loss",
        "divergence",
        "f_divergence",
        "f_gan",
        "input_gradient",
        "softplus",
    ),
    *("packed_shape", "label_smoothing", "least_squares"),
}
WANTED = {
    "adversarial": set(losses.LOSSES),
    "penalties": set(losses.PENALTIES),
    "remedies": {
        "auxiliary",
        "ProjectionHead",
        "augmentation",
        "pack",
        "MinibatchStddev",
        "normalise_spectrally",
    },
    "schedules": set(losses.SCHEDULES),
    "likelihoods": set(LIKELIHOODS),
    "priors": {name for name in vars(priors) if name.endswith("Prior")},
    "estimators": {"importance_weighted", "annealed_importance", "bidirectional_bounds"},
}
WANTED["vae"] = {
    name
    for name in losses.__all__
    if name not in TOOLS | set().union(*WANTED.values()) | {"relativistic", "relativistic_average"}
}


def faults(data):
    """What is missing or unknown, sources that are not in the list of references, tests that are
    not there.
    """
    keys = set(
        re.findall(
            r"^@\w+\{(\w+),", (ROOT / "book" / "references.bib").read_text(encoding="utf-8"), re.M
        )
    )
    for family in sorted(set(data) | set(WANTED)):
        rows = data.get(family, {"rows": {}})["rows"]
        yield from (
            f"{family}: {name} has no row" for name in sorted(WANTED.get(family, set()) - set(rows))
        )
        yield from (
            f"{family}: {name} is unknown" for name in sorted(set(rows) - WANTED.get(family, set()))
        )
        for name, row in rows.items():
            if row["source"] not in keys:
                yield f"{name}: no reference {row['source']}"
            file, test = row["test"].split("::")
            if not (ROOT / file).is_file() or test not in functions(ROOT / file):
                yield f"{name}: no test {row['test']}"


def functions(path):
    return {
        node.name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }


def test_every_loss_has_its_row():
    assert list(faults(DATA)) == []
    assert len(WANTED["vae"]) > 15
    for name in ("ProjectionHead", "MinibatchStddev"):
        assert hasattr(networks, name)
    assert WANTED["estimators"] <= set(metrics.__all__)


def test_the_page_is_what_the_script_writes():
    assert tables.PAGE.read_text(encoding="utf-8") == tables.page()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["adversarial"]["rows"].pop("hinge"), "adversarial: hinge has no row"),
        (
            lambda d: d["vae"]["rows"].update(magic=dict(d["vae"]["rows"]["elbo"])),
            "vae: magic is unknown",
        ),
        (
            lambda d: d["vae"]["rows"]["elbo"].update(source="nobody1999"),
            "elbo: no reference nobody1999",
        ),
        (
            lambda d: d["vae"]["rows"]["elbo"].update(test="tests/test_vae.py::test_x"),
            "elbo: no test tests/test_vae.py::test_x",
        ),
    ],
)
def test_faults_are_found(change, message):
    data = tomllib.loads(tables.DATA.read_text(encoding="utf-8"))
    change(data)
    assert message in list(faults(data))


def test_a_changed_page_is_reported(tmp_path, monkeypatch, capsys):
    changed = tmp_path / "losses.md"
    changed.write_text(tables.page().replace("-0.27", "-0.28"))
    monkeypatch.setattr(tables, "PAGE", changed)
    monkeypatch.setattr("sys.argv", ["tables.py", "--check"])
    assert tables.main() == 1
    assert "run .ci/tables.py" in capsys.readouterr().err
    assert "-0.28" in changed.read_text(), "--check only looks"


def test_both_sides_of_an_f_divergence():
    """Pearson's saturating side, -v²/4 - v, has the slope -v/2 - 1: -½, 3/2, 9."""
    assert tables.slope_cell("f_pearson") == (
        "trick: **stays**<br>$-1,$ $-1,$ $-1$<br>saturating: **turns round**<br>$-0.5,$ $1.5,$ $9$"
    )


def test_verdicts():
    assert [tables.verdict(v) for v in ([-1, -0.5, -1e-9], [-1, -1, -1], [-1, -5, -20])] == [
        "vanishes",
        "stays",
        "grows",
    ]
    assert tables.verdict([-0.5, 1.5, 9.0]) == "turns round"
    assert [tables.number(v) for v in (-0.27, -148.4, 2.06e-9, 0.0)] == [
        "-0.27",
        "-150",
        r"2.1\cdot 10^{-9}",
        "0",
    ]
