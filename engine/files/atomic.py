"""Atomic writes: a reader sees the old file or the new one, never half of one, also after a power cut.

The new contents are written to a temporary file of random name in the same folder (created, never opened: nobody can
have put a link in its place), reach the disk, and take the target's name. A link at the target is replaced by the file;
what it pointed to is left as it is.
"""

import contextlib
import os
from collections.abc import Iterator
from io import BufferedWriter
from typing import TYPE_CHECKING

from engine.files.safe_open import AnyPath, wrong_kind

if TYPE_CHECKING:  # the runner has no use for it, and it costs memory
    from pathlib import Path

UMASK_DECIDES = 0o666
_NAME_CHARACTERS = 60
"""Of the target's name in the temporary one, so that a long name stays within a file system's 255 bytes."""


def write_bytes(path: AnyPath, contents: bytes, *, mode: int = UMASK_DECIDES, durable: bool = True) -> None:
    """Write a whole file atomically; a link at `path` is replaced, not followed.

    Args:
        mode: permissions before the umask takes its bits away; 0o600 for what may hold a secret.
        durable: wait until the disk has it.

    Raises:
        OSError: disk full, folder gone, no permission. What was there is unharmed.
    """
    with atomic_stream(path, mode=mode, durable=durable) as file:
        file.write(contents)


def write_text(path: AnyPath, text: str, *, mode: int = UMASK_DECIDES, durable: bool = True) -> None:
    """Write a whole UTF-8 file atomically, as `write_bytes` does."""
    write_bytes(path, text.encode(), mode=mode, durable=durable)


@contextlib.contextmanager
def atomic_stream(path: AnyPath, *, mode: int = UMASK_DECIDES, durable: bool = True) -> Iterator[BufferedWriter]:
    """A stream whose contents take the place of `path` when the block ends, and vanish when it raises.

    A link at `path` is replaced, not followed.

    Raises:
        OSError: disk full, folder gone, no permission.
    """
    with _temporary(path) as temporary:
        with open(create_file(temporary, mode), "wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    if durable:
        sync_folder(os.path.dirname(path))


@contextlib.contextmanager
def atomic_path(path: "Path") -> "Iterator[Path]":
    """As `atomic_stream`, for writers that want a file's name: an empty temporary file for them to fill.

    Raises:
        OSError: disk full, folder gone, no permission.
    """
    with _temporary(path) as name:
        os.close(create_file(name))
        yield path.with_name(os.path.basename(name))
        _sync(name, os.O_RDONLY)
        os.replace(name, path)
    sync_folder(os.path.dirname(path))


def write_if_absent(path: AnyPath, text: str) -> None:
    """Write a whole UTF-8 file atomically, unless something of its name is there already.

    Raises:
        FileExistsError: something is. And what else `write_bytes` raises.
    """
    with _temporary(path) as temporary:
        with open(create_file(temporary), "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
        os.unlink(temporary)
    sync_folder(os.path.dirname(path))


def create_file(path: str, mode: int = UMASK_DECIDES) -> int:
    """Create a file that is not there yet and return its descriptor, open for reading and writing.

    Raises:
        FileExistsError: something of this name is there, be it a link to nowhere.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)


def sync_folder(path: str) -> None:
    """Make a rename inside a folder durable. File systems that cannot are left to their ways."""
    with contextlib.suppress(OSError):
        _sync(path or ".", os.O_RDONLY | os.O_DIRECTORY)


@contextlib.contextmanager
def _temporary(path: AnyPath) -> Iterator[str]:
    """Yield a random name beside `path` for a file to create, which is removed when the block raises.

    The name comes first: a signal that ends the process may arrive at the moment at which the file is created.
    """
    if os.path.isdir(path) and not os.path.islink(path):
        raise wrong_kind(path)
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name[:_NAME_CHARACTERS]}.{os.urandom(6).hex()}.tmp")
    try:
        yield temporary
    except BaseException:
        _remove(temporary)
        raise


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _sync(path: str, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
