"""The few shapes that pictures of promises are made of."""

from __future__ import annotations

from xml.sax.saxutils import escape

INK, FAINT, LATE = "#57606a", "#d0d7de", "#cf222e"
COLOURS = ("#0969da", "#1a7f37", "#8250df", "#bf8700", "#0a7ea4", "#bf3989")


def page(width: float, height: float, title: str, body: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"'
        f' font-family="system-ui, sans-serif" font-size="13" fill="{INK}" role="img">\n'
        f"<title>{escape(title)}</title>\n{body}</svg>\n"
    )


def rect(x: float, y: float, width: float, height: float, fill: str, says: str) -> str:
    """`says` is shown where a pointer rests on it."""
    shape = f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{height:g}" fill="{fill}">'
    return f"{shape}<title>{escape(says)}</title></rect>\n"


def line(x1: float, y1: float, x2: float, y2: float, stroke: str = FAINT) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}"/>\n'


def text(x: float, y: float, says: str, anchor: str = "start", fill: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">{escape(says)}</text>\n'
