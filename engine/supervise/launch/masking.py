"""Masks secrets in what a workspace records: variables by name and by value, and words of command lines.

A mask is a guess: it knows the names and shapes that secrets usually have. What it masks lies unmasked in the user's
start records, so that a run starts and resumes as it was launched.
"""

import re
from collections.abc import Mapping, Sequence

from engine.runner.start_record import MASK

_WORDS = (
    r"token|secret|passw(?:or)?d|passphrase|pass|pwd|pat|jwt|bearer|credentials?|cookie|auth|authorization|private"
    r"|signature|sig|webhook|dsn|(?:api|access|secret|private|account|signing|encryption)[-_]?key|apikey"
)
_SECRET_NAME = re.compile(rf"(?:^|[-_.])(?:{_WORDS}|key)(?:$|[-_.\d])|API|TOKEN|SECRET|PASSW", re.IGNORECASE)
"""Of an environment variable: rather one too many, for none of them is needed to read a record."""
_SECRET_OPTION = re.compile(rf"(?:^|[-_.])(?:{_WORDS})$", re.IGNORECASE)
"""Of a command line: exact, since options such as `--keep-float` are what people want to see."""
_SECRET_VALUE = re.compile(
    r"://[^/\s@]+@"  # user, password or token in a URL
    r"|[?&;][\w.-]*(?:token|key|sig|signature|secret|passw(?:or)?d|auth|code|jwt)="
    r"|hooks\.slack\.com/|discord(?:app)?\.com/api/webhooks/|api\.telegram\.org/bot|/webhooks?/"
    r"|\b(?:gh[opsur]_|github_pat_|glpat-|hf_|sk-|xox[abprs]-|AKIA|ya29\.)[\w-]{8,}"
    r"|\beyJ[\w-]{8,}\.[\w-]+\.",
    re.IGNORECASE,
)
_IN_TEXT = re.compile(
    rf"(?P<name>(?:(?<![\w-])--?(?:[\w.]+[-_.])*(?:{_WORDS})(?:=|\s+)|\b(?:[\w.]+[-_.])*(?:{_WORDS})=))"
    r"(?:'[^']*'|\"[^\"]*\"|[^\s'\";|&]+)",
    re.IGNORECASE,
)
"""`--api-key VALUE`, `TOKEN=VALUE` inside of a shell's text."""


def is_secret(name: str, value: str) -> bool:
    """Return whether a variable looks like a secret, by its name or by its value."""
    return bool(_SECRET_NAME.search(name) or _SECRET_VALUE.search(value))


def mask_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with `***` in the place of every secret value."""
    return {name: MASK if is_secret(name, value) else value for name, value in environment.items()}


def mask_argv(argv: Sequence[str]) -> list[str]:
    """Return a command line with `***` in the place of every secret.

    Masks the word after `--api-key`, the value of `--token=…` and `api_key=…`, URLs that hold a password or a token,
    and the same inside of a shell's text (`bash -c '…'`).
    """
    masked: list[str] = []
    is_value = False
    for word in argv:
        name, equals, value = word.partition("=")
        if is_value and not word.startswith("-"):
            masked.append(MASK)
        elif equals and value and _SECRET_OPTION.search(name) and (name.startswith("-") or not re.search(r"\s", word)):
            masked.append(f"{name}={MASK}")
        elif re.search(r"\s", word):
            masked.append(_mask_text(word))
        elif _SECRET_VALUE.search(word):
            masked.append(f"{name}={MASK}" if equals and re.fullmatch(r"[\w.-]+", name) else MASK)
        else:
            masked.append(word)
        is_value = word.startswith("-") and not equals and bool(_SECRET_OPTION.search(word))
    return masked


def _mask_text(text: str) -> str:
    parts = re.split(r"(\s+)", _IN_TEXT.sub(rf"\g<name>{MASK}", text))
    return "".join(MASK if _SECRET_VALUE.search(part) else part for part in parts)
