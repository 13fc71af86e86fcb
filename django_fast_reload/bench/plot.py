"""Draw the result of reload.py: one bar for each server and kind of edit, on a logarithmic scale."""

from html import escape
from math import log10

WIDTH, LEFT, BAR, GAP, TOP = 760, 190, 20, 14, 46
COLOURS = {
    "stock": "#9aa0a6", "watchfiles": "#5b8def", "this": "#1e9e5a",
    "daphne": "#b08ae0", "uvicorn": "#d9a441", "this, ASGI": "#0d7a5f",
}  # fmt: skip
TICKS = (1, 10, 100, 1000)  # ms


def plot(results) -> str:
    """Return an SVG, readable on light and dark paper."""
    kinds = list(dict.fromkeys(result.kind for result in results))
    y, parts = TOP, []
    for kind in kinds:
        parts.append(f'<text x="{LEFT - 96}" y="{y + 15}" text-anchor="end" font-weight="600">{escape(kind)}</text>')
        for result in (result for result in results if result.kind == kind):
            end = place(result.median())
            parts.append(
                f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{result.server}</text>'
                f'<rect x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR}" rx="3" '
                f'fill="{COLOURS[result.server]}"/>'
                f'<text x="{end + 6:.1f}" y="{y + 15}">{result.median():.0f} ms</text>'
            )
            y += BAR + 4
        y += GAP
    grid = "".join(
        f'<line x1="{place(tick):.1f}" x2="{place(tick):.1f}" y1="{TOP - 8}" y2="{y - GAP}" stroke="#8884"/>'
        f'<text x="{place(tick):.1f}" y="{y + 4}" text-anchor="middle" opacity=".7">{tick} ms</text>'
        for tick in TICKS
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 16}" font-family="system-ui, sans-serif" '
        f'font-size="13" fill="#7a7f87"><text x="{LEFT}" y="22" font-size="15" font-weight="600">'
        f"From save to the new code's answer (median, logarithmic)</text>{grid}{''.join(parts)}</svg>\n"
    )


def place(milliseconds: float) -> float:
    return LEFT + (WIDTH - LEFT - 80) * log10(max(1.0, milliseconds)) / log10(3000)
