"""The files that a run was read from, by their content: path, size, time and SHA-256."""

import hashlib
from pathlib import Path

from app.discovery.group_files import DiscoveredRun
from engine.contracts.errors import YoloqatError
from engine.contracts.imported import ImportRecord, SourceFile, storable


def hash_weights(run: DiscoveredRun, before: ImportRecord) -> list[SourceFile]:
    """The weights by their content; those that cannot be read are left out."""
    files = []
    for role, path in run.weights:
        try:
            files.append(hash_source_file(path, role, before))
        except YoloqatError:
            continue
    return files


def hash_source_file(path: Path, role: str, before: ImportRecord) -> SourceFile:
    """A file by its content, which is read only where its size or time are new."""
    try:
        status = path.stat()
        shown = storable(path.absolute())
        for file in before.files:
            if (file.path, file.role, file.size, file.modified_ns) == (shown, role, status.st_size, status.st_mtime_ns):
                return file
        with path.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise YoloqatError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    return SourceFile(path=shown, role=role, size=status.st_size, sha256=digest, modified_ns=status.st_mtime_ns)
