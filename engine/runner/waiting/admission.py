"""Waiting for one's turn: in line, then with the leases in hand."""

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from engine.files.json_records import now
from engine.runner.containers import belongs_to, container_ids
from engine.runner.waiting.delay import delay_reason
from engine.runner.waiting.gpu_query import QUERY_COMMAND, GpuQuery, GpuStatus
from engine.runner.waiting.leases import Holder, Leases, Place, Ticket, parse_request, read_place, update_record
from engine.runner.waiting.scheduler import DeviceRequest, FreeDevice, Machine, decide, gigabytes, impossible

_MOST_NAMED = 3


class CannotEverStart(Exception):
    """What it wants is not on this machine; the message says what."""


class Admission:
    """What stands between a run whose parents have succeeded and its stage."""

    def __init__(self, launch: Mapping[str, Any], attempt: str) -> None:
        """Read what the run wants. Nothing is taken yet."""
        resources = launch.get("resources") or {}
        self._width = int(launch.get("cpu_lane") or 0)
        wants = parse_request(resources)
        self._wants = wants._replace(cpu=wants.cpu and self._width > 0)
        self._restrict = resources.get("restrict", True)
        self._retry = launch.get("retry") or {}
        self._folder = str(launch.get("leases") or "")
        self._attempt = attempt
        self._is_job = os.path.exists(os.path.join(attempt, "slurm.json"))
        """Slurm holds and releases it, and has let it start."""
        self._name = str(launch.get("name") or launch.get("run_id") or "?")
        self._run = f"{launch.get('run_id', 'run')}-{os.path.basename(attempt)}"
        self._asker = GpuQuery(QUERY_COMMAND)
        self._gpus: dict[str, GpuStatus] | None = None
        self._leases: Leases | None = None
        self._ticket: Ticket | None = None
        self._held: dict[str, list[Holder]] = {}
        self._reason = "about to look at the queue"
        self._is_granted = False
        self._lease_descriptors: dict[str, list[int]] = {}
        self.environment: dict[str, str] = {}
        """What tells the stage which GPUs it has."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the stage is to inherit."""
        return tuple(descriptor for descriptors in self._lease_descriptors.values() for descriptor in descriptors)

    @property
    def devices(self) -> list[str]:
        """Names of the leases: `gpu-0`, `cpu-1`."""
        return list(self._lease_descriptors)

    def poll(self) -> str:
        """Try to get everything.

        Returns:
            Why it has to wait, in words; empty once it has everything.

        Raises:
            CannotEverStart: it wants what this machine has not.
            OSError: the leases cannot be used.
        """
        place = read_place(self._attempt)
        if place.held and not self._is_job:
            self.step_back()
            return place.why
        delay = delay_reason(place.not_before, self._retry, time.time())
        if delay:
            self.step_back()
            return delay
        if not (self._wants.number or self._wants.cpu):
            return ""
        fresh = self._look() if self._wants.number else False
        if self._wants.number and self._gpus is None:
            error = self._asker.error
            return f"the GPUs cannot be asked: {error}" if error else "asks which GPUs are there"
        if self._leases is None:
            self._leases = Leases(self._folder)
        self._stand(self._leases, place)
        with self._leases.locked() as is_ours:
            if is_ours:
                self._reason = self._try(self._leases, fresh)
        if not self._is_granted:
            return self._reason
        self.step_back()
        return ""

    def tell(self, pid: int) -> None:
        """Say in the leases which process computes."""
        for descriptors in self._lease_descriptors.values():
            update_record(descriptors[0], self._record(pid))

    def step_back(self) -> None:
        """Leave the line. What has been taken stays taken."""
        self._asker.close()
        if self._ticket is not None:
            self._ticket.leave()
            self._ticket = None

    # --- in line ---

    def _look(self) -> bool:
        """Take in an answer about the GPUs; the first question comes by itself. True when they have just been seen."""
        gpu_answer = self._asker.answer()
        if gpu_answer is None:
            if self._gpus is None:
                self._asker.ask()
            return False
        first = self._gpus is None
        self._gpus = {gpu.name: gpu for gpu in gpu_answer}
        if first:
            self._wants = _resolved(self._wants, gpu_answer)
            why = impossible(self._wants, {gpu.name: gpu.total for gpu in gpu_answer})
            if why:
                raise CannotEverStart(why)
            self._asker.calm()
        return True

    def _stand(self, leases: Leases, place: Place) -> None:
        key = place.key(self._run)
        if self._ticket is None:
            wants = self._wants._asdict()
            self._ticket = Ticket(leases, key, {"run": self._name, "attempt": self._attempt, "wants": wants})
            return
        self._ticket.move(key)

    def _try(self, leases: Leases, fresh: bool) -> str:
        assert self._ticket is not None
        gpus = self._gpus or {}
        slots = [f"cpu-{number}" for number in range(self._width if self._wants.cpu else 0)]
        self._held = held = {device: leases.holders(device) for device in [*(f"gpu-{name}" for name in gpus), *slots]}
        free = [slot for slot in slots if not held[slot]]
        machine = Machine({name: _room(gpu, held[f"gpu-{name}"]) for name, gpu in gpus.items()}, len(free))
        decision = decide(self._wants, leases.earlier(self._ticket.key), machine)
        if not decision.may_start:
            self._asker.calm()
            return self._waiting_text(machine, decision.behind)
        if self._wants.number:
            # By the leases it may start. Processes that have none are looked for only now, and always.
            if not fresh:
                self._asker.ask()
                error = self._asker.error
                return f"the GPUs cannot be asked: {error}" if error else self._reason
            foreign = {name: _strangers(gpu, held[f"gpu-{name}"]) for name, gpu in gpus.items()}
            rooms = {name: room._replace(closed=room.closed or foreign[name]) for name, room in machine.gpus.items()}
            machine = Machine(rooms, len(free))
            decision = decide(self._wants, leases.earlier(self._ticket.key), machine)
            if not decision.may_start:
                return self._waiting_text(machine, decision.behind)
        return self._take(leases, decision.gpus, free[:1] if self._wants.cpu else [])

    def _take(self, leases: Leases, gpus: Sequence[str], slots: Sequence[str]) -> str:
        for device in [*(f"gpu-{name}" for name in gpus), *slots]:
            descriptors = leases.take(device, self._run, self._record(os.getpid()))
            if not descriptors:
                self._give_up()
                return f"{device} was just taken"
            self._lease_descriptors[device] = descriptors
        if gpus:
            assert self._gpus is not None
            self.environment = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
            if self._restrict:
                visible = ",".join(self._gpus[name].uuid or name for name in gpus)
                self.environment["CUDA_VISIBLE_DEVICES"] = visible
        self._is_granted = True
        return ""

    def _give_up(self) -> None:
        for descriptor in self.descriptors:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._lease_descriptors = {}

    def _record(self, pid: int) -> dict[str, Any]:
        memory = self._wants.memory if self._wants.number else 0
        return {"run": self._name, "pid": pid, "attempt": self._attempt, "memory": memory, "since": now()}

    # --- words ---

    def _waiting_text(self, machine: Machine, behind: str) -> str:
        if behind:
            return f"behind {behind} in the queue"
        parts = []
        if self._wants.cpu and machine.lanes < 1:
            holders = [holder for slot, held in self._held.items() if slot.startswith("cpu-") for holder in held]
            parts.append(f"CPU lane full ({self._width} of {self._width}): {_names(holders)}")
        busy = [busy_text for name in self._wants.candidates(machine.gpus) if (busy_text := self._busy(name, machine))]
        if len(busy) > _MOST_NAMED:
            busy[_MOST_NAMED:] = [f"and {len(busy) - _MOST_NAMED} more"]
        return "; ".join([*parts, *busy]) or "too few of the GPUs are left"

    def _busy(self, name: str, machine: Machine) -> str:
        room = machine.gpus.get(name)
        if room is None:
            return f"GPU {name} is gone"
        if room.takes(self._wants.memory):
            return ""
        if room.closed:
            return f"GPU {name} {room.closed}"
        left = f"has {gigabytes(room.left)} left" if self._wants.memory else "busy"
        return f"GPU {name} {left}: {_names(self._held[f'gpu-{name}'])}"


