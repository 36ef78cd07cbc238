"""What a run needs to itself: what our stages need by their options, and what a person asks for."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.contracts.errors import YoloqatError
from engine.contracts.options.base import StageOptions
from engine.contracts.spec import Resources
from engine.supervise.gpu.inventory import gpus_here

VISIBLE_VARIABLE = "CUDA_VISIBLE_DEVICES"
_LIGHT = frozenset({"shapes"})
"""Stages that need nothing to themselves."""


def resources_of_stage(stage: str, options: StageOptions, environment: Mapping[str, str] = os.environ) -> Resources:
    """Return what one of our stages needs, by its `--device`, which counts as PyTorch does: among the visible GPUs.

    `cpu`, or no GPU here: the CPU lane. Empty: any GPU. A number: that one. A device that isn't there needs nothing,
    and the stage refuses it in its own words. What has no `--device` computes on the CPU.
    """
    if stage in _LIGHT:
        return Resources()
    device = getattr(options, "device", "cpu").strip().lower()
    if device == "cpu" or Path(getattr(options, "weights", None) or "").suffix == ".onnx":
        return Resources(cpu=True)
    visible = visible_gpus(environment)
    if not device:
        if not visible:
            return Resources(cpu=True)
        return Resources(gpus=1, among=visible if VISIBLE_VARIABLE in environment else None)
    number = device.removeprefix("cuda:").removeprefix("cuda").strip() or "0"
    if not number.isdecimal() or int(number) >= len(_as_cuda_counts(visible)):
        return Resources()
    # The stage counts among what it sees: the first is the first of one GPU as it is of all.
    return Resources(gpus=[visible[int(number)]], restrict=int(number) == 0)


def _as_cuda_counts(visible: Sequence[str]) -> Sequence[str]:
    """Return the devices that a process finds: a process uses one MIG instance, the first, and nothing beside it."""
    return visible[:1] if visible and is_instance(visible[0]) else visible


def is_instance(name: str) -> bool:
    """Return whether a device is named by the UUID of a MIG instance."""
    return name.startswith("MIG-")


def requested_resources(
    *,
    gpu: str | None = None,
    gpus: int | None = None,
    memory_gb: float | None = None,
    cpu_lane: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> Resources:
    """Return what a person asks for on the command line of any program.

    Args:
        gpu: `any`, or indices as nvidia-smi counts or UUIDs, with commas; MIG instances by their UUIDs alone.
        gpus: how many, whichever are free.
        memory_gb: on each of them; they may then be shared.

    Raises:
        YoloqatError: there is no GPU, fewer than asked for, or not the one that is named.
    """
    if gpu is None and gpus is None:
        if memory_gb is not None:
            raise YoloqatError(
                "--gpu-memory needs a GPU", where="--gpu-memory", hint="Add --gpu any, --gpu 0 or --gpus N."
            )
        return Resources(cpu=cpu_lane)
    if gpu is not None and gpus is not None:
        raise YoloqatError("give --gpu or --gpus, not both", hint="--gpu says which, --gpus how many.")
    if memory_gb is not None and memory_gb <= 0:
        raise YoloqatError(f"{memory_gb:g} GB is not a valid amount of memory", where="--gpu-memory")
    memory = round((memory_gb or 0) * 1e9)
    devices = gpus_here()
    if not devices:
        raise YoloqatError(
            "this machine has no GPU", where="--gpu", hint="`nvidia-smi` shows what the driver sees. Leave --gpu out."
        )
    if gpu is not None and gpu != "any":
        named = [name.strip() for name in gpu.split(",") if name.strip()]
        _check_named(named, devices)
        return Resources(gpus=named, memory=memory, cpu=cpu_lane)
    visible = visible_gpus(environment)
    number = 1 if gpus is None else gpus
    if not 1 <= number <= len(visible):
        raise YoloqatError(f"there are {len(visible)} GPUs to choose from, not {number}", where="--gpus")
    among = visible if VISIBLE_VARIABLE in environment else None
    if number > 1 and any(map(is_instance, visible)):
        among = [name for name in visible if not is_instance(name)]
        if len(among) < number:
            raise YoloqatError(
                f"there are {len(among)} whole GPUs, not {number}: CUDA uses one MIG instance per process",
                where="--gpus",
                hint="--gpu any leases one instance.",
            )
    return Resources(gpus=number, among=among, memory=memory, cpu=cpu_lane)


def visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """Return the GPUs that CUDA_VISIBLE_DEVICES leaves, in its order, by index where they are told so; all without
    it.
    """
    there = gpus_here()
    if VISIBLE_VARIABLE not in environment:
        return [str(gpu["index"]) for gpu in there]
    visible: list[str] = []
    for name in environment[VISIBLE_VARIABLE].split(","):
        indices = [str(gpu["index"]) for gpu in there if _is_called(gpu, name.strip())]
        if not indices:  # as CUDA does it: nothing after the first that isn't there
            break
        visible.append(indices[0])
    return visible


def _is_called(gpu: Mapping[str, object], name: str) -> bool:
    return name == str(gpu["index"]) or (name.startswith(("GPU-", "MIG-")) and str(gpu["uuid"]).startswith(name))


def _check_named(named: Sequence[str], devices: Sequence[Mapping[str, object]]) -> None:
    there = [str(device["index"]) for device in devices]
    parts = [str(device["index"]) for device in devices if str(device.get("parent")) in named]
    if parts:
        raise YoloqatError(
            f"GPU {', '.join(name for name in named if name not in there)} is divided into MIG instances",
            where="--gpu",
            hint=f"Lease one: {', '.join(parts)}. `any` takes one that is free.",
        )
    absent = [
        name
        for name in named
        if not name.startswith("GPU-") and not any(_is_called(device, name) for device in devices)
    ]
    if absent or not named:
        raise YoloqatError(
            f"there is no GPU {', '.join(absent) or 'of that name'}",
            where="--gpu",
            hint=f"There {'is' if len(there) == 1 else 'are'}: {', '.join(there)}. `any` takes one that is free.",
        )
    if len(named) > 1 and any(map(is_instance, named)):
        raise YoloqatError(
            "CUDA uses one MIG instance per process, and no whole GPU beside it",
            where="--gpu",
            hint="Name one instance, or whole GPUs.",
        )
