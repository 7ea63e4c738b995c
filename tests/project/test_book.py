"""What the book's own extension does: formulas of docstrings, links to chapters, Chinese search, icons, the archive."""

import ast
import inspect
import re
import sys
import zipfile
from pathlib import Path

import pytest

import gantut
from gantut import losses, training

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import formulas  # noqa: E402
import house  # noqa: E402
import ship  # noqa: E402

# -- formulas ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("γ/2 · ‖∇D(x)‖² at real ones. The ½", r":math:`\gamma /2 \cdot \lVert \nabla D(x)\rVert ^{2}` at real ones. The :math:`\tfrac12`"),
        ("KL(q(z|x) ‖ p(z)): the nats", r":math:`\operatorname{KL}(q(z\mid x) \,\Vert\, p(z))`: the nats"),
        ("I − η(I + ηK)⁻¹J, with K the part", r":math:`I - \eta (I + \eta K)^{-1}J`, with K the part"),
        ("θ̄ ← d·θ̄ + (1 − d)·θ beside", r":math:`\bar{\theta } \leftarrow d\cdot \bar{\theta } + (1 - d)\cdot \theta` beside"),
        ("the step η / (√ŝ + ε), as", r"the step :math:`\eta / (\sqrt{\hat{s}} + \varepsilon )`, as"),
        ("Σ_t log p(c_t | c₁ … c_{t−1}), (N,)", r":math:`\textstyle\sum _t \log p(c_t \mid c_{1} \dots c_{t-1})`, (N,)"),
        ("w · |rate − C|: spend", r":math:`w \cdot \lvert \text{rate} - C\rvert`: spend"),
        ("tr(Σ + Σ′ − 2(ΣΣ′)^½)", r":math:`\operatorname{tr}(\Sigma + \Sigma ' - 2(\Sigma \Sigma ')^{\tfrac12 })`"),
        ("angles 2πk/modes, k", r"angles :math:`2\pi k/\text{modes}`, k"),
    ],
)  # fmt: skip
def test_formulas_are_typeset(text, wanted):
    assert formulas.typeset(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "Images (N, C, H, W) in [0, 1], a batch of 64, or a list (see ``γ·x``).",
        "Fréchet distance - a well-known one. 0 … classes − 1 per sample [heusel2017]",
        "I am a sentence, and A is a letter; so is I.",
        "",
    ],
)
def test_prose_stays_prose(text):
    assert formulas.typeset(text) == text


def docstrings():
    for path in sorted(Path(gantut.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)) and (
                text := ast.get_docstring(node)
            ):
                yield f"{path.name}:{getattr(node, 'name', '')}", text


def test_every_docstring_gives_balanced_formulas():
    """Every formula has as many opening as closing brackets, and only signs that TeX knows; nothing but formulas changes."""
    count = 0
    for name, text in docstrings():
        out = formulas.typeset(text)
        for formula in re.findall(r":math:`([^`]*)`", out):
            count += 1
            assert formula.count("{") == formula.count("}"), (name, formula)
            assert formula.count("(") == formula.count(")"), (name, formula)
            assert formula.count(r"\lVert") == formula.count(r"\rVert"), (name, formula)
            assert formula.isascii(), (name, formula)
        words = [word for word in re.findall(r"[a-z]{5,}", re.sub(r":math:`[^`]*`", "", out))]
        assert set(words) <= set(re.findall(r"[a-z]{5,}", text)), name
    assert count > 300


# -- links to chapters ---------------------------------------------------------------------------------------------------------------------


def test_what_code_takes_from_the_library():
    tree = ast.parse(
        "from gantut import losses, training\nfrom gantut.losses import r1\nt = training.GANTrainer\nlosses.nothing(t.step)"
    )
    assert house.named_things(tree) == {
        "gantut.losses.penalties.r1",
        "gantut.training.gan.GANTrainer",
    }


