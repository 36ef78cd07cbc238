"""`evaluate`: measure P, R, mAP and the pycocotools metrics of a .pt or .onnx file."""

from pathlib import Path

import torch

from engine.contracts.errors import YoloqatError
from engine.contracts.options.evaluate import EvaluateOptions
from engine.contracts.result import StageResult
from engine.data.config import load_data_config
from engine.data.loader import val_loader
from engine.evaluate.final import final_evaluation, fuse_and_report
from engine.evaluate.predictors import OnnxPredictor, Predictor, TorchPredictor
from engine.models.checkpoint import load_checkpoint, model_from_checkpoint
from engine.stages.session import Session


def run(options: EvaluateOptions, session: Session) -> StageResult:
    """Evaluate `weights` on one split."""
    device = session.device(options.device)
    if options.threads:
        torch.set_num_threads(options.threads)
    data = load_data_config(options.data, splits=(options.task,))
    predictor, label = _load_predictor(options, device)
    session.add_input("weights", options.weights)
    session.add_input("data", data.path)
    letterbox = options.letterbox
    if predictor.fixed_size is not None and letterbox == "rect":
        height, width = predictor.fixed_size
        if (height, width) != (options.img_size, options.img_size):
            raise YoloqatError(
                f"this file takes images of {width}×{height} only",
                where=options.weights,
                hint=f"Use --img-size {width}.",
            )
        print("the file has a fixed image size: evaluating with --letterbox square", flush=True)
        letterbox = "square"
    loader = val_loader(
        data,
        options.task,
        options.img_size,
        options.batch_size,
        letterbox=letterbox,
        workers=options.workers,
        single_cls=options.single_cls,
        pin_memory=device.type == "cuda",
    )
    result = final_evaluation(
        predictor,
        loader,
        data,
        label=options.label or label,
        weights=options.weights,
        predictions=session.run_dir / f"{Path(options.weights).stem}_predictions.json",
        settings={
            "conf_thres": options.conf_thres,
            "iou_thres": options.iou_thres,
            "single_cls": options.single_cls,
            "v5_metric": options.v5_metric,
            "verbose": options.verbose or None,
        },
        split=options.task,
    )
    return session.finish({}, evaluations=[result])


def _load_predictor(options: EvaluateOptions, device: torch.device) -> tuple[Predictor, str]:
    """Return the model, ready to evaluate, and its default label."""
    if Path(options.weights).suffix == ".onnx":
        onnx = OnnxPredictor(options.weights, threads=options.threads)
        return onnx, onnx.session.get_modelmeta().custom_metadata_map.get("label") or "ONNX"
    checkpoint = load_checkpoint(options.weights)
    if checkpoint.quant is not None:
        # Imported here: the quantization library takes a second, and most checkpoints are float.
        from engine.quant.state import load_quantized

        stage = str(checkpoint.meta.get("stage", "ptq"))
        return TorchPredictor(load_quantized(checkpoint).to(device)), stage.upper()
    model = fuse_and_report(model_from_checkpoint(checkpoint).requires_grad_(False)).to(device)
    return TorchPredictor(model, half=options.half), "float"
