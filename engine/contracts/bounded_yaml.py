"""Load YAML from untrusted files, with limits on size, depth and alias expansion.

An alias bomb of a few hundred bytes stands for 10^12 values; printing it in an error, or walking it, never ends.
"""

from pathlib import Path
from typing import Any

import yaml

from engine.files.safe_open import YAML_BYTES, read_regular

MOST_NODES = 1_000_000
"""Maximum number of values with aliases expanded; a data set with thousands of classes has about ten thousand."""
DEEPEST = 64


class BoundedLoader(yaml.SafeLoader):
    """PyYAML's safe loader with limits. Exceeding one raises a `yaml.YAMLError` that names the line."""

    def __init__(self, stream: str | bytes) -> None:
        super().__init__(stream)
        self._depth = 0
        self._nodes = 0
        """Number of nodes composed so far, aliases expanded."""
        self._weights: dict[str, int] = {}
        """Anchor → number of values below it, aliases expanded."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose the next node.

        Raises:
            yaml.YAMLError: invalid YAML, or a limit is exceeded.
        """
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            self._count(self._weights.get(str(event.anchor), 1), event)
            return super().compose_node(parent, index)
        before = self._nodes
        self._count(1, event)
        self._depth += 1
        if self._depth > DEEPEST:
            raise yaml.composer.ComposerError(None, None, f"nested more than {DEEPEST} deep", event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            self._weights[anchor] = self._nodes - before
        return node

    def _count(self, nodes: int, event: Any) -> None:
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            raise yaml.composer.ComposerError(None, None, f"stands for more than {MOST_NODES} values", event.start_mark)


def load_yaml(text: str) -> Any:
    """Return the plain values of a YAML document.

    Raises:
        yaml.YAMLError: invalid YAML, or a limit is exceeded.
    """
    return yaml.load(text, BoundedLoader)  # a safe loader


def read_yaml(path: Path) -> Any:
    """Return the plain values of a YAML file that a user names; links are followed.

    Raises:
        OSError: the file cannot be read, is not a regular file, or is larger than a megabyte.
        UnicodeDecodeError, yaml.YAMLError: the file is not UTF-8 or not YAML, or exceeds a limit.
    """
    return load_yaml(read_regular(path, YAML_BYTES, follow=True).decode("utf-8"))
