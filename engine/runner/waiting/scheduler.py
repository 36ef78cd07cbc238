"""Who may start: decided from the queue and from what is free, nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple


class DeviceRequest(NamedTuple):
    """What a run needs while it computes."""

    gpus: int | tuple[str, ...] = 0
    """How many, whichever they are; or which, by index or as UUID of a MIG instance."""
    among: tuple[str, ...] | None = None
    """Of which to choose; None for all."""
    memory: int = 0
    """Bytes on each GPU, which may then be shared with others that say how much they need; 0 for the whole GPU."""
    cpu: bool = False
    """A slot of the CPU lane."""

    @property
    def number(self) -> int:
        """How many GPUs."""
        return self.gpus if isinstance(self.gpus, int) else len(self.gpus)

    def candidates(self, there: Iterable[str]) -> list[str]:
        """Return the GPUs that would do, free or not."""
        if isinstance(self.gpus, tuple):
            return list(self.gpus)
        return [name for name in there if self.gpus and (self.among is None or name in self.among)]


class FreeDevice(NamedTuple):
    """What is left of a GPU."""

    total: int
    """Bytes; 0 where it isn't known, and then nothing is shared."""
    left: int
    """Bytes that no run has asked for."""
    users: int = 0
    """Runs that share it."""
    closed: str = ""
    """Why nobody can have it, in words; empty when it is open."""

    def takes(self, memory: int) -> bool:
        """Return whether a run that needs so much fits; 0 asks for the whole GPU."""
        if self.closed:
            return False
        return self.users == 0 if memory == 0 or self.total == 0 else memory <= self.left

    def after(self, memory: int) -> "FreeDevice":
        """Return what is left once such a run is on it."""
        if memory == 0 or self.total == 0:
            return self._replace(left=0, users=self.users + 1, closed="taken")
        return self._replace(left=self.left - memory, users=self.users + 1)


class Machine(NamedTuple):
    """What can be had: every GPU, and the free slots of the CPU lane."""

    gpus: Mapping[str, FreeDevice]
    lanes: int


class Waiter(NamedTuple):
    """A run that waits for nothing but its turn."""

    name: str
    wants: DeviceRequest


class Decision(NamedTuple):
    """`may_start`, with these GPUs; or what stands in the way."""

    may_start: bool
    gpus: tuple[str, ...] = ()
    behind: str = ""
    """The earlier run that gets, or waits for, what would do; empty where the machine itself has too little."""


def decide(wants: DeviceRequest, earlier: Iterable[Waiter], machine: Machine) -> Decision:
    """Return whether it is a run's turn.

    Earlier ones are served first; for one that must wait, whatever would do for it is kept, so that it cannot be
    overtaken for ever by runs that need less.

    Args:
        earlier: who has waited longer, the first in line first. Read no further than needed.
    """
    chosen = choose(wants, machine)
    if chosen is None:
        return Decision(False)
    for other in earlier:
        machine = _without(machine, other.wants)
        chosen = choose(wants, machine)
        if chosen is None:
            return Decision(False, behind=other.name)
    return Decision(True, chosen)


def choose(wants: DeviceRequest, machine: Machine) -> tuple[str, ...] | None:
    """Return the GPUs that a run would get, fullest first so that whole ones stay free; None when there is too
    little.
    """
    if wants.cpu and machine.lanes < 1:
        return None
    fitting = [
        name
        for name in wants.candidates(machine.gpus)
        if name in machine.gpus and machine.gpus[name].takes(wants.memory)
    ]
    if not isinstance(wants.gpus, int):
        return tuple(fitting) if len(fitting) == wants.number else None
    fitting.sort(key=lambda name: machine.gpus[name].users == 0)
    return tuple(fitting[: wants.number]) if len(fitting) >= wants.number else None


def impossible(wants: DeviceRequest, gpus: Mapping[str, int]) -> str:
    """Return why a run could wait for ever on this machine, in words; empty when it could not.

    Args:
        gpus: bytes of each GPU that there is, 0 where unknown.
    """
    candidates = wants.candidates(gpus)
    absent = [name for name in candidates if name not in gpus]
    if absent:
        return f"there is no GPU {', '.join(absent)} here ({_list(gpus)})"
    if len(candidates) < wants.number:
        limit = "" if wants.among is None else f", of which CUDA_VISIBLE_DEVICES lets it use {len(candidates)}"
        return f"it needs {_gpus(wants.number)} and there {'is' if len(gpus) == 1 else 'are'} {_gpus(len(gpus))}{limit}"
    large = [name for name in candidates if not gpus[name] or gpus[name] >= wants.memory]
    if len(large) < wants.number:
        return f"no GPU that it may use has {gigabytes(wants.memory)}"
    return ""


def gigabytes(size: int) -> str:
    """Return `9.8 GB`."""
    return f"{size / 1e9:.1f} GB"


def _without(machine: Machine, wants: DeviceRequest) -> Machine:
    """Return what later runs may have: without this run's GPUs, or, if it must wait, without all that it could use."""
    gpus = dict(machine.gpus)
    chosen = choose(wants, machine)
    if chosen is not None:
        for name in chosen:
            gpus[name] = gpus[name].after(wants.memory)
    else:
        for name in wants.candidates(gpus):
            if name in gpus and not gpus[name].closed:
                gpus[name] = gpus[name]._replace(closed="kept")
    return Machine(gpus, machine.lanes - 1 if wants.cpu else machine.lanes)


def _list(gpus: Mapping[str, int]) -> str:
    names: Sequence[str] = list(gpus)
    return (
        f"there {'is' if len(names) == 1 else 'are'} {', '.join(f'GPU {name}' for name in names)}" if names else "none"
    )


def _gpus(number: int) -> str:
    return f"{number} GPU{'' if number == 1 else 's'}" if number else "none"
