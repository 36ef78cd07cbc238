"""Opening files of folders that anyone may have written: never waits, never follows a link, never reads without limit.

A FIFO in the place of a record would hold its reader up for ever, a device has no end, and a link may lead to any file
of the user. What is wrong is an OSError, so that whoever copes with an unreadable file copes with these.
"""

import errno
import os
import stat
from io import BufferedReader

AnyPath = str | os.PathLike[str]
RECORD_BYTES = 32 << 20
"""Of a record as JSON: an evaluation of thousands of classes or layers is a few megabytes."""
YAML_BYTES = 1 << 20
"""Of a specification or settings: reading YAML takes seconds per megabyte."""

_HOLE_BYTES = 1 << 30
_LEAST_SHARE = 64
"""Of a file's size that must lie on the disk, as one part of so many: file systems that compress come to a tenth."""
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_ODD_KIND = (errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.EISDIR)
"""How the kernel refuses a link, a FIFO without a reader or a socket, a device without a driver, a folder."""
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class NotRegularFileError(OSError):
    """A FIFO, device, socket, folder or link stands where a regular file belongs."""


class FileTooLargeError(OSError):
    """A file is larger than anything of its kind can be."""


def open_regular(path: AnyPath, *, limit: int | None = None, follow: bool = False) -> BufferedReader:
    """Open a regular file for reading.

    Args:
        limit: bytes; None for files that are read in pieces.
        follow: whether `path` itself may be a link, as files that a user names may. Folders on the way always may.

    Raises:
        NotRegularFileError, FileTooLargeError: and what `open` raises.
    """
    descriptor = _open(path, os.O_RDONLY, follow=follow)
    if limit is not None and os.fstat(descriptor).st_size > limit:
        os.close(descriptor)
        raise _too_large(path, limit)
    return open(descriptor, "rb")


def open_log(path: AnyPath) -> BufferedReader:
    """Open a regular file that may be of any size, unless nearly all of it is a hole.

    Raises:
        NotRegularFileError, FileTooLargeError: and what `open` raises.
    """
    file = open_regular(path)
    status = os.fstat(file.fileno())
    if status.st_size > _HOLE_BYTES and status.st_blocks * 512 < status.st_size // _LEAST_SHARE:
        file.close()
        size = f"{status.st_size / 1e9:.0f} GB"
        raise FileTooLargeError(errno.EFBIG, f"is a sparse file of {size} with hardly anything in it", os.fspath(path))
    return file


def read_regular(path: AnyPath, limit: int = RECORD_BYTES, *, follow: bool = False) -> bytes:
    """Return the contents of a regular file, also of one that grows meanwhile or lies about its size.

    Raises:
        NotRegularFileError, FileTooLargeError: and what `open` raises.
    """
    with open_regular(path, limit=limit, follow=follow) as file:
        contents = file.read(limit + 1)
    if len(contents) > limit:
        raise _too_large(path, limit)
    return contents


def read_head(path: AnyPath, size: int) -> bytes:
    """Return the first bytes of a regular file. Makes no file object, since a thousand small files are read at once.

    Raises:
        NotRegularFileError: and what `open` raises.
    """
    descriptor = _open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, size)
    finally:
        os.close(descriptor)


def open_descriptor(path: AnyPath) -> int:
    """Open a regular file for reading and return its descriptor: for a lock on what is there.

    Raises:
        NotRegularFileError: and what `open` raises.
    """
    return _open(path, os.O_RDONLY)


def open_append(path: AnyPath, mode: int = 0o666) -> int:
    """Open a regular file for writing at its end, create it where there is none, and return its descriptor.

    Raises:
        NotRegularFileError: and what `open` raises.
    """
    return _open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, mode)


def open_lock(path: AnyPath, mode: int = 0o666, *, create: bool = True) -> int:
    """Open a lock file for reading and writing and return its descriptor.

    What stands in it is left alone: whoever holds the lock may have written it.

    Raises:
        NotRegularFileError: and what `open` raises.
    """
    return _open(path, os.O_RDWR | (os.O_CREAT if create else 0), mode)


def wrong_kind(path: AnyPath) -> NotRegularFileError:
    """Return the error that names what stands at `path` instead of a regular file."""
    try:
        kind = _KINDS.get(stat.S_IFMT(os.lstat(path).st_mode), "something else")
    except OSError:
        kind = "something else"
    return _not_regular(path, kind)


def _open(path: AnyPath, flags: int, mode: int = 0, *, follow: bool = False) -> int:
    try:
        descriptor = os.open(path, flags | _FLAGS | (0 if follow else os.O_NOFOLLOW), mode)
    except OSError as error:
        if error.errno in _ODD_KIND:
            raise wrong_kind(path) from error
        raise
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind != stat.S_IFREG:
        os.close(descriptor)
        raise _not_regular(path, _KINDS.get(kind, "something else"))
    os.set_blocking(descriptor, True)  # children that inherit it expect what is usual
    return descriptor


def _not_regular(path: AnyPath, kind: str) -> NotRegularFileError:
    return NotRegularFileError(errno.EINVAL, f"is {kind}, not a regular file", os.fspath(path))


def _too_large(path: AnyPath, limit: int) -> FileTooLargeError:
    return FileTooLargeError(errno.EFBIG, f"is larger than {limit / 1e6:.0f} MB", os.fspath(path))
