"""Typeset the formulas of docstrings: they are written in Unicode, as in γ/2 · ‖∇D(x)‖², and become
TeX on the pages.

A formula is a run of letters, numbers and operators with at least one sign that prose does not have
(γ, ∇, ‖, ², p(x), …). It ends at a word, at a comma outside brackets, at a full stop. What stands
in double backticks is code and stays.
"""

from __future__ import annotations

import re
import unicodedata

GREEK = {
    **{
        "α": "alpha",
        "β": "beta",
        "γ": "gamma",
        "δ": "delta",
        "ε": "varepsilon",
        "ζ": "zeta",
        "η": "eta",
        "θ": "theta",
    },
    **{
        "κ": "kappa",
        "λ": "lambda",
        "μ": "mu",
        "ν": "nu",
        "ξ": "xi",
        "π": "pi",
        "ρ": "rho",
        "σ": "sigma",
        "τ": "tau",
    },
    **{
        "φ": "varphi",
        "χ": "chi",
        "ψ": "psi",
        "ω": "omega",
        "Γ": "Gamma",
        "Δ": "Delta",
        "Θ": "Theta",
        "Λ": "Lambda",
    },
    **{"Π": "Pi", "Σ": "Sigma", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega"},
}
SIGNS = {
    **{
        "∇": r"\nabla",
        "∂": r"\partial",
        "∏": r"\textstyle\prod",
        "∫": r"\textstyle\int",
        "∈": r"\in",
        "∞": r"\infty",
    },
    **{
        "≤": r"\le",
        "≥": r"\ge",
        "≈": r"\approx",
        "≠": r"\ne",
        "→": r"\to",
        "←": r"\leftarrow",
        "↦": r"\mapsto",
    },
    **{
        "·": r"\cdot",
        "×": r"\times",
        "⊙": r"\odot",
        "±": r"\pm",
        "∼": r"\sim",
        "~": r"\sim",
        "∝": r"\propto",
    },
    **{
        "½": r"\tfrac12",
        "¼": r"\tfrac14",
        "…": r"\dots",
        "ℓ": r"\ell",
        "ℝ": r"\mathbb R",
        "−": "-",
        "′": "'",
    },
    **{
        "∘": r"\circ",
        "∗": r"\ast",
        "*": r"\ast",
        "<": r"\lt",
        ">": r"\gt",
        "%": r"\%",
        "√": r"\surd",
    },
}
RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ᵀⁿᵏᵗᵈˣᵛʳ", "0123456789-+Tnktdxvr", strict=True))
LOWERED = {
    **dict(zip("₀₁₂₃₄₅₆₇₈₉₋₊ₓᵢⱼₖₙₜₘ", "0123456789-+xijkntm", strict=True)),
    "ᵧ": "y",
    "ᵩ": r"\varphi",
}
ACCENTS = {"\u0302": "hat", "\u0304": "bar", "\u0303": "tilde"}
ACCENT = "[\u0302-\u0304]"
PLAIN = ("log", "ln", "exp", "min", "max", "sup", "inf", "det", "cos", "sin", "tanh")
FUNCTIONS = {name: rf"\{name} " for name in PLAIN} | {
    name: rf"\operatorname{{{name}}}"
    for name in (
        "KL",
        "TV",
        "JS",
        "JSD",
        "MMD",
        "sg",
        "sp",
        "tr",
        "Var",
        "diag",
        "softplus",
        "sigmoid",
        "logit",
        "Re",
    )
}
# Letters side by side that are a product, and words that are quantities; elsewhere a word ends a
# formula.
PRODUCTS, QUANTITIES = (
    {"Jz", "xy", "Hs", "Ax"},
    {"ELBO", "distortion", "rate", "codebook", "commitment", "loss", "last"},
)
STRONG = set(GREEK) | set(SIGNS) - set("→…~′*<>%") | set(RAISED) | set(LOWERED) | set("‖^")
OPERATORS = set("=+/·×⊙−±≤≥≈≠∈→←↦∼~∝*<>")
OPEN, CLOSED = "([{", ")]}"
LETTER = f"[A-Za-zα-ωΑ-Ω]{ACCENT}?"
NAMED = "sup|inf|max|min|mean|KL"
TOKEN = re.compile(
    r"(?P<code>``.*?``|:[\w:]+:`[^`]*`|`[^`]*`_{0,2}|\[[a-z]+\d{4}[a-z]*(?:,\s+[a-z]+\d{4}[a-z]*)*\])"
    rf"|(?P<index>(?:{NAMED}|{LETTER}|∏)_(?:\{{[^}}]*\}}|[A-Za-z0-9](?![A-Za-z0-9_])))"
    rf"|(?P<word>[A-Za-z]+(?:_\w+)*(?:['’]\w+)?(?!{ACCENT}))|(?P<letter>[A-Za-zα-ωΑ-Ω]{ACCENT})"
    r"|(?P<number>\d+(?:[.,]\d+)*)|(?P<space>\s+)|(?P<sign>.)",
    re.S,
)


class Token:
    """One token: whether it can stand in a formula (``math``), and whether it makes one
    (``strong``).
    """

    def __init__(self, kind: str, text: str) -> None:
        self.kind, self.text = kind, text
        self.function = kind == "word" and text in FUNCTIONS
        one = kind == "word" and (len(text) == 1 or text in PRODUCTS | QUANTITIES)
        self.strong = kind in ("index", "letter") or (kind == "sign" and text in STRONG)
        signs = set("=+/|,;→…~′*<>%()[]{}")
        self.math = (
            self.strong or self.function or one or kind in ("number", "space") or text in signs
        )

    def operator(self) -> bool:
        return self.kind == "sign" and self.text in OPERATORS


def tokens(text: str) -> list[Token]:
    """The text cut into tokens, with the words that their neighbours make a part of a formula."""
    found = [Token(match.lastgroup or "sign", match[0]) for match in TOKEN.finditer(text)]
    padded = [Token("space", " "), *found, Token("space", " ")]
    depth, inside = 0, []  # brackets that are open, and which of them a function or a power opened
    for before, token, after in zip(padded, found, padded[2:], strict=False):
        word = token.kind == "word" and not token.math
        if (
            word
            and len(token.text) <= 2
            and any(n.strong and n.kind == "sign" and n.text not in "×" for n in (before, after))
        ):
            token.math = True  # a product, as in ηJz
        elif word and (after.text in RAISED or (before.text in ("/", "·") and before.math)):
            token.math = True  # std², f/rate
        elif word and before.text == "√":
            token.math = True  # √fan_in
        elif word and inside:
            token.math = True  # mean in N(mean, σ²)
        if token.kind == "word" and len(token.text) == 1 and after.text == "(":
            token.strong = True  # p(x)
        if token.kind == "sign" and token.text in OPEN:
            depth += 1
            calls = (
                before.kind == "word" and (len(before.text) == 1 or before.function)
            ) or before.text in (
                "^",
                "Φ",
                "φ",
                "ℓ",
                "√",
            )
            lowered = before.text in LOWERED
            if (
                token.text == "("
                and (calls or lowered or inside)
                and closes(text_after(found, token))
            ):
                inside.append(depth)
        elif token.kind == "sign" and token.text in CLOSED:
            inside = [at for at in inside if at < depth]
            depth = max(depth - 1, 0)
    return found


def text_after(found: list[Token], token: Token) -> str:
    """What follows an open bracket, as far as a formula may reach."""
    at = next(number for number, other in enumerate(found) if other is token)
    return "".join(other.text for other in found[at + 1 : at + 80])


def closes(text: str) -> bool:
    """Whether the bracket is closed before a code, a full stop or a third word in a row."""
    depth = 1
    for number, letter in enumerate(text):
        depth += (letter in OPEN) - (letter in CLOSED)
        if depth == 0:
            content = text[:number]
            return not re.search(
                r"``|\. |:|[A-Za-z]{2,} [A-Za-z]{2,} [A-Za-z]{2,}|[A-Za-z]{3,}, [A-Za-z]{3,}",
                content,
            )
    return False


def balance(part: list[Token]) -> int:
    return sum((t.text in OPEN) - (t.text in CLOSED) for t in part if t.kind == "sign")


def runs(found: list[Token]) -> list[tuple[int, int]]:
    """Where formulas begin and end, as positions in the list of tokens."""
    spans: list[tuple[int, int]] = []
    start, depth = None, 0
    for number, token in enumerate([*found, Token("sign", ".")]):
        if start is None:
            if not token.math or token.kind == "space":
                continue
            start, depth = number, 0
        change = (token.text in OPEN) - (token.text in CLOSED) if token.kind == "sign" else 0
        if not token.math or (token.text in (",", ";") and depth <= 0) or depth + change < 0:
            spans += trimmed(found, start, number)
            start = None
        depth += change
    return spans


def trimmed(found: list[Token], start: int, end: int) -> list[tuple[int, int]]:
    """The run without what only looks like a part of it at its ends; nothing where no formula is
    left.
    """
    if start > 0 and found[start].text == "(" and found[start - 1].kind == "word":
        return []  # the call of a function that is named in prose
    if found[start].text == "−" and found[start + 1].kind == "space":
        start += 1  # "classes − 1": the minus belongs to the prose before it
    while start < end:
        part = found[start:end]
        if loose_start(part):
            start += 1
        elif loose_end(part):
            end -= 1
        elif balance(part) > 0:
            # An open bracket that nothing closes parts the run in two.
            depth, at = 0, end
            while depth <= 0:
                at -= 1
                depth += balance([found[at]])
            return trimmed(found, start, at) + (trimmed(found, at + 1, end) if at + 1 < end else [])
        else:
            break
    part = found[start:end]
    whole = any(token.strong for token in part) and not all(
        token.operator() or token.kind == "space" for token in part
    )
    return [(start, end)] if whole else []


def loose_start(part: list[Token]) -> bool:
    first = part[0]
    if first.kind == "space" or (first.operator() and first.text not in "−±~≈"):
        return True
    if first.text in (",", ";", *CLOSED, "′", "…", "%"):
        return True
    if len(part) > 2 and part[1].kind == "space" and first.kind == "word" and not first.function:
        # An article, or the last letter of a list: a letter with no operator after it. E log p is
        # an expectation.
        expects = first.text == "E" and (part[2].function or part[2].strong)
        return not (part[2].operator() or part[2].text in ("|", "‖") or expects)
    return False


def loose_end(part: list[Token]) -> bool:
    last = part[-1]
    if last.kind == "space" or last.operator() or last.text in (",", ";", *OPEN):
        return True
    if last.text == "|" and sum(token.text == "|" for token in part) % 2:
        return True
    if last.function and not any(token.strong for token in part[:-1]):
        return True
    if (
        len(part) > 2
        and part[-2].kind == "space"
        and last.kind in ("word", "number")
        and not last.function
    ):
        near = part[-3]
        factor = near.function or near.kind == "index" or near.text in GREEK or near.text in LOWERED
        follows = near.operator() or near.text in (",", ";", "…", "|")
        return not (follows or (factor and last.text not in ("a", "A", "I")))
    return False


def argument(text: str, at: int) -> int:
    """Where what a root stands over ends: a bracket, a norm, a word or a letter."""
    if text[at] == "(":
        depth = 0
        for number in range(at, len(text)):
            depth += (text[number] == "(") - (text[number] == ")")
            if depth == 0:
                return number + 1
    if text[at] == "‖":
        return text.index("‖", at + 1) + 1
    match = re.compile(rf"[a-z]{{2,}}_\w+|{LETTER}(?:_\w)?|\d+").match(text, at)
    return match.end() if match else at + 1


def tex(text: str) -> str:
    """One formula in TeX."""
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"\^\(([^()]*)\)", r"^{\1}", text)
    text = re.sub(r"\^([-−]?\w|½)", r"^{\1}", text)
    text = re.sub(r"(?<=[a-z])\*\(", "^{*}(", text)
    text = re.sub(r"(?<![\w)])(\d)/([A-Z])(?![\w(])", r"\\tfrac{\1}{\2}", text)
    # In KL(q‖p) the bar parts; elsewhere two of them are a norm.
    parts = text.count("‖") == 1 or "KL(" in text or "_f(" in text
    first = re.search(r"\|", text)
    before = text[: first.start()] if first else ""
    absolute = (
        first is not None
        and text.count("|") % 2 == 0
        and (not re.search(r"[A-Za-z)₀-₉]$", before) or bool(re.search(r"log[₀-₉]*$", before)))
    )
    out: list[str] = []
    at, bars, norms = 0, 0, 0
    while at < len(text):
        letter, following = text[at], text[at + 1 : at + 2]
        word = re.compile(r"\\tfrac|[A-Za-z]+(?:_[A-Za-z]{2,})?").match(text, at)
        if word and word[0] == "\\tfrac":
            out.append(word[0])
            at = word.end()
        elif word and word[0] in FUNCTIONS:
            out.append(FUNCTIONS[word[0]])
            at = word.end()
        elif word and len(word[0]) > 2:
            out.append(r"\text{" + word[0].replace("_", r"\_") + "}")
            at = word.end()
            if re.compile(r" \w").match(text, at):
                out.append(r"\ ")
        elif following in ACCENTS:
            out.append(rf"\{ACCENTS[following]}{{{symbol(letter)}}}")
            at += 2
        elif letter == "√" and following:
            end = argument(text, at + 1)
            inner = text[at + 1 : end]
            out.append(r"\sqrt{" + tex(inner[1:-1] if inner[0] == "(" else inner) + "}")
            at = end
        elif letter in RAISED or letter in LOWERED:
            table, mark = (RAISED, "^") if letter in RAISED else (LOWERED, "_")
            end = at
            while end < len(text) and text[end] in table:
                end += 1
            out.append(mark + "{" + "".join(table[c] for c in text[at:end]) + "}")
            at = end
        elif letter == "Σ" and re.match(r"Σ(?=[_ₖᵢⱼₜ]| [\w(‖]| −\S)", text[at:]):
            out.append(r"\textstyle\sum ")
            at += 1
        elif letter == "Π" and following == "_":
            out.append(r"\textstyle\prod ")
            at += 1
        elif letter == "‖":
            out.append(r"\,\Vert\," if parts else (r"\lVert ", r"\rVert ")[norms % 2])
            norms, at = norms + 1, at + 1
        elif letter == "|":
            out.append((r"\lvert ", r"\rvert ")[bars % 2] if absolute else r"\mid ")
            bars, at = bars + 1, at + 1
        else:
            out.append(symbol(letter))
            at += 1
    return re.sub(r" {2,}", " ", "".join(out)).strip()


