"""The chain says what each step cost, and never a number that was not measured alike."""

from dataclasses import replace

from app.cli.chain import chain_table
from app.comparing.lineage import ChainStep, lineage
from engine.contracts.states import RunState
from tests.app.comparing.chain_fixtures import SETTINGS, demo_chain, evaluation, made, read, run


def labels(steps: list[ChainStep]) -> list[tuple[int, str, str | None]]:
    return [(step.depth, step.label, step.parent) for step in steps]


def test_the_demo_reads_as_one_chain_with_the_drop_of_each_step() -> None:
    steps = lineage(list(reversed(demo_chain())))
    assert labels(steps) == [
        (0, "float ReLU", None),
        (1, "PTQ", "float ReLU"),
        (2, "QAT", "PTQ"),
        (3, "ONNX Q/DQ", "QAT"),
    ]
    assert [step.delta_parent_text() for step in steps] == ["–", "−1.00", "+0.75", "+0.05"]
    assert [step.delta_float_text() for step in steps] == ["–", "−1.00", "−0.25", "−0.20"]
    assert [step.size_bytes for step in steps] == [1_300_000, 1_400_000, 1_000_000, 2_600_000]
    assert {step.tied_by for step in steps[1:]} == {"content"}
    assert steps[0].seconds == 90.0


def test_content_ties_runs_that_were_launched_apart() -> None:
    chain = [replace(detail, run=replace(detail.run, parents=())) for detail in demo_chain()]
    assert [step.label for step in lineage(chain)] == ["float ReLU", "PTQ", "QAT", "ONNX Q/DQ"]


def test_content_speaks_against_the_specification() -> None:
    shapes, trained, calibrated, *_ = demo_chain()
    other = [read("weights", "7"), made("weights", "c")]
    calibrated = replace(calibrated, artifacts=tuple(other), options={"weights": "/another.pt"}, evaluations=())
    assert lineage([shapes, trained, calibrated]) == []


def test_while_hashes_are_not_known_the_specification_ties() -> None:
    _, trained, *_ = demo_chain()
    waiting = run(
        "p",
        "ptq",
        parents=["s", "f"],
        options={"weights": "/ws/runs/f/weights/best.pt"},
        state=RunState.QUEUED,
        seconds=None,
        age=2,
    )
    steps = lineage([trained, waiting])
    assert labels(steps) == [(0, "float ReLU", None), (1, "PTQ", "float ReLU")]
    assert steps[1].tied_by == "specification"
    assert steps[1].delta_parent_text() == "–"


def test_other_settings_give_a_reason_and_no_number() -> None:
    _, trained, calibrated, *_ = demo_chain()
    rect = evaluation("best", 0.51, settings={**SETTINGS, "letterbox": "rect"})
    calibrated = replace(calibrated, evaluations=calibrated.evaluations[1:])
    steps = lineage([replace(trained, evaluations=(rect,)), calibrated])
    assert steps[1].delta_parent_text() == "≠eval"
    assert steps[1].delta_parent is None
    assert steps[1].not_comparable == "letterbox square ≠ rect"


def test_a_child_that_measured_its_parent_alike_helps_out() -> None:
    _, trained, calibrated, *_ = demo_chain()
    rect = evaluation("best", 0.51, settings={**SETTINGS, "letterbox": "rect"})
    steps = lineage([replace(trained, evaluations=(rect,)), calibrated])
    assert steps[1].delta_parent_text() == "−1.00"
    assert steps[1].not_comparable == ""


def test_a_checkpoint_from_outside_is_the_first_step_as_ptq_measured_it() -> None:
    *_, calibrated, _, exported = demo_chain()
    exported = replace(exported, artifacts=(read("weights", "c"), made("onnx", "9")))
    steps = lineage([calibrated, exported])
    assert labels(steps) == [(0, "float (given)", None), (1, "PTQ", "float (given)"), (2, "ONNX Q/DQ", "PTQ")]
    assert [step.delta_float_text() for step in steps] == ["–", "−1.00", "−0.20"]


