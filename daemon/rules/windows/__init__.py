"""Windows: what many signals of one group say together, in event time, whatever the order in which they arrive.

`advance` takes one signal, `settle` tells how far the rule's sources have been read. Both are pure: state in, state
out. What can only grow fires in `advance`; what a signal still on its way could take back fires in `settle`, once it
cannot. A `Mover` says the same, made ready for one rule: it moves a group's `Pane` in place, from what is stored of the
group to what is to be stored.
"""

from daemon.rules.windows.mover import Mover
from daemon.rules.windows.pane import Pane
from daemon.rules.windows.run import advance, begin, joins, settle
from daemon.rules.windows.silence import telling
from daemon.rules.windows.state import LATENESS, Entry, Firing, State, Verdict

__all__ = [
    "LATENESS", "Entry", "Firing", "Mover", "Pane", "State", "Verdict", "advance", "begin", "joins", "settle",
    "telling",
]  # fmt: skip
