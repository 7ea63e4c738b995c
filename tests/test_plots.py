"""Pictures: the pixels they place, the colours they use, what they refuse."""

import ast
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from contrast import contrast, luminance
from matplotlib.colors import to_rgb
from PIL import Image

from gantut import plots

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("*.ipynb"))


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


CSS = (ROOT / "book" / "_static" / "gantut.css").read_text(encoding="utf-8")
PAGES = {"light": "#ffffff", "dark": "#14181e"}  # the grounds of the theme


def of_page(theme):
    """The colours that the book's pages give to figures and drawings, by name."""
    light, dark = (
        dict(
            re.findall(r"--([\w-]+): (#\w+);", "".join(re.findall(head + r" \{(.*?)\}", CSS, re.S)))
        )
        for head in (r"\nhtml", r'\nhtml\[data-theme="dark"\]')
    )
    return light | dark if theme == "dark" else light


@pytest.mark.parametrize("theme", PAGES)
def test_letters_in_all_colours_can_be_read_on_both_pages(theme):
    """Figures have one set of colours and the ground of gantut.css; drawings have a set a page."""
    plots.use_style()
    found = of_page(theme)
    letters = [plt.rcParams[f"{kind}.color"] for kind in ("text", "xtick", "ytick")]
    letters += [plt.rcParams[f"axes.{kind}color"] for kind in ("label", "title", "edge")]
    for color in (*letters, *plots.TERMS.values(), *plots.CLASS_COLORS):
        assert contrast(color, found["figure-ground"]) >= 4.5, color
    roles = [name for name in found if name.startswith("gantut-")]
    assert len(roles) >= 8
    for name in roles:
        assert contrast(found[name], PAGES[theme]) >= 4.5, name


