"""Docstrings on their way to the reference: formulas are typeset, and chapters that use them
linked.
"""

import ast
import inspect
import itertools
import re
import sys
import unicodedata

import pytest
import surface

from gantut import losses, training

sys.path.insert(0, str(surface.ROOT / "book" / "_ext"))

import formulas
import house


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "γ/2 · ‖∇D(x)‖² at real ones.",
            r":math:`\gamma /2 \cdot \lVert \nabla D(x)\rVert ^{2}` at real ones.",
        ),
        (
            "KL(q(z|x) ‖ p(z)): the nats",
            r":math:`\operatorname{KL}(q(z\mid x) \,\Vert\, p(z))`: the nats",
        ),
        ("I − η(I + ηK)⁻¹J, with K", r":math:`I - \eta (I + \eta K)^{-1}J`, with K"),
        ("Σ_t log p(c_t), (N,)", r":math:`\textstyle\sum _t \log p(c_t)`, (N,)"),
        ("Images (N, C, H, W) in [0, 1], a batch of 64 (see ``γ·x``).", None),
        ("Fréchet distance - a well-known one. 0 … classes − 1 [heusel2017]", None),
        ("I am a sentence, and A is a letter; so is I.", None),
    ],
)
def test_formulas_are_typeset_and_prose_stays_prose(text, wanted):
    assert formulas.typeset(text) == (text if wanted is None else wanted)


def docstrings():
    for module, path in surface.modules().items():
        for node in ast.walk(surface.parsed(path)):
            documented = isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module))
            if text := ast.get_docstring(node) if documented else None:
                yield f"{module}.{getattr(node, 'name', '')}", text


def test_every_docstring_gives_formulas_that_tex_reads():
    """Brackets balance, all signs are known to TeX, and nothing but formulas changes."""
    for name, text in docstrings():
        lines = text.split("\n")
        said = "\n".join("\n".join(part) for example, part in house.parted(lines) if not example)
        out = formulas.typeset(said)
        for formula in re.findall(r":math:`([^`]*)`", out):
            for opens, closes in (("{", "}"), ("(", ")"), (r"\lVert", r"\rVert")):
                assert formula.count(opens) == formula.count(closes), (name, formula)
            assert formula.isascii(), (name, formula)
        words = set(re.findall(r"[a-z]{5,}", re.sub(r":math:`[^`]*`", "", out)))
        assert words <= set(re.findall(r"[a-z]{5,}", said)), name


def test_a_docstring_on_its_way_to_the_page():
    lines = inspect.cleandoc(
        """γ·|x| of (N, *shape), its *input*, as |name|. [mescheder2018]

        Example:
            >>> f(x) * g(x)
            γ·|x|

        With λ."""
    ).split("\n")
    house.cite(None, "method", "", None, None, lines)
    assert lines == [
        r":math:`\gamma \cdot \lvert x\rvert` of (N, \*shape), its *input*, as \|name\|."
        " :cite:`mescheder2018`",
        *("", "Example:", "    >>> f(x) * g(x)", "    γ·|x|", ""),
        r"With :math:`\lambda`.",
    ]


def test_functions_lead_to_their_chapters():
    lines = "\n".join(house.used_in(losses.r1))
    assert ":doc:`7 </notebooks/07-train-a-gan>`" in lines and "table of losses" in lines
    lines = "\n".join(house.used_in(training.GANTrainer))
    assert ":doc:`2 </notebooks/02-gan-concepts>`" in lines and "table of losses" not in lines
    assert house.used_in(test_functions_lead_to_their_chapters) == []


def glossary():
    """The terms of the glossary, as they stand in it."""
    text = (surface.ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    return re.findall(r"^(\w.*)\n  \S", text, re.M)


def words(term):
    """The words by which a term is sorted, without accents, hyphens and Chinese."""
    name = unicodedata.normalize("NFKD", term.partition(" (")[0].replace("–", "-"))
    return re.findall("[a-z0-9]+", name.encode("ascii", "ignore").decode().lower())


def test_every_term_of_the_glossary_has_its_chinese_word():
    terms = glossary()
    assert len(terms) > 100
    assert [t for t in terms if not re.fullmatch(rf".+ \([^()]*{house.CHINESE}\)", t)] == []


def test_the_glossary_is_in_alphabetical_order():
    terms = glossary()
    assert [(a, b) for a, b in itertools.pairwise(terms) if words(a) >= words(b)] == []
    assert words("Kullback–Leibler divergence, KL (KL 散度)")[:2] == ["kullback", "leibler"]
    assert words("Fréchet distance (弗雷歇距离)") == ["frechet", "distance"]


def test_no_term_of_the_glossary_has_two_entries():
    """Neither under its name, nor under its short form, nor under a Chinese word."""
    found = []
    for term in glossary():
        english, _, chinese = term.removesuffix(")").partition(" (")
        found += [name.lower() for name in (*english.split(", "), *chinese.split("，"))]
    assert [name for name in set(found) if found.count(name) > 1] == []
