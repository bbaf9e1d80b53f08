"""What people write into a report is kept; where that is not certain, nothing is written over."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.errors import ConfigError
from daemon.report.written import marked, read

NAMES = ("cause", "fix")
UNREADABLE = "a marker that cannot be read. Write `<!-- write: cause -->` or `<!-- end -->` alone."
GONE = ": part 'fix' is gone. Put `<!-- write: fix -->` and `<!-- end -->` back around its text, or move the file away."
WHOLE = f"# RCA\n\n{marked('cause', 'The index.')}\n\nmore\n\n{marked('fix', 'It is back.')}\n"


def broken(path: Path, text: str) -> list[str]:
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read(path, NAMES)
    return [str(one).removeprefix(f"{path}") for one in error.value.problems]


def test_each_part_is_read_as_it_stands(tmp_path: Path) -> None:
    """Comments of people's own, empty lines and lists among it."""
    text = "One.\n\n<!-- ask lena -->\n- two\n    three"
    (tmp_path / "rca.md").write_text(WHOLE.replace("The index.", text))

    assert {"cause": text, "fix": "It is back."} == read(tmp_path / "rca.md", NAMES)


def test_no_file_has_no_parts(tmp_path: Path) -> None:
    assert {} == read(tmp_path / "rca.md", NAMES)


@pytest.mark.parametrize(
    ("instead", "told"),
    [
        (("<!-- end -->\n\nmore", "more"), [":3: part 'cause' has no end. Put `<!-- end -->` below it."]),
        (("more", "<!-- end -->"), [":7: an end that ends nothing. Put `<!-- write: … -->` above its part."]),
        (("write: fix", "write: cause"), [":9: part 'cause' stands here a second time. Join the two."]),
        (("write: fix", "write: fixs"), [":9: there is no part 'fixs'. Did you mean 'fix'?"]),
        (("write: fix -->", "write: fix ->"), [
            f":9: {UNREADABLE}", ":11: an end that ends nothing. Put `<!-- write: … -->` above its part.",
        ]),
        (("<!-- end -->\n\nmore", "<!-- end\n\nmore"), [
            ":3: part 'cause' has no end. Put `<!-- end -->` below it.", f":5: {UNREADABLE}",
        ]),
        ((marked("fix", "It is back."), "It is back."), [GONE]),
    ],
)  # fmt: skip
def test_a_broken_marker_is_named_with_its_line(tmp_path: Path, instead: tuple[str, str], told: list[str]) -> None:
    assert told == broken(tmp_path / "rca.md", WHOLE.replace(*instead))


def test_all_that_is_broken_is_named_at_once(tmp_path: Path) -> None:
    text = WHOLE.replace("write: fix", "write: fixs").replace("write: cause", "write: cuase")

    assert 2 == len(broken(tmp_path / "rca.md", text))


def test_what_is_no_text_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "rca.md").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(ConfigError, match="cannot read it"):
        read(tmp_path / "rca.md", NAMES)
