"""The rules of the house that a machine can see, each one test that lists all its findings."""

import ast
from collections.abc import Iterator

from tests.conftest import REPOSITORY

PACKAGES = ("app", "db", "engine")
FILE_LINES = 400
FUNCTION_LINES = 60
UNFINISHED = ("TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error")


def sources() -> Iterator[tuple[str, str]]:
    """Each source file's name and text."""
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            yield str(path.relative_to(REPOSITORY)), path.read_text(encoding="utf-8")


def test_files_and_functions_stay_small() -> None:
    findings = []
    for name, text in sources():
        if text.count("\n") > FILE_LINES:
            findings.append(f"{name} is longer than {FILE_LINES} lines: is it still one idea?")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                lines = node.end_lineno - node.lineno + 1
                if lines > FUNCTION_LINES:
                    findings.append(f"{name}:{node.lineno} {node.name} has {lines} lines, more than {FUNCTION_LINES}")
    assert not findings, "\n".join(findings)


def test_nothing_is_swallowed_or_left_for_later() -> None:
    findings = []
    for name, text in sources():
        findings += [f"{name} contains {word}" for word in UNFINISHED if word in text]
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ExceptHandler):
                broad = node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException")
                if broad and len(node.body) == 1 and isinstance(node.body[0], ast.Pass):
                    findings.append(f"{name}:{node.lineno} swallows every exception")
    assert not findings, "\n".join(findings)


def test_the_readme_names_only_commands_that_exist() -> None:
    from app.cli.main import build_parser

    commands = set()
    for action in build_parser()._subparsers._group_actions:  # type: ignore[union-attr]
        commands |= set(action.choices or ())
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    named = {line.split()[1] for line in readme.splitlines() if line.startswith("yoloqat ")}
    assert named
    assert named <= commands
