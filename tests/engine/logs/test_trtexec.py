"""trtexec's output, written after NVIDIA's description: two versions' summaries, and an engine that was not built."""

import pytest

from engine.contracts.facts import Crash, EpochRow, LogFormat, OutOfMemory, StageEvent, ValidationRow
from engine.logs.dialects.trtexec import TrtexecResult, parse_trtexec
from tests.engine.logs.printed import HEADER, VALIDATION, bar, log, metrics, only, read, row
from tests.engine.logs.reading import FIXTURES, read_fixture

FIXTURE = (FIXTURES / "trtexec_8.txt").read_bytes()

SUMMARY = "[11/20/2026-10:15:01] [I] Throughput: 66.0077 qps"


def parse(name: str) -> TrtexecResult:
    return parse_trtexec((FIXTURES / name).read_text())


def test_how_the_engine_was_built() -> None:
    result = parse("trtexec_8.txt")
    assert (result.passed, result.version, result.device) == (True, "8.5.3", "Orin")
    assert (result.precision, result.strongly_typed) == ("FP32+FP16+INT8", False)
    assert (result.engine, result.engine_mib, result.build_seconds) == ("qat.engine", "37", "412.7")
    assert (dict(result.inputs), result.batch) == ({"images": "4x3x640x640"}, 4)
    assert result.command == (
        "trtexec --onnx=qat.onnx --int8 --fp16 --saveEngine=qat.engine --shapes=images:4x3x640x640"
    )


def test_how_fast_it_ran() -> None:
    result = parse("trtexec_8.txt")
    assert (result.throughput_qps, result.host_seconds, result.gpu_seconds) == ("66.0077", "3.0451", "3.01361")
    assert set(result.timings) == {"latency", "enqueue", "h2d", "gpu_compute", "d2h"}
    latency = result.timings["latency"]
    assert (latency.min, latency.max, latency.mean, latency.median) == ("15.5103", "17.2417", "15.6644", "15.6204")
    assert dict(latency.percentiles) == {"99": "16.8999"}
    assert result.timings["gpu_compute"].median == "14.9503"
    assert result.warnings == ("GPU compute time is unstable, with coefficient of variance = 2.31%.",)


def test_tensorrt_11_holds_the_types_of_the_file_and_prints_three_percentiles() -> None:
    result = parse("trtexec_11.txt")
    assert (result.passed, result.version, result.strongly_typed, result.precision) == (True, "11.0.0", True, None)
    assert (result.engine_mib, result.batch) == ("13.1094", 1)
    assert dict(result.timings["latency"].percentiles) == {"90": "0.748535", "95": "0.751953", "99": "0.787109"}


def test_an_engine_that_was_not_built_has_errors_and_no_numbers() -> None:
    result = parse("trtexec_failed.txt")
    assert (result.passed, result.throughput_qps, dict(result.timings)) == (False, None, {})
    assert len(result.errors) == 6
    assert result.errors[2] == "Failed to parse onnx file"


def test_the_precision_of_a_loaded_engine_is_not_told() -> None:
    text = (FIXTURES / "trtexec_8.txt").read_text().replace("Load engine: ", "Load engine: other.engine")
    assert parse_trtexec(text).precision is None


def test_an_output_that_ends_early_is_neither_passed_nor_failed() -> None:
    lines = (FIXTURES / "trtexec_11.txt").read_text().splitlines()
    result = parse_trtexec("\n".join(lines[:-1]))
    assert result.passed is None
    assert result.throughput_qps == "1705.09"


def test_of_several_runs_the_last_one_counts() -> None:
    text = "".join((FIXTURES / name).read_text() for name in ("trtexec_8.txt", "trtexec_failed.txt"))
    assert parse_trtexec(text) == parse("trtexec_failed.txt")


@pytest.mark.parametrize(
    "line",
    [
        "Throughput: 66.0077 qps",  # not trtexec's own line
        "[11/20/2026-10:15:01] [I] Throughput: fast qps",
        "[11/20/2026-10:15:01] [I] Latency: min = 1 ms, max = 2 ms",
        "[11/20/2026-10:15:01] [I] Sleep Time: min = 1 ms, max = 1 ms, mean = 1 ms, median = 1 ms",
        "[11/20/2026-10:15:01] [W] [TRT] Throughput: 66.0077 qps",
    ],
)
def test_what_is_not_its_summary_is_not_read(line: str) -> None:
    assert parse_trtexec(line) == TrtexecResult()
    assert parse_trtexec(SUMMARY).throughput_qps == "66.0077"