def test_two_children_of_one_run_form_a_tree() -> None:
    _, trained, calibrated, *_ = demo_chain()
    twin = replace(
        calibrated, run=replace(calibrated.run, id="p2", created_at=calibrated.run.created_at.replace(hour=1))
    )
    twin = replace(twin, artifacts=(read("weights", "a"), made("weights", "d")))
    steps = lineage([trained, calibrated, twin])
    assert [(step.depth, step.run_id) for step in steps] == [(0, "f"), (1, "p"), (1, "p2")]


def test_a_new_float_model_is_the_reference_of_what_follows() -> None:
    silu = run("0", "retrain", evaluations=[evaluation("best", 0.52001)], artifacts=[made("best", "1")], age=0)
    _, relu, calibrated, *_ = demo_chain()
    relu = replace(relu, artifacts=(*relu.artifacts, read("weights", "1")))
    steps = lineage([silu, relu, calibrated])
    assert [step.label for step in steps] == ["float", "float ReLU", "PTQ"]
    assert [step.delta_float_text() for step in steps] == ["–", "−2.00", "−1.00"]


def test_files_that_are_alike_tie_no_run_to_itself_or_in_a_ring() -> None:
    one = run("1", "qat", evaluations=[evaluation("QAT", 0.4)], artifacts=[read("weights", "a"), made("best", "a")])
    two = run(
        "2", "qat", evaluations=[evaluation("QAT", 0.4)], artifacts=[read("weights", "a"), made("best", "a")], age=1
    )
    assert len(lineage([one, two])) == 2


def test_runs_that_have_nothing_in_common_form_no_chain() -> None:
    one = run("1", "retrain", evaluations=[evaluation("best", 0.4)], artifacts=[read("data", "0"), made("best", "a")])
    two = run("2", "retrain", evaluations=[evaluation("best", 0.4)], artifacts=[read("data", "0"), made("best", "b")])
    assert lineage([one, two]) == []


def test_a_step_at_work_is_not_told_by_the_evaluation_of_its_input() -> None:
    shapes, trained, calibrated, tuned, *_ = demo_chain()
    working = replace(
        tuned,
        run=replace(tuned.run, state=RunState.RUNNING),
        evaluations=(evaluation("PTQ", 0.5),),
        artifacts=tuple(artifact for artifact in tuned.artifacts if artifact.is_input),
    )
    step = lineage([shapes, trained, calibrated, working])[-1]
    assert (step.label, step.metrics, step.delta_parent_text()) == ("QAT", {}, "–")


def test_a_benchmark_tells_the_speed_of_the_step_that_made_the_file() -> None:
    chain = demo_chain()
    files = {"retrain": "a" * 64, "export": "9" * 64}
    timing = {"batch": 1, "median": 29.3, "speed": 2.43}
    models = [
        {"label": "float", "sha256": files["retrain"], "timings": [{"batch": 1, "median": 71.2, "speed": 1.0}]},
        {"label": "ONNX Q/DQ", "sha256": files["export"], "timings": [{"batch": 8, "median": 200.0}, timing]},
        {"label": "ONNX float", "sha256": None, "timings": [timing]},
    ]
    timed = replace(run("9", "benchmark", age=9), details={"benchmark": {"models": models}})
    steps = lineage([*chain, timed])
    assert [step.label for step in steps] == ["float ReLU", "PTQ", "QAT", "ONNX Q/DQ"], "it is no step itself"
    assert [step.speed and (step.speed.milliseconds, step.speed.times) for step in steps] == [
        (71.2, 1.0),
        None,
        None,
        (29.3, 2.43),
    ]
    lines = chain_table(steps).splitlines()
    told = next(line for line in lines if "ONNX Q/DQ" in line)
    assert "2.43×" in told
    assert "SPEED" not in chain_table(lineage(chain))


def test_what_int8_timed_stands_with_its_file_and_the_one_before() -> None:
    chain = demo_chain()
    files = {"float": {"median": 80.0}, "ONNX Q/DQ": {"median": 100.0}, "ONNX INT8": {"median": 40.0}}
    rewritten = run("i", "int8", artifacts=[read("weights", "9"), made("onnx", "7")], parents=["o"], age=5)
    steps = lineage([*chain, replace(rewritten, details={"latency": {"files": files}})])
    assert [step.speed.times for step in steps if step.speed] == [0.8, 2.0]
