"""The matrix of answers: each wrong one loses its question and no other, and each unusual right one
loses nothing.
"""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import kit


def cases(kind):
    """All answers; those to the questions that train networks run in `make matrix` alone."""
    for name in kit.MASTERS:
        module = kit.declared(name)
        every = getattr(module, kind, [])
        for one in every if isinstance(every, list) else []:
            marks = [pytest.mark.slow] if hasattr(module, "LONG") else []
            marks += [pytest.mark.matrix] * (one.question in getattr(module, "LONG", ()))
            label = f"{name}-{one.question}-{one.name}"
            yield pytest.param(name, one, id=label, marks=marks)


@pytest.mark.parametrize(("name", "one"), list(cases("WRONG")))
def test_a_wrong_answer_loses_its_question_alone(name, one):
    found = kit.asked(name, one.code)
    assert set(found) == {one.question}, found
    said = found[one.question]
    assert any(re.search(one.says, message) for message in said), f"none says {one.says!r}: {said}"


@pytest.mark.parametrize(("name", "one"), list(cases("RIGHT")))
def test_an_unusual_right_answer_has_all_points(name, one):
    assert kit.asked(name, one.code) == {}


def assignments():
    for name in kit.MASTERS:
        long = hasattr(kit.declared(name), "LONG")
        yield pytest.param(name, marks=[pytest.mark.slow] if long else [])


@pytest.mark.parametrize("name", list(assignments()))
def test_a_question_without_an_answer_costs_itself_alone(name):
    made, follow = kit.built(name), getattr(kit.declared(name), "FOLLOW", {})
    scaffolds = kit.scaffolds(made)
    tests = {q["name"]: len(q["tests"]) for q in kit.questions(made) if not q["manual"]}
    assert list(scaffolds) == list(tests)
    for question, code in scaffolds.items():
        found = kit.asked(name, code)
        assert set(found) == {question, *follow.get(question, ())}, (question, found)
        assert len(found[question]) == tests[question], (question, "a test asks for nothing")


@pytest.mark.parametrize("name", kit.MASTERS)
def test_enough_answers_are_declared(name):
    module = kit.declared(name)
    tested = {q["name"] for q in kit.questions(kit.built(name)) if not q["manual"]}
    for kind, least in (("WRONG", 8), ("RIGHT", 3)):
        every = getattr(module, kind, [])
        assert len({(one.question, one.name) for one in every}) == len(every)
        for question in sorted(tested):
            count = sum(one.question == question for one in every)
            assert count >= least, f"{question} has {count} of {least} {kind} answers"
        assert {one.question for one in every} <= tested
        assert not any("gantut.bugs" in one.code for one in every)
