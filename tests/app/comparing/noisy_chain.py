"""float → PTQ → INT8 in a workspace, with what was right in each image: PTQ's drop is noise, INT8's is none."""

from engine.contracts.outcome import Outcome, OutcomeKind
from engine.contracts.result import Artifact, EvaluationResult, EvaluationSettings, StageResult
from engine.contracts.run_folder import RunFolder, Workspace
from engine.contracts.spec import RunSpec
from engine.evaluate.matches import Matches
from engine.supervise.launch.ids import new_run_id
from tests.engine.evaluate.simulated import evaluated, mean_ap

MODELS = (
    ("float", "retrain", "float", evaluated(0.8)),
    ("calibrated", "ptq", "PTQ", evaluated(0.8, seed=2)),
    ("int8", "int8", "ONNX INT8", evaluated(0.5, seed=3)),
)


def add_chain(workspace: Workspace) -> list[RunFolder]:
    """The three runs, tied by content."""
    folders = []
    for number, (name, stage, label, matches) in enumerate(MODELS):
        made = _file("best", str(number))
        read = [_file("weights", str(number - 1))] if number else []
        folders.append(_add(workspace, name, stage, label, matches, read, made))
    return folders


def _file(role: str, digit: str) -> Artifact:
    return Artifact(role=role, path=f"weights/{digit}.pt", size_bytes=1000, sha256=digit * 64)


def _add(
    workspace: Workspace, name: str, stage: str, label: str, matches: Matches, read: list[Artifact], made: Artifact
) -> RunFolder:
    folder = workspace.run(new_run_id())
    folder.attempt(1).path.mkdir(parents=True)
    folder.attempt(1).console.write_bytes(b"")
    RunSpec(id=folder.id, name=name, stage=stage).write(folder.spec)
    outcome = Outcome(kind=OutcomeKind.EXITED, exit_code=0, seconds=1.0)
    folder.attempt(1).outcome.write_text(outcome.model_dump_json())
    matches.save(folder.path / "best_matches.npz")
    settings = EvaluationSettings(
        data=matches.data, split="val", images=40, image_size=640, letterbox="square", conf_thres=0.001, iou_thres=0.65
    )
    evaluation = EvaluationResult(
        label=label,
        weights="weights/best.pt",
        backend="pytorch",
        settings=settings,
        metrics={"mAP@.5": 0.7, "mAP@.5:.95": mean_ap(matches)},
        matches="best_matches.npz",
    )
    StageResult(stage=stage, seconds=1.0, inputs=read, artifacts=[made], evaluations=[evaluation]).write(folder.result)
    return folder
