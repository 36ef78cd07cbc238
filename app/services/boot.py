"""Since when the machine has been up, as far as the queue has noticed."""

from engine.contracts.run_folder import Workspace


def queue_was_seen_in(workspace: Workspace) -> str:
    """The boot of the machine in which what waited was last looked after; empty when it never was."""
    try:
        return workspace.boot_id.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
