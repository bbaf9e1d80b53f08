"""Whole numbers from zero on, as the text of no more bits than they need."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence

_LENGTH = 6
"""Bits that say how many a number has."""


def packed(numbers: Sequence[int], columns: Sequence[Sequence[int]]) -> str:
    """Some numbers below 2⁶³, and columns that are equally long. A column is as wide as its greatest number. The last
    row stands lowest, so that a first one of zeros takes nothing."""
    widths = [max(column, default=0).bit_length() for column in columns]
    whole, step = 0, sum(widths)
    if step:
        for row in _rows(columns, widths):
            whole = whole << step | row
    for number in reversed([*numbers, len(columns[0]), *widths]):
        length = number.bit_length()
        whole = (whole << length | number) << _LENGTH | length
    return b2a_base64(whole.to_bytes(whole.bit_length() // 8 + 1), newline=False).decode().rstrip("=")


def unpacked(text: str, numbers: int, columns: int) -> tuple[list[int], list[list[int]]]:
    """What `packed` was given so many of."""
    whole, found = int.from_bytes(a2b_base64(text + "=" * (-len(text) % 4))), []
    for _ in range(numbers + 1 + columns):
        length = whole & 63
        found.append(whole >> _LENGTH & (1 << length) - 1)
        whole >>= _LENGTH + length
    widths = found[numbers + 1 :]
    step = sum(widths)
    mask, rows = (1 << step) - 1, [0] * found[numbers]
    for place in range(len(rows) - 1, -1, -1):
        rows[place] = whole & mask
        whole >>= step
    return found[:numbers], _columns(rows, widths)


def _rows(columns: Sequence[Sequence[int]], widths: Sequence[int]) -> Sequence[int]:
    """Each row as one number."""
    rows: Sequence[int] = [0] * len(columns[0])
    for column, width in zip(columns, widths, strict=True):
        if width:
            rows = [row << width | number for row, number in zip(rows, column, strict=True)]
    return rows


def _columns(rows: Sequence[int], widths: Sequence[int]) -> list[list[int]]:
    columns: list[list[int]] = []
    for width in reversed(widths):
        mask = (1 << width) - 1
        columns.append([row & mask for row in rows] if width else [0] * len(rows))
        rows = [row >> width for row in rows] if width else rows
    return columns[::-1]
