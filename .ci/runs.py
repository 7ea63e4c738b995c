"""Write book/runs.md and its pictures from the cards of the recorded runs; `--check` only looks.

    python .ci/runs.py                 # all runs
    python .ci/runs.py digits-gan      # draw this run's pictures anew, and write the page

A picture knows the weights that it was drawn from, so that one of older weights is found.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from pages import settle
from PIL import Image

from gantut import plots, runs
from gantut.runs import cards
from gantut.runs.recipe import HOMES, Recipe, recipe

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "book" / "runs.md"
PICTURES = ROOT / "book" / "_static" / "runs"
TITLE = """# Recorded runs

A chapter trains for a minute, so that you see it happen. What the same code reaches in more time is recorded here: each run has a card that says how it was made, what was hoped
for, and what was measured, on an ordinary processor without a GPU. Its weights come with the library.

```python
import gantut

run = gantut.runs.load("digits-gan")
run.network  # the trained network, in evaluation mode
run.card["figures"]["fid"]["value"]
```

`python -m gantut record digits-gan` makes a run again, with a line a minute. Ctrl-C saves and stops, even a killed recording goes on where it was, and the run that is there stays until
the new one is complete. The tests of this book load every run, measure its figures again, and repeat its first steps.

"""


def drawn_from(picture: Path) -> str:
    """The hash of the weights that a picture was drawn from; empty where there is no picture."""
    if not picture.is_file():
        return ""
    with Image.open(picture) as image:
        return str(image.info.get("Source", ""))


def curve(run: runs.Run) -> plt.Figure:
    """What the log holds: one panel for each part, at most three side by side.

    The first twentieth of the steps may leave the panel at its top, or nothing else could be seen.
    """
    parts = list(dict.fromkeys(part for part, _ in run.log))[:3]
    figure, axes = plt.subplots(1, len(parts), figsize=(7, 2.2), squeeze=False)
    for ax, part in zip(axes[0], parts, strict=True):
        seen: list[float] = []
        for k, term in enumerate(term for where, term in run.log if where == part):
            steps, _, values = run.log[part, term]
            colour = plots.TERMS.get(term, plots.CLASS_COLORS[k + 3])
            mean = plots.smooth(values, 10)
            ax.plot(steps, mean, color=colour, lw=1.4, label=term.replace("_", " "))
            seen += [v for step, v in zip(steps, mean, strict=True) if 20 * step > steps[-1]]
        span = max(seen) - min(seen) or 1.0
        ax.set_ylim(min(seen) - 0.1 * span, max(seen) + 0.3 * span)
        ax.set_title(part, fontsize=10)
        ax.set_xlabel("step")
    axes[0, 0].legend(fontsize=8)
    return figure


def draw(name: str) -> None:
    """Draw a run's picture and its curve."""
    plots.use_style()
    run, made = runs.load(name), recipe(name)
    mpl.rc("savefig", transparent=True)
    PICTURES.mkdir(parents=True, exist_ok=True)
    source = run.card["hashes"][cards.WEIGHTS]
    for suffix, figure in (("", made.picture(run.networks)), ("-curve", curve(run))):
        path = PICTURES / f"{name}{suffix}.png"
        figure.savefig(path, dpi=130, metadata={"Source": source, "Software": None})
        plt.close(figure)
    for old in sounds(name).values():
        old.unlink()
    if made.sounds:
        for k, (label, content) in enumerate(made.sounds(run.networks).files.items()):
            (PICTURES / f"{name}-{k}-{label.replace(' ', '_')}.wav").write_bytes(content)


def sounds(name: str) -> dict[str, Path]:
    """The sounds that lie beside a run's pictures, by label, in their order."""
    found = sorted(PICTURES.glob(f"{name}-[0-9]-*.wav"))
    return {path.stem.split("-", name.count("-") + 2)[-1].replace("_", " "): path for path in found}


def players(name: str) -> list[str]:
    """A player for each of the sounds."""
    rows = [
        f'<p>{label}<br><audio controls preload="none" aria-label="{label}" '
        f'src="../_static/runs/{path.name}"></audio></p>'
        for label, path in sounds(name).items()
    ]
    return ["```{raw} html", *rows, "```", ""] if rows else []


def cited(text: str) -> str:
    """The text with its sources as the book cites them."""
    keys = r"[a-z]+\d{4}\w*"
    return re.sub(
        rf"\[({keys}(?:, {keys})*)\]", lambda m: f"{{cite}}`{m[1].replace(' ', '')}`", text
    )