def _room(gpu: GpuStatus, holders: Sequence[Holder]) -> FreeDevice:
    """Return what the leases leave of a GPU."""
    if any(not holder.memory for holder in holders) or (holders and not gpu.total):
        return FreeDevice(gpu.total, 0, len(holders), f"busy: {_names(holders)}")
    return FreeDevice(gpu.total, gpu.total - sum(holder.memory for holder in holders), len(holders))


def _strangers(gpu: GpuStatus, holders: Sequence[Holder]) -> str:
    """Return processes on a GPU that no holder of a lease on it has started, in words; empty when there are none."""
    ours = {holder.attempt: container_ids(holder.attempt) for holder in holders}
    foreign = [
        (pid, size)
        for pid, size in gpu.processes
        if not any(belongs_to(pid, attempt, ids) for attempt, ids in ours.items())
    ]
    if not foreign:
        return ""
    pid, size = max(foreign, key=lambda process: process[1])
    parts = [f"pid {pid}", *([gigabytes(size)] if size else [])]
    if len(foreign) > 1:
        parts.append(f"and {len(foreign) - 1} more")
    return f"busy: {', '.join(parts)}, not ours"


def _names(holders: Sequence[Holder]) -> str:
    return ", ".join(f"run {holder.name}" for holder in holders)


def _resolved(wants: DeviceRequest, gpu_status: Sequence[GpuStatus]) -> DeviceRequest:
    """Return UUIDs, or their beginnings, replaced by indices; what fits nothing stays as it is, to be told."""

    def index_of(name: str) -> str:
        gpu_names = [gpu.name for gpu in gpu_status if name == gpu.name or (gpu.uuid and gpu.uuid == name)]
        gpu_names += [gpu.name for gpu in gpu_status if len(name) > 4 and gpu.uuid.startswith(name)]
        return gpu_names[0] if gpu_names else name

    gpus = wants.gpus if isinstance(wants.gpus, int) else tuple(dict.fromkeys(index_of(name) for name in wants.gpus))
    among = None if wants.among is None else tuple(index_of(name) for name in wants.among)
    return wants._replace(gpus=gpus, among=among)
