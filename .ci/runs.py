"""Write book/runs.md and its pictures from the cards of the recorded runs; `--check` only looks.

    python .ci/runs.py                 # all runs
    python .ci/runs.py digits-gan      # draw this run's pictures anew, and write the page

A picture knows the weights that it was drawn from, so that one of older weights is found.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from pages import settle
from PIL import Image

from gantut import plots, runs
from gantut.runs import cards
from gantut.runs.recipe import HOMES, Recipe, recipe

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "book" / "runs.md"
PICTURES = ROOT / "book" / "_static" / "runs"
SMALL, QUALITY = (480, 320), 82  # the pictures of the contact sheet, and how much WebP may lose
LARGEST = 60_000  # bytes of one of them
HEAVIEST = 150_000  # bytes of a picture
FLATTEST = 2.2  # a part of a picture that is flatter than this is too small to see
SOURCE = 0x010D  # Exif's name of a document: here the weights that a small picture was drawn from
# Which parts of a picture the contact sheet shows, side by side, where its own rule would choose
# badly: shares of the sides, (left, top, right, bottom).
WINDOWS = {
    "faces-judge": ((0, 0, 0.5, 1),),
    "faces-vae": ((0, 0, 0.5, 1),),
    "latent-flow": ((0, 0.665, 0.57, 1),),
    "faces-flow": ((0.005, 0.0216, 0.598, 0.2735),),
    "ring": ((0, 0, 0.25, 1), (0.75, 0, 1, 1)),
    "grid": ((0, 0, 1 / 3, 1), (2 / 3, 0, 1, 1)),
}
# The subjects in their order; a run belongs to the first one that its name begins with.
SUBJECTS = {
    "Handwritten digits": ("digits-", "latent-", "gan-vs-vae", "stacked"),
    "Faces": ("faces-",),
    "Spoken digits": ("spoken-",),
    "Photographs": ("photo-",),
    "Points in the plane": ("ring", "grid"),
    "More": ("",),
}
# What figures are called on the page, where their name with spaces would be hard to read.
LABELS = {
    "fid": "FID",
    "fid_floor": "FID of real data",
    "fid_over_floor": "FID over FID of real data",
    "fid_over_floor_worst": "FID over FID of real data, worst seed",
    "fid_over_vae": "FID over a plain VAE's",
    "fid_rebuilt": "FID of rebuilt digits",
    "fid_grey": "FID, grey digits",
    "fid_prior": "FID, codes from N(0, I)",
    "fid_gaussian": "FID, codes from a fitted normal",
    "fid_flow": "FID, codes from the flow",
    **{
        f"fid_steps_{n}": f"FID of the flow by {n} step{'s' * (n > 1)}"
        for n in (1, 2, 4, 8, 16, 32)
    },
    "fid_again": "FID, drawn a second time",
    "pixels": "distance in pixels",
    "copying_share": "copying, share",
    "copying_z": "copying, standard errors",
    "copying_z_worst": "copying, standard errors, worst seed",
    "class_accuracy_worst": "class accuracy, worst seed",
    "nats": "−log p(x), nats",
    "negative_elbo": "−ELBO, nats",
    "rate": "rate, nats",
    "rate_local": "rate of the local codes, nats",
    "rate_whole": "rate of the whole digit, nats",
    "code_nats": "cost of the codes, nats",
    "uniform_nats": "their cost if all were equally likely, nats",
    "kl": "KL",
    "kl_of_real": "KL of real data",
}
TITLE = """# Recorded runs

A chapter trains for a minute, so that you see it happen. Here is what the same code reaches in more time, on an ordinary processor without a GPU. Choose a picture to see how a run was
made and what was measured. A *bar* is a figure that was hoped for, and the tables say which bars were missed.

"""
USE = """## Use a run, or make it again

The trained networks come with the library:

```python
import gantut

run = gantut.runs.load("digits-gan")
run.network  # the trained network, in evaluation mode
run.card["figures"]["fid"]["value"]
```

