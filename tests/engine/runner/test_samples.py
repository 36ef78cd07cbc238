"""What a run takes."""

import json
import os
import time

from engine.runner.processes import samples
from engine.runner.processes.samples import Rhythm, Sampler, thin


def test_a_busy_child_is_seen(tmp_path):
    console = os.open(tmp_path / "console.log", os.O_WRONLY | os.O_CREAT)
    sampler = Sampler(str(tmp_path / "system.jsonl"), console, "mark")
    child = os.fork()
    if child == 0:
        while True:
            pass
    try:
        time.sleep(0.5)
        sampler.sample()
        time.sleep(0.5)
        os.write(console, b"output")
        sampler._scan_due = float("inf")  # the child is known by now; nothing has to be looked for
        sampler.sample()
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(console)
    first, second = (json.loads(line) for line in (tmp_path / "system.jsonl").read_text().splitlines())
    assert first["cpu_percent"] > 2
    assert first["host_cpu_percent"] > 2
    assert second["processes"] >= 1
    assert second["cpu_percent"] > 2  # other work on the machine may take the rest
    assert second["rss_bytes"] > 1_000_000
    assert 0 < second["host_memory_used_bytes"] < second["host_memory_bytes"]
    assert first["silent_seconds"] < 1
    assert second["silent_seconds"] == 0
    assert second["rhythm_seconds"] > 0.4


def test_the_usual_silence_is_the_median(monkeypatch):
    moment = [100.0]
    monkeypatch.setattr(samples.time, "monotonic", lambda: moment[0])
    rhythm = Rhythm(0)
    assert rhythm.observe(0) == (0.0, None)
    size = 0
    for gap in (2, 2, 300, 2, 2):
        moment[0] += gap
        size += 1
        assert rhythm.observe(size)[0] == 0
    moment[0] += 77
    assert rhythm.observe(size) == (77, 2)


def test_growth_is_bounded_and_the_whole_time_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "LIMIT_BYTES", 20_000)
    console = os.open(tmp_path / "console.log", os.O_WRONLY | os.O_CREAT)
    sampler = Sampler(str(tmp_path / "system.jsonl"), console, "mark")
    sampler._scan_due = float("inf")
    for _ in range(400):
        sampler.sample()
    os.close(console)
    lines = [json.loads(line) for line in (tmp_path / "system.jsonl").read_text().splitlines()]
    assert (tmp_path / "system.jsonl").stat().st_size <= 20_400
    times = [line["monotonic"] for line in lines]
    assert times == sorted(times)
    assert os.listdir(tmp_path).count("system.jsonl.tmp") == 0


def test_thinning_keeps_every_second_line(tmp_path):
    path = tmp_path / "system.jsonl"
    path.write_text("".join(f"{number}\n" for number in range(7)))
    thin(str(path))
    assert path.read_text().split() == ["1", "3", "5"]


def test_a_folder_that_has_gone_does_not_matter(tmp_path):
    console = os.open(tmp_path / "console.log", os.O_WRONLY | os.O_CREAT)
    Sampler(str(tmp_path / "gone" / "system.jsonl"), console, "mark").sample()
    os.close(console)
