"""Many conditions at once hold as each does alone."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.model import Json
from daemon.rules.compile import Limits, Program
from daemon.rules.conditions import Condition
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
        assert alone == list(program(document))