def test_functions_lead_to_their_chapters():
    assert {"07-train-a-gan", "02-gan-concepts"} <= set(
        house.chapters_that_use()["gantut.training.gan.GANTrainer"]
    )
    lines = "\n".join(house.used_in(losses.r1))
    assert ":doc:`7 </notebooks/07-train-a-gan>`" in lines and "table of losses" in lines
    assert "table of losses" not in "\n".join(house.used_in(training.GANTrainer))
    assert house.used_in(test_functions_lead_to_their_chapters) == []


def test_a_docstring_on_its_way_to_the_page():
    lines = inspect.cleandoc(
        "γ·|x| of (N, *shape) and (M, *shape), its *input*, as |name|. [mescheder2018]"
    ).split("\n")
    house.cite(None, "method", "", None, None, lines)
    assert lines == [
        r":math:`\gamma \cdot \lvert x\rvert` of (N, \*shape) and (M, \*shape), its *input*, as \|name\|. :cite:`mescheder2018`"
    ]


def test_chapters_are_numbered_in_the_contents():
    assert house.numbered("notebooks/04-gan-losses") == "4 · GAN losses, derived"
    assert house.numbered("book/glossary") is None


# -- search --------------------------------------------------------------------------------------------------------------------------------


def test_chinese_words_are_cut_into_pairs():
    words = house.Search({}).split("Adversarial loss (对抗损失), r1, 桥")
    assert {"Adversarial", "loss", "r1", "对抗损失", "对抗", "抗损", "损失", "桥"} == set(words)


def test_every_term_of_the_glossary_has_its_chinese_word():
    terms = re.findall(
        r"^([A-Z\w].*)\n  \S", (ROOT / "book" / "glossary.md").read_text(encoding="utf-8"), re.M
    )
    assert len(terms) == len(set(terms)) > 60
    assert [
        term for term in terms if not re.fullmatch(rf".+ \([^()]*{house.CHINESE}\)", term)
    ] == []


# -- what is shipped -----------------------------------------------------------------------------------------------------------------------


def test_only_the_icons_in_use_are_kept():
    script = 'a={sun:[1,2,["light"],"f1","M1"],"moon-o":[1,2,[],"f2",["M2","M3"]],bars:[1,2,["navicon"],"f3","M4"]},b={x:1}'
    kept = ship.only_icons(script, {"light", "moon-o"})
    assert kept == 'a={sun:[1,2,["light"],"f1","M1"],"moon-o":[1,2,[],"f2",["M2","M3"]],},b={x:1}'


def test_only_the_rules_in_use_are_kept():
    style = 'a{b:c}.fa-egg:before{content:"\\f1"}.fa-moon:before,.fa-x:before{content:"\\f2"}.fa-2x{font-size:2em}'
    style += "@font-face{font-family:Font Awesome\\ 6 Brands;src:url(b)}@font-face{font-family:Font Awesome\\ 6 Free;src:url(a)}"
    kept = 'a{b:c}.fa-moon:before,.fa-x:before{content:"\\f2"}.fa-2x{font-size:2em}'
    kept += "@font-face{font-family:Font Awesome\\ 6 Free;src:url(a)}"
    assert ship.only_rules(style, {"moon"}) == kept


def test_the_archive(tmp_path):
    out = tmp_path / "html"
    (out / "book").mkdir(parents=True)
    (out / "book" / "index.html").write_text(
        "<p>a <!-- online --><a href='x.zip'>zip</a><!-- /online --> b</p>"
    )
    (out / "page.html").write_text("<p>" + "x" * 5000)
    (out / "script.js.map").write_text("{}")
    target = out / ship.ARCHIVE
    size = ship.pack(out, target)
    first = target.read_bytes()
    assert size == len(first) < 2000
    assert ship.pack(out, target) == size and target.read_bytes() == first, (
        "the archive holds itself, or a date"
    )
    with zipfile.ZipFile(target) as archive:
        assert archive.namelist() == ["gantut-book/book/index.html", "gantut-book/page.html"]
        assert archive.read("gantut-book/book/index.html") == b"<p>a  b</p>"
