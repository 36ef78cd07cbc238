"""Options for Slurm."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

Executor = Literal["local", "slurm"]
"""Where runs execute: on this machine, or as jobs of a cluster."""

_TIME = re.compile(r"(\d+-)?\d+(:\d+){0,2}|UNLIMITED", re.IGNORECASE)
_MEMORY = re.compile(r"\d+[KMGT]?", re.IGNORECASE)
_GPUS = re.compile(r"([\w.-]+:)?\d+")
_NON_SPACE = re.compile(r"[^\s,%][^\s]*")
OURS = frozenset(
    {
        "array", "chdir", "dependency", "error", "help", "job-name", "open-mode", "output", "parsable", "quiet",
        "requeue", "test-only", "usage", "version", "wait", "wrap", "a", "D", "d", "e", "h", "J", "o", "Q", "V", "W",
    }
)  # fmt: skip
"""sbatch options that the launcher sets itself, or that would prevent a launch."""


def _error(text: str) -> PydanticCustomError:
    return PydanticCustomError("slurm_option", "{text}", {"text": text})


def _matching(pattern: re.Pattern[str], example: str) -> Any:
    def check(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, str | int) or not pattern.fullmatch(str(value)):
            raise _error(f"{value!r} cannot be used; write it like {example}")
        return str(value)

    return BeforeValidator(check)


def _time(value: Any) -> str:
    # YAML reads 1:30:00 as the number 5400, which Slurm would take for minutes.
    if not isinstance(value, str):
        raise _error(f"write it in quotes, like '1:30:00' or '2-00:00:00' (YAML has read the number {value!r})")
    if not _TIME.fullmatch(value):
        raise _error(f"{value!r} is no time: write minutes, 'hours:minutes:seconds' or 'days-hours'")
    return value


def _flag(value: Any) -> str:
    if not isinstance(value, str) or not re.match(r"--?[A-Za-z]", value):
        raise _error(f"{value!r} is no option of sbatch; each one is a text of its own, like --constraint=a100")
    name = value.split("=", 1)[0].lstrip("-") if value.startswith("--") else value[1]
    if name in OURS:
        raise _error(f"`{value}` is set by the launch itself")
    return value


class SlurmOptions(BaseModel):
    """Resources of a job. Unset fields use the defaults of the cluster."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partition: Annotated[str, _matching(_NON_SPACE, "gpu")] | None = None
    time: Annotated[str, BeforeValidator(_time)] | None = None
    """Time limit, in the syntax of sbatch."""
    nodes: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Number of machines, for a command under torchrun; 1 by default."""
    gpus: Annotated[str, _matching(_GPUS, "1 or a100:2")] | None = None
    cpus: Annotated[int, Field(ge=1, strict=True)] | None = None
    mem: Annotated[str, _matching(_MEMORY, "16G")] | None = None
    account: Annotated[str, _matching(_NON_SPACE, "my-project")] | None = None
    extra: list[Annotated[str, BeforeValidator(_flag)]] = Field(default_factory=list)
    """Other sbatch options with their values: `--constraint=a100`. Passed last, so they take precedence."""

    def with_changes(self, changes: "SlurmOptions") -> "SlurmOptions":
        """Return a copy with the set fields of `changes`; `extra` is appended."""
        changed_fields = {name: getattr(changes, name) for name in changes.model_fields_set}
        return self.model_copy(update={**changed_fields, "extra": [*self.extra, *changes.extra]})
