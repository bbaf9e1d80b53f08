"""Many conditions at once hold as each does alone."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.model import Json
from daemon.rules.compile import Limits, Program
from daemon.rules.conditions import Condition, Field, simplified
from daemon.rules.emit import Source
from daemon.rules.paths import parse_path
from tests.rules import reference
from tests.rules.arbitrary import CONDITIONS, DOCUMENTS

LIMITS = st.builds(Limits, few=st.sampled_from([0, 6]), few_texts=st.sampled_from([0, 12]), depth=st.integers(0, 3))


@settings(deadline=None, max_examples=150)
@given(st.lists(CONDITIONS, max_size=20), st.lists(DOCUMENTS, min_size=1, max_size=5), LIMITS)
def test_it_agrees_with_the_plainest_evaluation(
    conditions: list[Condition], documents: list[dict[str, Json]], limits: Limits
) -> None:
    program = Program(conditions, limits)

    for document in documents:
        alone = [number for number, condition in enumerate(conditions) if reference.holds(condition, document)]
        assert alone == list(program.holding(document))


def test_one_of_several_demanded_values_is_not_all() -> None:
    """Found by either, it still asks for both."""
    program = Program([Field(parse_path("a"), "equals", ("x", "y"), each=True)], Limits(few=0))

    assert [[], [0]] == [list(program.holding({"a": values})) for values in (["x"], ["x", "y"])]


@settings(deadline=None, max_examples=300)
@given(st.lists(CONDITIONS, min_size=1, max_size=5))
def test_no_text_of_a_rule_is_in_the_source(conditions: list[Condition]) -> None:
    """Whatever is named or asked for comes in as a constant: the source is words of our own and numbers."""
    source = Source()
    source.conditions(dict(enumerate(map(simplified, conditions))))

    words = set(re.findall(r"[^\W\d]\w*", source.written))
    assert set() == {word for word in words if not re.fullmatch(r"[cv]\d+", word)} - OURS
    assert set() == set(source.written) & set("\"'\\#@")


OURS = {
    "def", "run", "fields", "hits", "get", "add", "append", "if", "else", "is", "not", "in", "and", "or", "None",
    "True", "False", "str", "dict", "__class__", "casefold", "startswith", "endswith", "ODD", "TEXT",
}  # fmt: skip
