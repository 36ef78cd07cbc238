"""Logs inside of JSON: the cells of a notebook, a recording of a terminal, docker's json-file."""

import json
from collections.abc import Callable, Iterator
from typing import Any


def json_kind(head: bytes) -> str:
    """Return `notebook`, `asciinema` or `docker json` by the beginning of a file; empty for anything else."""
    text = head.lstrip()
    if not text.startswith(b"{"):
        return ""
    first = text.split(b"\n", 1)[0]
    if b'"log":' in first and (b'"stream":' in first or b'"time":' in first) and _is_object(first):
        return "docker json"
    if b'"version"' in text and (b'"width"' in text or b'"term"' in text or b'"stdout"' in text):
        return "asciinema"
    return "notebook" if any(key in text for key in (b'"cells"', b'"nbformat"', b'"cell_type"')) else ""


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def read_json(contents: bytes, kind: str) -> Iterator[bytes]:
    """Yield the log inside of such a file; nothing of a damaged line or file."""
    for text in _READERS[kind](contents):
        if isinstance(text, str):
            yield text.encode("utf-8", errors="replace")


def _docker(contents: bytes) -> Iterator[Any]:
    for line in contents.splitlines():
        record = _loaded(line)
        if isinstance(record, dict):
            yield record.get("log")


def _asciinema(contents: bytes) -> Iterator[Any]:
    whole = _loaded(contents)
    if isinstance(whole, dict) and isinstance(whole.get("stdout"), list):  # version 1
        for event in whole["stdout"]:
            yield event[1] if isinstance(event, list) and len(event) > 1 else None
        return
    for line in contents.splitlines()[1:]:
        event = _loaded(line)
        if isinstance(event, list) and len(event) > 2 and event[1] == "o":
            yield event[2]


def _notebook(contents: bytes) -> Iterator[Any]:
    """Yield the streams that the cells have printed, in the order of the cells."""
    notebook = _loaded(contents)
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    for cell in cells if isinstance(cells, list) else ():
        outputs = cell.get("outputs") if isinstance(cell, dict) else None
        for output in outputs if isinstance(outputs, list) else ():
            text = output.get("text") if isinstance(output, dict) and output.get("output_type") == "stream" else None
            if text:
                yield "".join(part for part in text if isinstance(part, str)) if isinstance(text, list) else text
        yield "\n"


def _loaded(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


_READERS: dict[str, Callable[[bytes], Iterator[Any]]] = {
    "docker json": _docker,
    "asciinema": _asciinema,
    "notebook": _notebook,
}