@pytest.mark.parametrize(
    ("banner", "version"),
    [
        ("[TensorRT v8001]", "8.0.1"),
        ("[TensorRT v100001]", "10.0.1"),
        ("[TensorRT v101600] [b72]", "10.16.0"),
        ("[TensorRT v110300] [b99]", "11.3.0"),
        ("[TensorRT v8.6.1]", "8.6.1"),
        ("", None),
    ],
)
def test_versions_by_their_banners(banner: str, version: str | None) -> None:
    result = parse_trtexec(f"&&&& RUNNING TensorRT.trtexec {banner} # trtexec\n&&&& PASSED TensorRT.trtexec {banner}")
    assert (result.version, result.passed) == (version, True)


def test_up_to_8_4_the_whole_way_is_told_too() -> None:
    line = "[11/20/2026-10:15:01] [I] End-to-End Host Latency: min = 40.5 ms, max = 40.9 ms, mean = 40.6 ms, "
    assert parse_trtexec(f"{line}median = 40.7 ms, percentile(99%) = 40.9 ms").timings["end_to_end"].median == "40.7"


def test_explanations_of_a_verbose_log_are_no_numbers() -> None:
    text = (FIXTURES / "trtexec_8.txt").read_text()
    said = "[11/20/2026-10:15:01] [V] Throughput: the observed throughput computed by dividing the number of queries\n"
    assert parse_trtexec(text.replace("\n&&&& PASSED", f"\n{said}&&&& PASSED")) == parse("trtexec_8.txt")


def test_a_log_of_it_tells_of_one_benchmark() -> None:
    facts, parser = read_fixture("trtexec_8.txt")
    assert only(LogFormat, facts) == [LogFormat("trtexec", 0)]
    [event] = only(StageEvent, facts)
    assert event.name == "benchmark"
    assert event.payload["timings"]["gpu_compute"]["median"] == 14.9503
    assert event.payload["timings"]["latency"]["percentiles"] == {"99": 16.8999}
    assert {key: event.payload[key] for key in ("program", "version", "batch", "throughput_qps", "unit")} == {
        "program": "trtexec",
        "version": "8.5.3",
        "batch": 4,
        "throughput_qps": 66.0077,
        "unit": "ms",
    }
    assert parser.not_understood == 0


def test_a_log_of_one_that_failed_tells_of_a_crash_and_of_no_benchmark() -> None:
    facts, _ = read_fixture("trtexec_failed.txt")
    assert only(StageEvent, facts) == []
    [crash] = only(Crash, facts)
    assert crash.error == (
        'trtexec: ModelImporter.cpp:773: While parsing node number 114 [Concat -> "/model.9/Concat_output_0"]:'
    )
    assert len(crash.traceback.splitlines()) == 6


def test_memory_that_ran_out_is_told() -> None:
    lines = (FIXTURES / "trtexec_failed.txt").read_text().replace("Failed to parse onnx file", "CUDA out of memory")
    assert only(OutOfMemory, read(lines.encode())) == [OutOfMemory("CUDA out of memory")]


def test_numbers_of_a_run_whose_end_is_missing_are_not_told() -> None:
    lines = (FIXTURES / "trtexec_11.txt").read_text().splitlines()
    assert only(StageEvent, read("\n".join(lines[:-1]).encode())) == []


def test_a_training_in_the_same_file_is_one_of_yolov7() -> None:
    training = log(HEADER, f"{row(0)}: {bar(3, 3)}", f"{VALIDATION}: {bar(2, 2)}", metrics("all", 0.1, 0.2, 0.3, 0.25))
    for data in (training + b"\n" + FIXTURE, FIXTURE + training):
        facts = read(data)
        assert [fact.epoch for fact in only(EpochRow, facts)] == [0]
        assert [fact.values["mAP@.5"] for fact in only(ValidationRow, facts)] == ["0.3"]
        assert len(only(StageEvent, facts)) == 1
