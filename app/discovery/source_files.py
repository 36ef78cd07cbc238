"""Hash the files that a run was imported from."""

import hashlib
from pathlib import Path

from app.discovery.group_files import DiscoveredRun
from engine.contracts.errors import YoloqatError
from engine.contracts.imported import ImportRecord, SourceFile, storable


def hash_weights(run: DiscoveredRun, before: ImportRecord) -> list[SourceFile]:
    """Hash the weights of a run; skip unreadable ones."""
    files = []
    for role, path in run.weights:
        try:
            files.append(hash_source_file(path, role, before))
        except YoloqatError:
            continue
    return files


def hash_source_file(path: Path, role: str, before: ImportRecord) -> SourceFile:
    """Hash a file, or reuse the recorded hash if size and time are unchanged."""
    try:
        status = path.stat()
        name = storable(path.absolute())
        for file in before.files:
            if (file.path, file.role, file.size, file.modified_ns) == (
                name,
                role,
                status.st_size,
                status.st_mtime_ns,
            ):
                return file
        with path.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise YoloqatError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    return SourceFile(path=name, role=role, size=status.st_size, sha256=digest, modified_ns=status.st_mtime_ns)
