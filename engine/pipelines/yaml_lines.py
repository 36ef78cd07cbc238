"""Load YAML as plain values with the line number of every key and item, for error messages."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from engine.contracts.bounded_yaml import BoundedLoader
from engine.contracts.errors import YoloqatError
from engine.files.safe_open import YAML_BYTES, read_regular

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class LinedYaml:
    """A YAML document: its value, and the line of each part."""

    value: Any
    lines: Mapping[Location, int]
    """Path of keys and indices → 1-based line."""
    duplicates: tuple[tuple[Location, int], ...] = ()
    """Repeated keys, with the line of the repetition."""

    def line(self, location: Sequence[str | int]) -> int:
        """Return the line of a location, or of its nearest parent that has one."""
        for end in range(len(location), 0, -1):
            line = self.lines.get(tuple(location[:end]))
            if line is not None:
                return line
        return 1


def read_lined_yaml(path: Path) -> LinedYaml:
    """Read a YAML file with the safe loader.

    Raises:
        YoloqatError: the file cannot be read or is not YAML; names the line.
    """
    try:
        text = read_regular(path, YAML_BYTES, follow=True).decode("utf-8")
    except OSError as error:
        raise YoloqatError(
            f"cannot read the file: {error.strerror or error}", where=str(path), hint="Check the path."
        ) from error
    except UnicodeDecodeError as error:
        raise YoloqatError("this is not a text file", where=str(path), hint="Give a YAML file, in UTF-8.") from error
    return parse_lined_yaml(text, str(path))


def parse_lined_yaml(text: str, where: str) -> LinedYaml:
    """Parse a YAML document with the safe loader.

    Raises:
        YoloqatError: invalid YAML, or an alias refers to itself; names the line.
    """
    try:
        loader = BoundedLoader(text)
        node = loader.get_single_node()
        if node is None:
            return LinedYaml(None, {})
        collector = _LineCollector(where)
        collector.visit(node, ())
        return LinedYaml(loader.construct_document(node), collector.lines, tuple(collector.duplicates))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise YoloqatError(
            f"invalid YAML: {problem}",
            where=f"{where}:{mark.line + 1}" if mark else where,
            hint="Correct this line.",
        ) from error
    except ValueError as error:  # a time stamp such as 2026-99-99
        raise YoloqatError(f"a value cannot be read: {error}", where=where, hint="Put it in quotes.") from error


class _LineCollector:
    """Collects the line of every key and item of a node tree."""

    def __init__(self, where: str) -> None:
        self.lines: dict[Location, int] = {}
        self.duplicates: list[tuple[Location, int]] = []
        self._where = where
        self._open_nodes: set[int] = set()

    def visit(self, node: yaml.Node, location: Location) -> None:
        line = node.start_mark.line + 1
        self.lines.setdefault(location, line)
        if id(node) in self._open_nodes:
            raise YoloqatError(
                "an alias refers to itself",
                where=f"{self._where}:{line}",
                hint="Write the values out instead.",
            )
        self._open_nodes.add(id(node))
        if isinstance(node, yaml.MappingNode):
            self._visit_mapping(node, location)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.visit(item, (*location, index))
        self._open_nodes.discard(id(node))

    def _visit_mapping(self, node: yaml.MappingNode, location: Location) -> None:
        names: set[Hashable] = set()
        for key, value in node.value:
            name = key.value if isinstance(key.value, str) else str(key.start_mark.line)
            line = key.start_mark.line + 1
            child = (*location, name)
            if name in names:
                self.duplicates.append((child, line))
            names.add(name)
            self.lines.setdefault(child, line)
            self.visit(value, child)
