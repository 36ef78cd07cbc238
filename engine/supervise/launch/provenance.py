"""What a run can be repeated from: code, packages, environment."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.contracts.attempt_records import GitState, Provenance
from engine.files.atomic import write_bytes
from engine.supervise.launch.masking import is_secret
from engine.supervise.launch.versions import versions
from engine.supervise.slurm.on_nodes import command_of

DIFF_LIMIT_BYTES = 256 << 10
_GIT_SECONDS = 5.0
_MOST_UNTRACKED = 100

_RELEVANT = re.compile(
    r"(CUDA|CUDNN|NVIDIA|NCCL|GLOO|TORCH|TORCHELASTIC|PYTORCH|OMP|MKL|KMP|OPENBLAS|NUMEXPR|ORT|PYTHON|CONDA|SLURM|YOLOQAT)"
    r"_\w+|PATH|LD_LIBRARY_PATH|LD_PRELOAD|PYTHON[A-Z]*|VIRTUAL_ENV|LANG|LC_\w+|TZ|USER|SHELL|TERM|COLUMNS|WORLD_SIZE"
    r"|RANK|LOCAL_RANK|MASTER_ADDR|MASTER_PORT"
)


def collect(
    argv: Sequence[str], cwd: Path, environment: Mapping[str, str], diff_file: Path, mode: int = 0o600
) -> Provenance:
    """Look at the machine and at the code in a working directory. Never raises: what cannot be seen is left out.

    Args:
        argv: the command, which decides whose packages count.
        environment: what the command has on top of ours.
        diff_file: where uncommitted changes go, up to `DIFF_LIMIT_BYTES`.
        mode: permissions of that file, which may hold a secret.
    """
    package_versions = versions(command_of(argv), cwd, {**os.environ, **environment})
    return Provenance(
        python=package_versions.python,
        interpreter=package_versions.interpreter,
        packages=package_versions.packages,
        environment=safe_environment(os.environ),
        git=git_state(cwd, diff_file, mode),
    )


def safe_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that matter for a run: an allow-list, less whatever looks like a secret."""
    return {
        name: value
        for name, value in sorted(environment.items())
        if _RELEVANT.fullmatch(name) and not is_secret(name, value)
    }


def git_state(cwd: Path, diff_file: Path, mode: int = 0o600) -> GitState | None:
    """Return commit and uncommitted changes of the repository around `cwd`; None outside of one, or without git."""
    commit = _git(cwd, "rev-parse", "HEAD")
    if commit is None:
        return None
    branch = _git(cwd, "symbolic-ref", "--short", "-q", "HEAD")
    # Neither helper programs nor colours that the repository's configuration may ask for.
    diff = _git(cwd, "diff", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD")
    if diff:
        try:
            write_bytes(diff_file, diff[:DIFF_LIMIT_BYTES], mode=mode)
        except OSError:
            return GitState(commit=_text(commit), branch=_text(branch), dirty=True, diff_bytes=len(diff))
    return GitState(
        commit=_text(commit) or "",
        branch=_text(branch),
        dirty=bool(diff),
        diff=diff_file.name if diff else None,
        diff_bytes=len(diff or b""),
        untracked=_untracked(cwd),
    )


def _untracked(cwd: Path) -> list[str]:
    """List what git does not track. A folder that is wholly untracked is one entry: no data set is walked."""
    listed = _git(cwd, "ls-files", "--others", "--exclude-standard", "--directory", "--no-empty-directory", "-z")
    return [os.fsdecode(name) for name in (listed or b"").split(b"\0") if name][:_MOST_UNTRACKED]


def _git(cwd: Path, *arguments: str) -> bytes | None:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-C", str(cwd), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=_GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def _text(output: bytes | None) -> str | None:
    return output.decode(errors="replace").strip() if output is not None else None