`python -m gantut record digits-gan` trains it again and writes a line every minute. Ctrl-C saves and stops, and the same command goes on from there, even after the process was killed.
The recorded run stays in place until the new one is complete. The book's tests load every run, repeat its first steps, and measure its figures again.

"""


def drawn_from(picture: Path) -> str:
    """The hash of the weights that a picture was drawn from; empty where there is no picture."""
    if not picture.is_file():
        return ""
    with Image.open(picture) as image:
        return str(image.info.get("Source") or image.getexif().get(SOURCE, ""))


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
    axes[0, 0].legend(fontsize=9)
    return figure


def draw(name: str) -> None:
    """Draw a run's picture and its curve."""
    plots.use_style()
    run, made = runs.load(name), recipe(name)
    mpl.rc("savefig", transparent=True)
    PICTURES.mkdir(parents=True, exist_ok=True)
    source = run.card["hashes"][cards.WEIGHTS]
    sheet, losses = made.picture(run.networks), curve(run)
    losses.savefig(
        PICTURES / f"{name}-curve.png", dpi=130, metadata={"Source": source, "Software": None}
    )
    drawn = io.BytesIO()
    sheet.savefig(drawn, dpi=130)
    with Image.open(drawn) as image:
        content = packed(image, source, 90, HEAVIEST)
    (PICTURES / f"{name}.webp").write_bytes(content)
    plt.close(sheet)
    plt.close(losses)
    shrink(name)
    for old in sounds(name).values():
        old.unlink()
    if made.sounds:
        for k, (label, content) in enumerate(made.sounds(run.networks).files.items()):
            (PICTURES / f"{name}-{k}-{label.replace(' ', '_')}.wav").write_bytes(content)


def packed(image: Image.Image, source: str, quality: int, most: int) -> bytes:
    """The picture as WebP of that quality, or of less until it has ``most`` bytes."""
    for less in range(quality, 20, -10):
        out = io.BytesIO()
        image.save(out, "WEBP", quality=less, method=6, exif=marked(source))
        if out.tell() <= most:
            break
    return out.getvalue()


def marked(source: str) -> Image.Exif:
    """What says in a WebP of which weights it was drawn."""
    exif = Image.Exif()
    exif[SOURCE] = source
    return exif