def number(value: float) -> str:
    """A figure with three digits."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def hours(seconds: float) -> str:
    """Seconds of one core in words."""
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 100 else f"{minutes / 60:.1f} hours"


def table(found: dict[str, Any], columns: Mapping[str, str]) -> tuple[list[str], set[str]]:
    """The figures named ``row_column`` in one table, and which ones it holds.

    How they are measured stands in a column of its own, or below where it depends on the column
    alone.
    """
    names = {key: [name for name in found if name.endswith(f"_{key}")] for key in columns}
    rows = dict.fromkeys(n.removesuffix(f"_{key}") for key in columns for n in names[key])
    how = {key: {found[name]["protocol"] for name in names[key]} for key in columns}
    below = len(rows) > 1 and all(len(said) == 1 for said in how.values())
    heads = [*columns.values()] + ([] if below else ["how it is measured"])
    lines = [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    told: set[str] = set()
    for row in rows:
        cells = [row.replace("_", " ")]
        for name in (f"{row}_{key}" for key in columns):
            ends = [f"{name}_low", f"{name}_high"]
            told |= {name, *ends} & set(found)
            figure = found.get(name, {})
            cell = number(figure["value"]) if figure else ""
            if ends[0] in found:
                cell += f" ({' to '.join(number(found[end]['value']) for end in ends)})"
            if "bar" in figure:
                cell += f" (hoped for: {figure['bar']})"
            cells.append(cell)
        if not below:
            said = [found[f"{row}_{key}"]["protocol"] for key in columns if f"{row}_{key}" in found]
            cells.append(said[0])
        lines.append(f"| {' | '.join(cells)} |")
    if below:
        lines += ["", *(f"- {columns[key]}: {said.pop()}" for key, said in how.items())]
    return [*lines, ""], told


def figures(card: dict[str, Any], made: Recipe) -> list[str]:
    """The table of what was measured."""
    first, told = table(card["figures"], made.columns) if made.columns else ([], set())
    rest = {name: figure for name, figure in card["figures"].items() if name not in told}
    if not rest:
        return first
    lines = [*first, "| figure | value | bar | how it is measured |", "|---|---|---|---|"]
    for name, figure in rest.items():
        bar = figure.get("bar", "")
        if bar:
            bar += ", reached" if figure["reached"] else ", **not reached**"
        lines.append(
            f"| {name.replace('_', ' ')} | {number(figure['value'])} | {bar} "
            f"| {figure['protocol']} |"
        )
    return lines


def section(name: str, card: dict[str, Any], made: Recipe) -> list[str]:
    """One run's card."""
    parts = card["parts"]
    settings = next(iter(parts.values()))["config"]
    varied = [
        key for key in settings if len({str(p["config"].get(key)) for p in parts.values()}) > 1
    ]
    same = ", ".join(f"{key} {value}" for key, value in settings.items() if key not in varied)
    rows = [
        f"| {part} | {facts['seconds'] / 60:.0f} min | {facts['parameters']:,} | "
        f"{'yes' if facts['shipped'] else 'no'} | "
        + ", ".join(f"{key} {facts['config'][key]}" for key in varied if key in facts["config"])
        + " |"
        for part, facts in parts.items()
    ]
    return [
        f"(run-{name})=",
        "",
        f"## {name}",
        "",
        f"{card['title']}",
        "",
        f"```{{figure}} _static/runs/{name}.png",
        f":alt: {made.alt}",
        "",
        made.caption,
        "```",
        "",
        *players(name),
        *figures(card, made),
        "",
        f"Trained on {card['data'][0].lower()}{card['data'][1:]}. It took {hours(card['seconds'])} of one core "
        f"({card['machine']}; torch {card['versions']['torch']}). To make it again: "
        f"`{card['command']}`.",
        "",
        "````{dropdown} Losses and settings",
        f"```{{image}} _static/runs/{name}-curve.png",
        f":alt: The logged losses of {name} over the steps of its training.",
        "```",
        "",
        f"All parts: {same}.",
        "",
        "| part | time | weights | shipped | its own |",
        "|---|---|---|---|---|",
        *rows,
        "````",
        "",
    ]


def page() -> str:
    """The whole page."""
    lines = [TITLE]
    found = {name: (cards.read_card(cards.HERE / name), recipe(name)) for name in runs.names()}
    lines += ["| run | what it shows | time | bars reached |", "|---|---|---|---|"]
    for name, (card, _) in found.items():
        bars = [figure["reached"] for figure in card["figures"].values() if "bar" in figure]
        reached = f"{sum(bars)} of {len(bars)}" if bars else "no bar"
        lines.append(
            f"| [{name}](#run-{name}) | {card['title']} | {hours(card['seconds'])} | {reached} |"
        )
    total = sum(card["seconds"] for card, _ in found.values())
    lines += ["", f"Together they took {hours(total)} of one core.", ""]
    for name, (card, made) in found.items():
        lines += section(name, card, made)
    return cited("\n".join(lines).rstrip() + "\n")


def main() -> int:
    check = "--check" in sys.argv
    named = [word for word in sys.argv[1:] if word != "--check"]
    if unknown := set(named) - set(HOMES):
        print(f"unknown run {', '.join(unknown)}; known: {', '.join(HOMES)}", file=sys.stderr)
        return 2
    stale = []
    for name in runs.names():
        weights = cards.read_card(cards.HERE / name)["hashes"][cards.WEIGHTS]
        old = any(drawn_from(PICTURES / f"{name}{end}.png") != weights for end in ("", "-curve"))
        if old and check:
            stale.append(name)
        elif old or name in named:
            draw(name)
    if stale:
        print(f"the pictures of {', '.join(stale)} are of older weights", file=sys.stderr)
    complaint = "book/runs.md is not what the cards say: run .ci/runs.py"
    return settle(PAGE, page(), complaint) or bool(stale)


if __name__ == "__main__":
    sys.exit(main())
