"""The data set YAML: image folders of each split, and class names."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from engine.contracts.bounded_yaml import load_yaml
from engine.contracts.errors import YoloqatError
from engine.files.safe_open import YAML_BYTES, read_regular

DATA_FOLDER = Path(__file__).resolve().parents[2] / "configs" / "data"
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class DataConfig:
    """The content of a data set YAML, with consistent classes and existing required splits."""

    path: Path
    train: tuple[Path, ...]
    val: tuple[Path, ...]
    test: tuple[Path, ...]
    """Folders and list files of each split; empty where the YAML does not name the split."""
    nc: int
    names: tuple[str, ...]
    sha: str
    """SHA-256 of the YAML file."""

    def sources(self, split: str) -> tuple[Path, ...]:
        """Return the folders and list files of one split.

        Raises:
            YoloqatError: the YAML does not name this split, or a named path does not exist.
        """
        sources: tuple[Path, ...] = getattr(self, split) if split in SPLITS else ()
        if not sources:
            raise YoloqatError(
                f"the data set has no split `{split}:`",
                where=str(self.path),
                hint=f"Add `{split}: FOLDER` (or a text file that lists images), or choose another split.",
            )
        for source in sources:
            if not source.exists():
                raise _missing_source_error(self.path, split, source)
        return sources


def load_data_config(path_or_name: str | Path, splits: Sequence[str] = ("train", "val")) -> DataConfig:
    """Read a data set YAML in the dialect of YOLOv7 or Ultralytics (`path:`, `names` as a mapping).

    Paths in it are relative to `path:` if given, else to the YAML file's folder; if they do not exist there, to the
    working directory, as in YOLOv7. If the YAML does not exist, the one of that name in `configs/data` is used.

    Args:
        path_or_name: the YAML file, or the name of one in `configs/data`.
        splits: splits that must exist on disk.

    Raises:
        YoloqatError: the YAML is missing or invalid; the message names the file, the key and what to do.
    """
    path = _find_file(Path(path_or_name))
    content = _content(path)
    values = _parse(path, content)
    names = _names(path, values)
    root = _root(path, values.get("path"))
    config = DataConfig(
        path=path,
        **{split: _sources(path, split, values.get(split), root) for split in SPLITS},
        nc=len(names),
        names=names,
        sha=hashlib.sha256(content).hexdigest(),
    )
    for split in splits:
        config.sources(split)
    return config


def _find_file(path: Path) -> Path:
    if path.is_file():
        return path.absolute()
    shipped_path = DATA_FOLDER / f"{path.stem}.yaml"
    if not path.exists() and shipped_path.is_file():
        print(f"{path} is not here: using our configs/data/{shipped_path.name}", flush=True)
        return shipped_path
    shipped_names = ", ".join(sorted(p.stem for p in DATA_FOLDER.glob("*.yaml")))
    raise YoloqatError(
        "the data set YAML does not exist" if not path.exists() else "the data set YAML is a folder",
        where=str(path),
        hint=f"Give the path of a YAML file with train, val, nc and names, or a name in configs/data: {shipped_names}.",
    )


def _content(path: Path) -> bytes:
    try:
        return read_regular(path, YAML_BYTES, follow=True)
    except OSError as error:
        raise YoloqatError(
            f"the data set YAML cannot be read: {error.strerror or error}", where=str(path), hint="Give a YAML file."
        ) from error


def _parse(path: Path, content: bytes) -> Mapping[str, Any]:
    try:
        values = load_yaml(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise YoloqatError("not a text file", where=str(path), hint="Give a data set YAML, in UTF-8.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error)
        raise YoloqatError(f"not valid YAML: {problem}", where=where, hint="Correct this line.") from error
    if not isinstance(values, dict):
        raise YoloqatError("a data set YAML needs the keys train, val, nc and names", where=str(path), hint="Add them.")
    return values


def _names(path: Path, values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the class names in order of their numbers; the number as text if there are no names."""
    nc, names = values.get("nc"), values.get("names")
    if nc is not None and (isinstance(nc, bool) or not isinstance(nc, int) or nc < 1):
        raise YoloqatError(f"`nc` must be a positive whole number, not {nc!r}", where=str(path), hint="Correct `nc`.")
    if names is None:
        if nc is None:
            raise YoloqatError(
                "neither `names` nor `nc` is given", where=str(path), hint="Add `names: [first, second, …]`."
            )
        return tuple(str(i) for i in range(nc))
    if isinstance(names, dict):
        if set(names) != set(range(len(names))):
            raise YoloqatError(
                f"the keys of `names` must be 0 to {len(names) - 1}, each once", where=str(path), hint="Renumber them."
            )
        names = [names[i] for i in range(len(names))]
    if not isinstance(names, list) or not names or any(isinstance(n, list | dict) or n is None for n in names):
        raise YoloqatError("`names` must be a list of class names", where=str(path), hint="Write `names: [cat, dog]`.")
    if nc is not None and nc != len(names):
        raise YoloqatError(
            f"`nc` is {nc}, but `names` has {len(names)} entries",
            where=str(path),
            hint="Make them agree, or leave `nc` out.",
        )
    return tuple(str(name) for name in names)


def _root(path: Path, root: Any) -> Path:
    """Return the base of relative paths: `path:`, itself relative to the YAML file or the working directory."""
    if root in (None, ""):
        return path.parent
    if not isinstance(root, str):
        raise YoloqatError(f"`path` must be a folder, not {root!r}", where=str(path), hint="Correct `path`.")
    candidate = Path(root).expanduser()
    beside_yaml = path.parent / candidate
    return candidate.absolute() if not beside_yaml.exists() and candidate.exists() else beside_yaml


def _sources(path: Path, split: str, value: Any, root: Path) -> tuple[Path, ...]:
    if value in (None, "", []):
        return ()
    entries = value if isinstance(value, list) else [value]
    if not all(isinstance(entry, str) and entry for entry in entries):
        raise YoloqatError(
            f"`{split}` must be a folder, a text file that lists images, or a list of those, not {value!r}",
            where=str(path),
            hint=f"Correct `{split}`.",
        )
    return tuple(_resolve(Path(entry).expanduser(), root) for entry in entries)


def _resolve(entry: Path, root: Path) -> Path:
    """Resolve an entry against the root, else the working directory; normalize `..`, keep symbolic links."""
    under_root, under_working_folder = root / entry, entry.absolute()
    chosen_path = under_working_folder if not under_root.exists() and under_working_folder.exists() else under_root
    return Path(os.path.normpath(chosen_path.absolute()))


def _missing_source_error(path: Path, split: str, source: Path) -> YoloqatError:
    return YoloqatError(
        f"`{split}` names {source}, which does not exist",
        where=str(path),
        hint=f"Correct `{split}:` (paths are relative to the YAML file, or to its `path:`), or put the data set there.",
    )
