"""A command's own choice of GPU beside its lease.

Trainers of the YOLO family set CUDA_VISIBLE_DEVICES to what their `--device` says, over what the runner has set: a
command with `--device 0` computes on GPU 0 whatever it has a lease of. Command lines are never rewritten, so both must
agree.
"""

from collections.abc import Sequence

from engine.contracts.errors import YoloqatError
from engine.contracts.spec import Resources
from engine.runner.containers import container_of
from engine.supervise.gpu.inventory import gpus_here

_OPTIONS = ("--device", "-device", "device", "--devices", "--gpu-id", "--gpu-ids")
"""With a value behind a blank or `=`; `device=0` is Ultralytics' way."""


def device_of_command(argv: Sequence[str]) -> list[str] | None:
    """Return the GPUs that a command line names, as indices, `["cpu"]`, or None where it names none.

    What follows `docker run` counts among the GPUs of its container, whichever these are.
    """
    if container_of(argv, "") is not None:
        return None
    value = None
    for position, argument in enumerate(argv[1:], 1):
        name, equals, text = argument.partition("=")
        if name not in _OPTIONS:
            continue
        if equals:
            value = text
        elif name.startswith("-") and position + 1 < len(argv):
            value = argv[position + 1]
    if value is None:
        return None
    names = [name.strip().removeprefix("cuda:") for name in value.strip("[]()'\" ").split(",")]
    if names == ["cpu"] or (names and all(name.isdecimal() for name in names)):
        return names
    return None


def reconcile_devices(resources: Resources, argv: Sequence[str], *, anyway: bool = False) -> Resources:
    """Return the resources with which lease and command mean the same GPUs.

    A lease of any GPU becomes one of the GPU that the command names, and all GPUs stay visible to it: the trainer
    counts among all of them, whether it sets CUDA_VISIBLE_DEVICES or not.

    Args:
        anyway: take the lease as it was asked for, and leave the command to its owner.

    Raises:
        YoloqatError: the lease is of other GPUs than the command computes on.
    """
    named = device_of_command(argv)
    if not resources.gpus or named is None or anyway:
        return resources
    shown = ",".join(named)
    divided = [str(gpu["parent"]) for gpu in gpus_here() if gpu.get("parent")]
    if isinstance(resources.gpus, int):
        if named != ["cpu"] and resources.gpus == len(named) and not set(named) & set(divided):
            return resources.model_copy(update={"gpus": named, "among": None, "restrict": False})
        leased = f"{resources.gpus} GPU{'' if resources.gpus == 1 else 's'}"
    else:
        if set(named) == set(_indices(resources.gpus)):
            return resources.model_copy(update={"restrict": False})
        leased = f"GPU {','.join(resources.gpus)}"
    where = "on the CPU" if named == ["cpu"] else f"on GPU {shown}"
    way_out = "leave --gpu out" if named == ["cpu"] else f"lease that one with --gpu {shown}"
    if set(named) & set(divided):
        where = f"on the first MIG instance of GPU {shown}"
        way_out = "leave --gpu out"
    raise YoloqatError(
        f"the command would compute {where} (--device {shown}) under a lease of {leased}",
        where="--gpu",
        hint=f"Take --device out of the command, which then sees the leased GPU alone, or {way_out}. "
        "--anyway launches it as it stands.",
    )


def _indices(names: Sequence[str]) -> list[str]:
    """Return UUIDs as indices; what is not known stays as it is."""
    by_uuid = {str(gpu["uuid"]): str(gpu["index"]) for gpu in gpus_here()}
    return [
        next(
            (index for uuid, index in by_uuid.items() if name.startswith(("GPU-", "MIG-")) and uuid.startswith(name)),
            name,
        )
        for name in names
    ]
