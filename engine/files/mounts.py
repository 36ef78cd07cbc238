"""Which file system a path lies on."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

NETWORK = frozenset(
    {
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "lustre", "beegfs", "gpfs", "ceph", "glusterfs",
        "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.juicefs", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone",
    }
)  # fmt: skip
"""Their locks or shared memory cannot be relied on across machines."""
VOLATILE = frozenset({"tmpfs", "ramfs"})
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system."""

    point: str
    kind: str
    """As the kernel names it: `ext4`, `nfs4`, …"""


def mount_of(path: Path, table: Path = Path("/proc/self/mountinfo")) -> Mount | None:
    """Return the mount that a path lies on; None where the table cannot be read.

    Args:
        path: need not be there.
        table: in the format of proc(5), `/proc/<pid>/mountinfo`.
    """
    try:
        lines = table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    real_path = os.path.realpath(path)
    best: Mount | None = None
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4])
        inside = point == "/" or real_path == point or real_path.startswith(f"{point}/")
        # Of two on one point the later one covers the earlier.
        if inside and (best is None or len(point) >= len(best.point)):
            best = Mount(point, after.split(" ")[0])
    return best