def test_colours_are_told_apart_by_who_sees_no_green_or_no_red():
    """Roles stay apart when one kind of cone is missing [Machado et al., 2009: severity 1]."""
    # Linear light as it is seen without the middle and without the long cones.
    blind = np.array(
        [
            [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
            [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
        ]
    )
    rgb = np.array([to_rgb(plots.COLORS[k]) for k in ("data", "generator", "discriminator")])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    for matrix in blind:
        seen = (linear @ matrix.T).clip(0) ** (1 / 2.4)
        apart = np.linalg.norm(seen[:, None] - seen[None], axis=2)[np.triu_indices(3, 1)]
        assert apart.min() > 0.25


def test_a_heat_map_grows_lighter_and_a_signed_one_fades_to_none():
    levels = [luminance(plots.HEAT(v)) ** (1 / 3) for v in np.linspace(0, 1, 65)]
    steps = np.diff(levels)
    assert steps.min() > 0 and steps.max() < 4 * np.median(steps)
    below, none, above = (plots.SIGNED(v) for v in (0.0, 0.5, 1.0))
    assert none[3] < 0.01 and below[3] == above[3] == 1
    assert np.allclose(below[:3], to_rgb(plots.COLORS["generator"]), atol=0.01)
    assert np.allclose(above[:3], to_rgb(plots.COLORS["data"]), atol=0.01)


def test_one_thing_one_colour():
    assert len(set(plots.COLORS.values())) == len(plots.COLORS)
    assert len(set(plots.CLASS_COLORS)) == 10


def test_the_style_draws_on_no_ground():
    plots.use_style()
    assert plt.rcParams["figure.facecolor"] == "none" and plt.rcParams["text.color"] == plots.INK


IMPORT = """
import sys, matplotlib
before = dict(matplotlib.rcParams)
from gantut import plots
plots.picture
print("gantut.games" in sys.modules, dict(matplotlib.rcParams) == before)
"""


def test_importing_changes_nothing():
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True)
    assert done.stdout == "False True\n", done.stderr


def test_every_notebook_begins_with_the_style():
    assert len(NOTEBOOKS) > 15
    for notebook in NOTEBOOKS:
        assert "plots.use_style()" in notebook.read_text(encoding="utf-8"), notebook.name


def codes(notebook):
    """The code of each of a notebook's cells, read."""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and not re.search(r"^\s*[%!]", source, re.M):
            yield ast.parse(source)


def settings(tree):
    """What is set by name: in calls, and in dictionaries that are handed on."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg:
            yield node.arg, node.value
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant):
                    yield key.value, value


def number(node):
    return node.value if isinstance(node, ast.Constant) else float("nan")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_letters_are_large_and_figures_narrow_enough_for_a_page(notebook):
    """Nine points in 7.8 inches are 11 pixels of a page of 1280; a phone shows figures larger."""
    faults = []
    for name, value in (found for tree in codes(notebook) for found in settings(tree)):
        if name in ("fontsize", "labelsize", "titlesize") and number(value) < plots.SMALLEST:
            faults.append(f"{name} {number(value)}")
        if name == "figsize" and isinstance(value, ast.Tuple):
            wide = number(value.elts[0])
            faults += [f"{wide} inches wide"] if wide > plots.WIDEST else []
    assert faults == []


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_heat_maps_have_the_books_colours(notebook):
    """Photographs and sounds without colour may be grey."""
    found = {
        ast.unparse(value) for tree in codes(notebook) for _, value in settings(tree) if _ == "cmap"
    }
    allowed = {"plots.HEAT", "plots.SIGNED", "HEAT", "SIGNED", "'gray'"}
    assert found <= allowed


SHOW = {"image_grid", "comparison", "picture", "animate"}


def is_inverted(node):
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Sub)
        and isinstance(node.left, ast.Constant)
        and node.left.value == 1
    )


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_pictures_are_shown_on_the_ground_that_they_have(notebook):
    """White on black as the data is, nowhere turned round for show."""
    faults = []
    for tree in codes(notebook):
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        if not names & SHOW:
            continue
        for node in ast.walk(tree):
            whole = [
                *([node.value] if isinstance(node, ast.Assign | ast.DictComp) else []),
                *(node.values if isinstance(node, ast.Dict) else []),
                *([node.elt] if isinstance(node, ast.ListComp | ast.GeneratorExp) else []),
                *(node.args if isinstance(node, ast.Call) else []),
            ]
            faults += [ast.unparse(value) for value in whole if is_inverted(value)]
    assert faults == []


def test_tiles_lie_where_they_should():
    images = torch.tensor([0.0, 0.25, 1.0]).view(3, 1, 1, 1).expand(3, 1, 2, 2)
    picture = plots._tile(images, columns=2)
    assert picture.shape == (5, 5, 3)
    assert (
        (picture[:2, :2] == 0).all()
        and (picture[:2, 3:] == 0.25).all()
        and (picture[3:, :2] == 1).all()
    )
    assert (picture[2] == 0.5).all() and (picture[:, 2] == 0.5).all()  # gaps
    assert (picture[3:, 3:] == 0.5).all()  # an empty place


def test_colours_of_images_are_kept():
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    assert (plots._tile(red) == [1, 0, 0]).all()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 8, 8), r"expected images \(N, 1 or 3, H, W\) with N ≥ 1, got \(2, 8, 8\)"),
        (torch.zeros(0, 1, 8, 8), r"got \(0, 1, 8, 8\)"),
        (torch.zeros(1, 2, 8, 8), r"got \(1, 2, 8, 8\)"),
        (
            torch.full((1, 1, 2, 2), -1.0),
            r"expected finite images in \[0, 1\], got values from -1 to -1",
        ),
        (torch.full((1, 1, 2, 2), float("nan")), r"expected finite images in \[0, 1\]"),
    ],
)
def test_bad_images(images, message):
    with pytest.raises(ValueError, match=message):
        plots.image_grid(images)


def test_a_comparison_has_one_row_for_each_name():
    figure = plots.comparison({"a": torch.zeros(3, 1, 4, 4), "b": torch.ones(3, 1, 4, 4)})
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["a", "b"]
    assert (figure.axes[1].images[0].get_array()[0, 0] == 1).all()
    with pytest.raises(ValueError, match="expected rows of one length, got {'a': 3, 'b': 2}"):
        plots.comparison({"a": torch.zeros(3, 1, 4, 4), "b": torch.ones(2, 1, 4, 4)})


def test_the_running_mean():
    assert plots.smooth([1, 2, 3, 4], 2).tolist() == [1, 1.5, 2.5, 3.5]
    assert plots.smooth([4, 0, 8], 100).tolist() == [4, 2, 4]


def test_curves_are_named_and_coloured():
    history = {"discriminator": [1.0, 2.0, 3.0, 4.0], "penalty": [5.0, 7.0]}
    ax = plots.curves(history, window=2)
    trace, mean = ax.lines[:2]
    assert trace.get_ydata().tolist() == [1, 2, 3, 4] and mean.get_ydata().tolist() == [
        1,
        1.5,
        2.5,
        3.5,
    ]
    assert mean.get_color() == plots.COLORS["discriminator"]
    assert ax.lines[3].get_xdata().tolist() == [2, 4]  # logged every other step
    assert [text.get_text() for text in ax.texts] == ["discriminator", "penalty"]
    with pytest.raises(KeyError, match="loss"):
        plots.curves(history, ["loss"])


def test_points_and_fields():
    ax = plots.scatter2d(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]))
    assert [line.get_color() for line in ax.lines] == [
        plots.COLORS["data"],
        plots.COLORS["generator"],
    ]
    assert ax.lines[1].get_xdata().tolist() == [3]
    seen = []
    ax = plots.field(lambda x: seen.append(x) or x[:, 0], (-1, 1), resolution=5)
    assert seen[0].shape == (25, 2) and seen[0].min() == -1
    ground = ax.images[0].to_rgba(ax.images[0].get_array())
    fake, real = (to_rgb(plots.COLORS[kind]) for kind in ("generator", "data"))
    # Real to the right, where the function is positive; clear where it is 0.
    assert np.allclose(ground[:, 0, :3], fake, atol=0.01)
    assert np.allclose(ground[:, -1, :3], real, atol=0.01)
    assert ground[:, 2, 3].max() < 0.02 < ground[:, 0, 3].min()


def test_a_latent_map_draws_each_label():
    ax = plots.latent_map(
        torch.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]), torch.tensor([7, 1, 7])
    )
    assert [len(c.get_offsets()) for c in ax.collections] == [1, 2]
    assert ax.collections[1].get_offsets().tolist() == [[0, 1], [4, 5]]
    with pytest.raises(ValueError, match=r"expected codes \(3, 2\), got \(3, 3\)"):
        plots.latent_map(torch.zeros(3, 3), torch.zeros(3))


def test_an_animation_has_its_frames_and_its_words():
    frames = [torch.full((4, 1, 3, 3), value) for value in (0.0, 0.5, 1.0)]
    animation = plots.animate(frames, alt='a "grid" <turns> white')
    picture = Image.open(io.BytesIO(animation.data))
    assert picture.n_frames == 3 and picture.size == (14, 14) and picture.info["loop"] == 0
    picture.seek(2)
    assert np.asarray(picture.convert("L"))[0, 0] > 250
    assert 'alt="a &quot;grid&quot; &lt;turns&gt; white"' in animation._repr_html_()
    figure, ax = plt.subplots()
    ax.plot([0, 1])
    assert Image.open(io.BytesIO(plots.animate([figure], alt="a line").data)).n_frames == 1


@pytest.mark.parametrize(("frames", "alt"), [([], "words"), ([torch.zeros(1, 1, 2, 2)], "")])
def test_an_animation_needs_frames_and_words(frames, alt):
    with pytest.raises(ValueError, match="expected frames and an alt text"):
        plots.animate(frames, alt=alt)


def test_sources_are_shown_as_markdown():
    shown = plots.show_source(plots.smooth, plots.picture).data
    assert (
        shown.startswith("```python\ndef smooth(")
        and "\n\ndef picture(" in shown
        and shown.endswith("\n```")
    )


def test_a_phase_portrait_has_arrows_of_one_length_in_the_field_s_direction():
    ax = plots.phase_portrait(lambda z: torch.stack([z[1], -2 * z[0]]))
    (arrows,) = (c for c in ax.collections if hasattr(c, "U"))
    x, y = arrows.XY.T
    assert sorted(set(x)) == sorted(set(y)) and min(x) == -2 and max(x) == 2 and arrows.N == 225
    length = np.hypot(y, -2 * x)
    assert np.allclose(length * arrows.U, y) and np.allclose(length * arrows.V, -2 * x)