def window(picture: Image.Image) -> tuple[float, float, float, float]:
    """The part of a picture for the contact sheet, in pixels.

    The last sheet of images that is not too flat, cut to whole rows of ten columns; without one,
    the lower left of a picture that is too tall or too wide.
    """
    width, height = picture.size
    tallest = SMALL[1] / SMALL[0]
    opaque = np.asarray(picture.getchannel("A")) == 255
    inner = opaque[:, width // 20 : -(width // 20)].all(1).astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inner, [0]])))
    for top, bottom in reversed(edges.reshape(-1, 2).tolist()):
        if bottom - top >= width / FLATTEST:
            columns = np.flatnonzero(opaque[(top + bottom) // 2])
            left, right = int(columns[0]), int(columns[-1]) + 1
            cell = (right - left) / 10
            rows = int(min(bottom - top, (right - left) * tallest) / cell + 0.2)
            return left, top, right, min(bottom, top + rows * cell)
    return 0, max(0, height - width * tallest), min(width, FLATTEST * height), height


def shrink(name: str) -> None:
    """Make the run's picture for the contact sheet."""
    whole_picture = PICTURES / f"{name}.webp"
    with Image.open(whole_picture) as image:
        whole, source = image.convert("RGBA"), drawn_from(whole_picture)
    sides = 2 * whole.size
    boxes = [
        [share * side for share, side in zip(shares, sides, strict=True)]
        for shares in WINDOWS.get(name, ())
    ]
    parts = [whole.crop([round(v) for v in box]) for box in boxes or [window(whole)]]
    wide, high = sum(part.width for part in parts), max(part.height for part in parts)
    factor = min(SMALL[0] / wide, SMALL[1] / high)
    sheet, x = Image.new("RGBA", SMALL), (SMALL[0] - factor * wide) / 2
    for part in parts:
        small = part.resize(
            (round(part.width * factor), round(part.height * factor)), Image.Resampling.LANCZOS
        )
        sheet.paste(small, (round(x), (SMALL[1] - small.height) // 2))
        x += part.width * factor
    (PICTURES / f"{name}-small.webp").write_bytes(packed(sheet, source, QUALITY, LARGEST))


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
    return (f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}").replace("-", "−")


def label(name: str) -> str:
    """What a figure is called on the page."""
    return LABELS.get(name, name.replace("_", " "))


def beside(figure: Mapping[str, Any]) -> str:
    """The bar of a figure, and whether it was reached; empty where there is none."""
    if not figure.get("bar"):
        return ""
    return f"{figure['bar']}, {'reached' if figure['reached'] else '**missed**'}"


def hours(seconds: float) -> str:
    """Seconds of one core in words."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "under a minute"
    if minutes < 100:
        return f"{minutes} minute{'s' * (minutes > 1)}"
    return f"{minutes / 60:.1f} hours"


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
        cells = [label(row)]
        for name in (f"{row}_{key}" for key in columns):
            ends = [f"{name}_low", f"{name}_high"]
            told |= {name, *ends} & set(found)
            figure = found.get(name, {})
            cell = number(figure["value"]) if figure else ""
            if ends[0] in found:
                cell += f" ({' to '.join(number(found[end]['value']) for end in ends)})"
            if bar := beside(figure):
                cell += f" (bar: {bar})"
            cells.append(cell)
        if not below:
            said = [found[f"{row}_{key}"]["protocol"] for key in columns if f"{row}_{key}" in found]
            cells.append(said[0])
        lines.append(f"| {' | '.join(cells)} |")
    if below:
        lines += ["", *(f"- *{columns[key]}*: {said.pop()}" for key, said in how.items())]
    return [*lines, ""], told


def figures(card: dict[str, Any], made: Recipe) -> list[str]:
    """The table of what was measured; what had a bar stands first."""
    first, told = table(card["figures"], made.columns) if made.columns else ([], set())
    rest = {name: figure for name, figure in card["figures"].items() if name not in told}
    if not rest:
        return first
    barred = any(figure.get("bar") for figure in rest.values())
    heads = ["figure", "value", *(["bar"] if barred else []), "how it is measured"]
    lines = [*first, f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, figure in sorted(rest.items(), key=lambda item: not item[1].get("bar")):
        bar = [beside(figure)] if barred else []
        # A stroke would end the cell.
        protocol = figure["protocol"].replace("|", "\\|")
        lines.append(f"| {' | '.join([label(name), number(figure['value']), *bar, protocol])} |")
    return lines


def bars(card: dict[str, Any]) -> str:
    """How many bars were reached, in words; empty where there is none."""
    reached = [figure["reached"] for figure in card["figures"].values() if "bar" in figure]
    if not reached:
        return ""
    if len(reached) == 1:
        return "bar reached" if reached[0] else "bar missed"
    return f"{sum(reached)} of {len(reached)} bars reached"


def told(text: str) -> str:
    """The text with what is code in it as code."""
    return re.sub(r"\b(data\.\w+(?:\(\))?)", r"`\1`", text)


def settings_of(parts: Mapping[str, Any]) -> list[str]:
    """The settings that all parts share, and a table of the parts."""
    settings = next(iter(parts.values()))["config"]
    varied = [
        key for key in settings if len({str(p["config"].get(key)) for p in parts.values()}) > 1
    ]
    same = ", ".join(f"{key} {value}" for key, value in settings.items() if key not in varied)
    heads = ["part", "time", "weights", "in the package", *(["its own settings"] if varied else [])]
    rows = []
    for part, facts in parts.items():
        own = ", ".join(f"{key} {facts['config'][key]}" for key in varied if key in facts["config"])
        cells = [part.replace("_", " "), hours(facts["seconds"]), f"{facts['parameters']:,}"]
        cells += ["yes" if facts["shipped"] else "no", *([own] if varied else [])]
        rows.append(f"| {' | '.join(cells)} |")
    head = "Settings of all parts" if len(parts) > 1 else "Settings"
    table = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *rows]
    return [f"{head}: {same}.", "", *table]


def section(name: str, card: dict[str, Any], made: Recipe) -> list[str]:
    """One run's card."""
    facts = [f"`{name}`", f"{hours(card['seconds'])} of one core", bars(card)]
    return [
        f"(run-{name})=",
        "",
        f"### {card['title'].removesuffix('.')}",
        "",
        " · ".join(filter(None, facts)),
        "",
        f"```{{figure}} _static/runs/{name}.webp",
        f":alt: {made.alt}",
        ":loading: lazy",
        "",
        made.caption,
        "```",
        "",
        *players(name),
        *figures(card, made),
        "",
        f"Trained on {told(card['data'][0].lower() + card['data'][1:])}. Machine: {card['machine']}; "
        f"PyTorch {card['versions']['torch']}. To make it again: `{card['command']}`.",
        "",
        "````{dropdown} Losses and settings",
        f"```{{image}} _static/runs/{name}-curve.png",
        ":loading: lazy",
        f":alt: The logged losses of {name} over the steps of its training.",
        "```",
        "",
        *settings_of(card["parts"]),
        "````",
        "",
    ]


def card_of(name: str, card: dict[str, Any], made: Recipe) -> list[str]:
    """A run on the contact sheet."""
    return [
        ":::{grid-item-card}",
        f":link: run-{name}",
        ":link-type: ref",
        f":img-top: _static/runs/{name}-small.webp",
        f":img-alt: Detail. {made.alt}",
        "",
        card["title"],
        "",
        " · ".join(filter(None, [hours(card["seconds"]), bars(card)])),
        ":::",
        "",
    ]


def subjects(names: Iterable[str]) -> dict[str, list[str]]:
    """The runs by subject, in the order of the subjects; none that is empty."""
    found: dict[str, list[str]] = {subject: [] for subject in SUBJECTS}
    for name in names:
        found[next(s for s, starts in SUBJECTS.items() if name.startswith(starts))].append(name)
    return {subject: some for subject, some in found.items() if some}


def page() -> str:
    """The whole page."""
    found = {name: (cards.read_card(cards.HERE / name), recipe(name)) for name in runs.names()}
    ordered = subjects(found)
    lines = [TITLE + "::::{grid} 2 2 3 3", ":gutter: 3", ":class-container: runs", ""]
    for name in (name for some in ordered.values() for name in some):
        lines += card_of(name, *found[name])
    total = hours(sum(card["seconds"] for card, _ in found.values()))
    lines += ["::::", "", f"Together these {len(found)} runs took {total} of one core.", "", USE]
    for subject, some in ordered.items():
        lines += [f"## {subject}", ""]
        for name in some:
            lines += section(name, *found[name])
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
        drawn = (f"{name}.webp", f"{name}-curve.png")
        old = any(drawn_from(PICTURES / file) != weights for file in drawn)
        small = drawn_from(PICTURES / f"{name}-small.webp") != weights
        if check:
            stale += [name] if old or small else []
        elif old or name in named:
            draw(name)
        elif small:
            shrink(name)
    if stale:
        print(f"the pictures of {', '.join(stale)} are of older weights", file=sys.stderr)
    complaint = "book/runs.md is not what the cards say: run .ci/runs.py"
    return settle(PAGE, page(), complaint) or bool(stale)


if __name__ == "__main__":
    sys.exit(main())
