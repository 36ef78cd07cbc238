"""Base class and field declaration of stage options."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class StageOptions(BaseModel):
    """Base of a stage's options. A field `batch_size` is the flag `--batch-size` (and `--batch_size`)."""

    model_config = ConfigDict(extra="forbid", validate_default=True)


def option(default: Any, help: str, *, flags: tuple[str, ...] = (), metavar: str | None = None, **field: Any) -> Any:
    """Declare one option.

    Args:
        default: the value of an unset option (`...` for a required option).
        help: one line for `--help`, the launch form and the README.
        flags: spellings in addition to the one derived from the field name.
        metavar: placeholder in `--help`.
        field: pydantic constraints such as `ge=1`.
    """
    return Field(default, description=help, json_schema_extra={"flags": list(flags), "metavar": metavar}, **field)
