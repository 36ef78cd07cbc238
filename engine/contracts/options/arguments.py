"""Convert stage options to command-line arguments and back."""

import argparse
import types
from collections.abc import Sequence
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from engine.contracts.errors import YoloqatError
from engine.contracts.options.base import StageOptions


def flags_of(name: str, field: FieldInfo) -> list[str]:
    """Return all spellings of a field's flag, the preferred one first."""
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    extra_flags = extra.get("flags") or []
    spellings = [f"--{name.replace('_', '-')}", *(str(flag) for flag in extra_flags)]  # type: ignore[union-attr]
    if "_" in name:
        spellings.append(f"--{name}")
    return list(dict.fromkeys(spellings))


def add_arguments(parser: argparse.ArgumentParser, options: type[StageOptions]) -> None:
    """Add one argument per field. A flag that is not typed sets no attribute, so defaults stay in the model alone."""
    for name, field in options.model_fields.items():
        inner = _unwrap_optional(field.annotation)
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        default = (
            "" if field.is_required() or field.default in (None, "") else f" (default: {_default_text(field.default)})"
        )
        common: dict[str, Any] = {
            "dest": name,
            "default": argparse.SUPPRESS,
            "help": f"{field.description or ''}{default}".replace("%", "%%"),
        }
        if inner is bool:
            parser.add_argument(*flags_of(name, field), action=argparse.BooleanOptionalAction, **common)
            continue
        metavar = extra.get("metavar") or name.upper()
        choices = get_args(inner) if get_origin(inner) is Literal else None
        if choices:
            parser.add_argument(*flags_of(name, field), choices=[str(c) for c in choices], **common)
        elif get_origin(inner) in (list, tuple):
            parser.add_argument(*flags_of(name, field), nargs="+", metavar=str(metavar), **common)
        else:
            parser.add_argument(*flags_of(name, field), metavar=str(metavar), **common)


def from_namespace(options: type[StageOptions], namespace: argparse.Namespace) -> StageOptions:
    """Validate the typed flags.

    Raises:
        YoloqatError: names the flag, the value and what is allowed.
    """
    typed = {name: getattr(namespace, name) for name in options.model_fields if hasattr(namespace, name)}
    return validate(options, typed)


def validate(options: type[StageOptions], values: dict[str, Any], where: str | None = None) -> StageOptions:
    """Build the options from plain values (strings are converted), with a readable error.

    Raises:
        YoloqatError: every mistake in one message.
    """
    try:
        return options.model_validate(values)
    except ValidationError as error:
        raise YoloqatError(
            "; ".join(_describe_error(options, e) for e in error.errors()),
            where=where,
            hint="See --help for every option.",
        ) from error


def to_argv(options: StageOptions) -> list[str]:
    """Return the flags that reproduce these options; defaults are omitted."""
    argv: list[str] = []
    for name, field in type(options).model_fields.items():
        value = getattr(options, name)
        if not field.is_required() and value == field.get_default(call_default_factory=True):
            continue
        flag = flags_of(name, field)[0]
        if isinstance(value, bool):
            argv.append(flag if value else f"--no-{flag[2:]}")
        elif isinstance(value, list | tuple):
            argv += [flag, *(str(item) for item in value)]
        elif value is not None:
            argv += [flag, str(value)]
    return argv


def _unwrap_optional(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [a for a in get_args(annotation) if a is not type(None)]
        return inner[0]
    return annotation


def _default_text(value: object) -> str:
    return " ".join(str(v) for v in value) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)


def _describe_error(options: type[StageOptions], error: Any) -> str:
    name = str(error["loc"][0]) if error["loc"] else ""
    field = options.model_fields.get(name)
    flag = flags_of(name, field)[0] if field else f"option {name!r}" if name else "options"
    if error["type"] == "missing":
        return f"{flag} is required"
    if error["type"] == "extra_forbidden":
        return f"there is no option {name!r}"
    return f"{flag}: {error['msg']} (got {error.get('input')!r})"
