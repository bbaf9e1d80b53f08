"""Conditions and documents of any shape, made so that they often meet."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from daemon.model import Json
from daemon.rules.conditions import All, Condition, Field, Keywords, Not
from daemon.rules.conditions import Any as Either
from daemon.rules.paths import Path

NAMES = ("a", "b", "c.d")
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=2).map(lambda names: Path(tuple(names)))
TEXTS: list[str] = [
    "", "x", "X", "xy", "yX", "xyx", "1", "1.0", "true", "True", "straße", "STRASSE", "İ", "ſ", "a:x", "b:X", "a:b:1",
    "10.1.2.3", "::1", '{"a":', '"x"', "[1", "\ud800x", "x\n", "*", "?", "\\", "x*", "null", "\x00",
]  # fmt: skip
SCALARS: list[Any] = [0, 1, -1, True, False, None, 1.0, 0.5, 1e20, 2**70, *TEXTS]
GLOBS = ["", "*", "?", "x", "x*", "*x", "*x*", "x?", "?*", "**", r"\*", r"x\*", r"*\?", "\\\\", "*a*x*", "X*Y*", "*s*"]
PATTERNS = ["x", "^x", r"x\z", r"(?s)^.\z", "[xy]+x", r"^\z", "1", '"a":', "x|1", r"\Atrue\z"]
NETWORKS = ["10.0.0.0/8", "10.1.2.3", "::/0", "192.168.0.0/16"]

DOCUMENTS: st.SearchStrategy[dict[str, Json]] = st.dictionaries(
    st.sampled_from(NAMES),
    st.recursive(
        st.sampled_from(SCALARS),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=2)
        ),
        max_leaves=6,
    ),
    max_size=3,
)

_CASED: dict[str, list[Any]] = {
    "equals": SCALARS,
    "contains": TEXTS,
    "startswith": TEXTS,
    "endswith": TEXTS,
    "glob": GLOBS,
    "re": PATTERNS,
}
_UNCASED: dict[str, list[Any]] = {"cidr": NETWORKS, "gt": [0, 0.5], "gte": [1], "lt": [1], "lte": [0.5, 1]}


def _fields(operator: str, operands: list[Any], *, cased: bool) -> st.SearchStrategy[Field]:
    return st.builds(
        Field,
        PATHS,
        st.just(operator),
        st.lists(st.sampled_from(operands), min_size=1, max_size=3).map(tuple),
        each=st.booleans(),
        negated=st.booleans(),
        ignore_case=st.booleans() if cased else st.just(False),
        loose=st.booleans(),
    )


EXISTS = st.builds(Field, PATHS, st.just("exists"), st.sampled_from([(True,), (False,)]), negated=st.booleans())
REFERENCES = st.builds(
    Field,
    PATHS,
    st.sampled_from(["equals", "contains", "startswith", "endswith", "gt", "lte"]),
    st.lists(PATHS.map(str), min_size=1, max_size=2).map(tuple),
    each=st.booleans(),
    negated=st.booleans(),
    ignore_case=st.booleans(),
    reference=st.just(True),
    loose=st.booleans(),
)
KEYWORDS = st.one_of(
    *(
        st.builds(
            Keywords,
            st.lists(st.sampled_from([str(text) for text in operands]), min_size=1, max_size=2).map(tuple),
            st.just(operator),
            each=st.booleans(),
            ignore_case=st.booleans(),
        )
        for operator, operands in {**_CASED, "equals": TEXTS}.items()
    )
)
LEAVES: st.SearchStrategy[Condition] = st.one_of(
    *(_fields(operator, operands, cased=True) for operator, operands in _CASED.items()),
    *(_fields(operator, operands, cased=False) for operator, operands in _UNCASED.items()),
    EXISTS,
    REFERENCES,
    KEYWORDS,
)
CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(All, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Either, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=6,
)
