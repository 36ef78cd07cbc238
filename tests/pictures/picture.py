"""Normalize and compare SVG pictures of the screen."""

import difflib
import html
import re
from dataclasses import dataclass
from pathlib import Path

from rich.cells import cell_len

UPDATE = "pytest tests/pictures --update-pictures"
_SHOWN_LINES = 40
_CELL = 12.2
"""Width of a terminal cell in SVG units."""
_TEXT = re.compile(
    r'<text class="([\w-]+)" x="([\d.]+)" y="([\d.]+)" textLength="[\d.]+" '
    r'(clip-path="[^"]+line-(\d+)\)")>([^<]*)</text>'
)


def normalize(svg: str) -> str:
    """Return the SVG without network fonts and content-dependent ids, with one element per line.

    Spaces around a text become part of its position, because some SVG renderers drop them.
    """
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"terminal-\d+", "terminal", svg)
    svg = svg.replace("font-family: Fira Code, monospace", "font-family: 'Fira Code', 'DejaVu Sans Mono', monospace")
    svg = _TEXT.sub(_without_spaces, svg)
    svg = re.sub(r"(<(?:text|rect|clipPath|g|/g)\b)", r"\n\1", svg)
    return "\n".join(line.strip() for line in svg.splitlines() if line.strip()) + "\n"


def _without_spaces(match: re.Match[str]) -> str:
    style, x, y, clip, _, text = match.groups()
    content = _plain(text)
    if not content.strip():
        return ""
    left = float(x) + _CELL * (len(content) - len(content.lstrip()))
    length = _CELL * cell_len(content.strip())
    shown = html.escape(content.strip(), quote=False).replace(" ", "&#160;")
    return f'<text class="{style}" x="{left:.1f}" y="{y}" textLength="{length:.1f}" {clip}>{shown}</text>'


def _plain(text: str) -> str:
    return html.unescape(text).replace("\xa0", " ")


def text_of(svg: str) -> list[str]:
    """Return the text of the screen, line by line."""
    lines: dict[int, str] = {}
    for _, x, _, _, number, text in _TEXT.findall(svg):
        before = lines.get(int(number), "")
        lines[int(number)] = before + " " * (round(float(x) / _CELL) - cell_len(before)) + _plain(text)
    return [lines.get(number, "") for number in range(max(lines, default=-1) + 1)]


@dataclass(frozen=True)
class Difference:
    """A picture that differs from the stored one, and where both and their diff are stored."""

    expected: Path
    actual: Path
    diff: Path
    text: str

    def __str__(self) -> str:
        return (
            f"the screen differs from {self.expected}\n{self.text}\n"
            f"actual: {self.actual}\ndiff:   {self.diff}\n"
            f"If the change is intended: {UPDATE}"
        )


def compare(actual: str, expected: Path, folder: Path) -> Difference | None:
    """Compare a picture with the stored one; None when they are equal.

    Args:
        actual: the SVG.
        expected: path of the stored picture.
        folder: where the actual picture and the diff are written if they differ.
    """
    before = expected.read_text(encoding="utf-8") if expected.is_file() else ""
    if before == actual:
        return None
    texts = _diff(text_of(before), text_of(actual))
    text = "\n".join(texts[:_SHOWN_LINES]) if texts else "the text is the same; colours or positions differ"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / expected.name
    path.write_text(actual, encoding="utf-8")
    diff = path.with_suffix(".diff")
    diff.write_text("\n".join([*texts, "", *_diff(before.splitlines(), actual.splitlines())]) + "\n", encoding="utf-8")
    return Difference(expected, path, diff, text)


def _diff(before: list[str], after: list[str]) -> list[str]:
    return list(difflib.unified_diff(before, after, "expected", "actual", n=1, lineterm=""))