def symbol(letter: str) -> str:
    if letter in GREEK:
        return f"\\{GREEK[letter]} "
    sign = SIGNS.get(letter, letter)
    return sign + " " if sign.startswith("\\") else sign


def parted(text: str) -> str:
    """ŝ as s and its accent, where it stands alone; é in a word stays as it is."""

    def part(match: re.Match[str]) -> str:
        pieces = unicodedata.normalize("NFD", match[0])
        return pieces if len(pieces) == 2 and pieces[1] in ACCENTS else match[0]

    return re.sub(r"(?<![^\W\d_])[^\W\d_](?![^\W\d_])", part, text)


def typeset(text: str) -> str:
    """reStructuredText with every formula in a math role."""
    found = tokens(parted(text))
    out, at = [], 0
    for start, end in runs(found):
        out += [token.text for token in found[at:start]]
        before = "".join(out)[-1:]
        after = found[end].text[:1] if end < len(found) else ""
        formula = tex("".join(token.text for token in found[start:end]))
        # A role must not touch a word, another role, or a bracket that opens after it.
        left = "" if not before or before.isspace() or before in "'\"([{<-/:" else "\\ "
        right = "" if not after or after.isspace() or after in "'\")]}>-/:.,;!?" else "\\ "
        out.append(f"{left}:math:`{formula}`{right}")
        at = end
    return "".join(out) + "".join(token.text for token in found[at:])
