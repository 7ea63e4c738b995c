"""Write book/losses.md from book/losses.toml and from the library itself; `--check` only looks.

The slopes in the first table are computed here, from the losses.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import torch
from pages import settle

from gantut import losses, metrics, networks, training
from gantut.losses import LOSSES, PENALTIES, AdversarialLoss, f_gan
from gantut.models import priors
from gantut.models.likelihoods import LIKELIHOODS

ROOT = Path(__file__).resolve().parent.parent
PAGE, DATA = ROOT / "book" / "losses.md", ROOT / "book" / "losses.toml"
HEAD = """\
---
html_theme.sidebar_secondary.remove: true
---

% Written by .ci/tables.py from book/losses.toml: change that file, and run the script.

# Every loss in one place

Each row is a function of the library with its formula, what it measures, when to use it, where it
comes from, and the test that holds it to an exact value. Every loss is one number per example, of
shape `(N,)`, in nats unless it says otherwise, and is minimised. Discriminators give logits. The
symbols are those of {doc}`notation`; $\\operatorname{sp}$ is the softplus, a bar is the mean over
the batch, and $\\operatorname{sg}$ lets no gradient pass. Each name leads to the {doc}`api`. On a
narrow screen the tables scroll sideways.

```{contents}
:local:
:depth: 1
:backlinks: none
```
"""
POINTS = (-1.0, -5.0, -20.0)


def slopes(loss: AdversarialLoss) -> list[float]:
    """The generator's slope in a fake logit, at the points."""
    found = []
    for at in POINTS:
        v = torch.tensor([at], dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(loss.generator(-v.detach(), v).sum(), v)
        found.append(slope.item())
    return found


def number(value: float) -> str:
    """Two significant digits in LaTeX."""
    if abs(value) < 1e-300:
        return "0"
    digits, exponent = f"{value:.1e}".split("e")
    power = int(exponent)
    if -3 <= power <= 2:
        return f"{float(f'{value:.1e}'):g}"
    return rf"{digits}\cdot 10^{{{power}}}"


def verdict(values: list[float]) -> str:
    """What the slope does as a sample becomes worse."""
    if max(values) > 0:
        return "turns round"
    if abs(values[-1]) < 1e-3:
        return "vanishes"
    ratio = values[-1] / values[0]
    return "grows" if ratio > 3 else "stays"


def slope_cell(name: str) -> str:
    """The verdict and the numbers; for a game of an f-divergence both sides that a generator may
    take.
    """
    sides = {"": LOSSES[name]}
    if name.startswith("f_"):
        sides = {
            side: f_gan(name[2:], saturating=side == "saturating: ")
            for side in ("trick: ", "saturating: ")
        }
    cells = []
    for side, loss in sides.items():
        values = slopes(loss)
        cells.append(f"{side}**{verdict(values)}**<br>$" + ",$ $".join(map(number, values)) + "$")
    return "<br>".join(cells)


def reference(family: str, name: str) -> str:
    """Where the API reference describes a row."""
    if family == "adversarial":
        # The functions of a pair, or the factory that made them; the first that bears the name.
        made = [player.__qualname__.split(".")[0] for player in LOSSES[name][:2]]
        bearing = [one for one in made if one.startswith(name.split("_")[0])]
        return f"gantut.losses.gan.{(bearing or made)[0]}"
    if family == "penalties":
        factory = PENALTIES[name]
        return f"gantut.losses.penalties.{getattr(factory, 'func', factory).__name__}"
    if family == "likelihoods":
        return f"gantut.models.likelihoods.{type(LIKELIHOODS[name]()).__name__}"
    if name == "normalise_spectrally":
        return f"{networks.MLPDiscriminator.__module__}.MLPDiscriminator"
    rooms = (losses, training, priors, metrics, networks)
    found = [getattr(room, name).__module__ for room in rooms if hasattr(room, name)]
    return f"{(*found, 'gantut.networks')[0]}.{name}"


def row(family: str, name: str, entry: dict[str, str]) -> str:
    formula = (
        f"${entry['formula']}$"
        if "formula" in entry
        else f"$D$: ${entry['d']}$<br>$G$: ${entry['g']}$"
    )
    cells = [f"{{py:obj}}`{name} <{reference(family, name)}>`", formula, entry["stands"]]
    if family == "adversarial":
        cells[2] += f"<br>{entry['optimum']}"
        cells += [entry["follows"], slope_cell(name)]
    file, test = entry["test"].split("::")
    label = file.removeprefix("tests/").removesuffix(".py")
    checked = f"{label}: {test.removeprefix('test_').replace('_', ' ')}"
    cells += [entry["use"], f"{{cite}}`{entry['source']}`<br>{checked}"]
    return "| " + " | ".join(cells) + " |"


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for family, table in tomllib.loads(DATA.read_text(encoding="utf-8")).items():
        columns = ["name", "formula", "what it stands for", "use", "source; test"]
        if family == "adversarial":
            columns[2] = "what it stands for; the best $D$"
            columns[3:3] = ["what $G$ follows at the best $D$", "slope as fake → bad"]
        rows = [row(family, name, entry) for name, entry in table["rows"].items()]
        header = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
        opening = [":::{table}", ":class: losses" + " slopes" * (family == "adversarial"), ""]
        parts.append(
            f"## {table['title']}\n\n{table['intro'].strip()}\n\n"
            + "\n".join([*opening, *header, *rows, ":::\n"])
        )
    return "\n".join(parts)


def main() -> int:
    complaint = (
        "book/losses.md is not what book/losses.toml and the library give: run .ci/tables.py"
    )
    return settle(PAGE, page(), complaint)


if __name__ == "__main__":
    sys.exit(main())
