"""The resource usage of a run as text."""

from collections.abc import Mapping, Sequence

from app.formatting import size
from db.views import UsageView

_Numbers = Mapping[str, UsageView]


def resource_usage_rows(usage: Sequence[UsageView]) -> list[tuple[str, str]]:
    """Return (device, text), GPUs first: `GPU 0`, `87 % (most 100 %), 9.8 of 80.0 GB, 312 W, 61 °C`."""
    devices: dict[str, dict[str, UsageView]] = {}
    for row in usage:
        devices.setdefault(row.device, {})[row.key] = row
    rows = [(name.replace("gpu", "GPU"), _gpu(devices[name])) for name in devices if name.startswith("gpu ")]
    rows += [(name, describe(devices[name])) for name, describe in (("run", _run), ("host", _host)) if name in devices]
    return [(name, text) for name, text in rows if text]


def _gpu(numbers: _Numbers) -> str:
    parts = []
    if load := numbers.get("utilization_percent"):
        parts.append(f"{load.mean:.0f} % (most {load.most:.0f} %)")
    if run_memory := numbers.get("run_memory_bytes"):
        parts.append(f"{size(run_memory.most)} by the run")
    parts += _memory(numbers, "memory_used_bytes", "memory_bytes", "")
    if power := numbers.get("power_watts"):
        parts.append(f"{power.mean:.0f} W")
    if temperature := numbers.get("temperature_celsius"):
        parts.append(f"{temperature.most:.0f} °C")
    return ", ".join(parts)


def _run(numbers: _Numbers) -> str:
    parts = []
    if cpu := numbers.get("cpu_percent"):
        parts.append(f"{cpu.mean / 100:.1f} cores (most {cpu.most / 100:.1f})")
    if resident := numbers.get("rss_bytes"):
        parts.append(f"{size(resident.most)} of RAM at most")
    return ", ".join(parts)


def _host(numbers: _Numbers) -> str:
    parts = []
    if cpu := numbers.get("cpu_percent"):
        parts.append(f"CPU {cpu.mean:.0f} %")
    parts += _memory(numbers, "memory_used_bytes", "memory_bytes", " of RAM at most")
    if disk := numbers.get("disk_free_bytes"):
        parts.append(f"{size(disk.last)} of disk left")
    return ", ".join(parts)


def _memory(numbers: _Numbers, used: str, total: str, end: str) -> list[str]:
    if used not in numbers:
        return []
    total_text = f" of {size(numbers[total].last)}" if total in numbers else ""
    return [f"{size(numbers[used].most)}{total_text}{end}"]
