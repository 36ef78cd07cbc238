"""Pictures of the screen as text that can be compared: what is of no meaning in an SVG is taken out."""

import difflib
import html
import re
from dataclasses import dataclass
from pathlib import Path

from rich.cells import cell_len

UPDATE = "pytest tests/pictures --update-pictures"
_SHOWN_LINES = 40
_CELL = 12.2
"""Width of a cell in the units of the SVG."""
_TEXT = re.compile(
    r'<text class="([\w-]+)" x="([\d.]+)" y="([\d.]+)" textLength="[\d.]+" '
    r'(clip-path="[^"]+line-(\d+)\)")>([^<]*)</text>'
)


def normalize(svg: str) -> str:
    """The picture without fonts from the network and without ids that its content decides; an element per line.

    Spaces around a text become its place: some programs that draw SVG drop them.
    """
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"terminal-\d+", "terminal", svg)
    svg = svg.replace("font-family: Fira Code, monospace", "font-family: 'Fira Code', 'DejaVu Sans Mono', monospace")
    svg = _TEXT.sub(_without_spaces, svg)
    svg = re.sub(r"(<(?:text|rect|clipPath|g|/g)\b)", r"\n\1", svg)
    return "\n".join(line.strip() for line in svg.splitlines() if line.strip()) + "\n"


def _without_spaces(match: re.Match[str]) -> str:
    style, x, y, clip, _, text = match.groups()
    whole = _plain(text)
    if not whole.strip():
        return ""
    left = float(x) + _CELL * (len(whole) - len(whole.lstrip()))
    length = _CELL * cell_len(whole.strip())
    shown = html.escape(whole.strip(), quote=False).replace(" ", "&#160;")
    return f'<text class="{style}" x="{left:.1f}" y="{y}" textLength="{length:.1f}" {clip}>{shown}</text>'


def _plain(text: str) -> str:
    return html.unescape(text).replace("\xa0", " ")


def text_of(svg: str) -> list[str]:
    """What stands on the screen, line by line."""
    lines: dict[int, str] = {}
    for _, x, _, _, number, text in _TEXT.findall(svg):
        before = lines.get(int(number), "")
        lines[int(number)] = before + " " * (round(float(x) / _CELL) - cell_len(before)) + _plain(text)
    return [lines.get(number, "") for number in range(max(lines, default=-1) + 1)]


@dataclass(frozen=True)
class Difference:
    """Where a picture is not what is expected."""

    expected: Path
    actual: Path
    diff: Path
    text: str

    def __str__(self) -> str:
        return (
            f"the screen is not as in {self.expected}\n{self.text}\n"
            f"actual: {self.actual}\ndiff:   {self.diff}\n"
            f"If it is meant to be so: {UPDATE}"
        )


def compare(actual: str, expected: Path, folder: Path) -> Difference | None:
    """Compare a picture with the stored one; None when they are equal.

    Args:
        folder: where the actual picture and a diff of both are written when they differ, next to each other.
    """
    before = expected.read_text(encoding="utf-8") if expected.is_file() else ""
    if before == actual:
        return None
    texts = _diff(text_of(before), text_of(actual))
    text = "\n".join(texts[:_SHOWN_LINES]) if texts else "the text is the same: colours or places differ"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / expected.name
    path.write_text(actual, encoding="utf-8")
    diff = path.with_suffix(".diff")
    diff.write_text("\n".join([*texts, "", *_diff(before.splitlines(), actual.splitlines())]) + "\n", encoding="utf-8")
    return Difference(expected, path, diff, text)


def _diff(before: list[str], after: list[str]) -> list[str]:
    return list(difflib.unified_diff(before, after, "expected", "actual", n=1, lineterm=""))
