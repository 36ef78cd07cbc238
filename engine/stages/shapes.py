"""`shapes`: draw the synthetic data set of the demo."""

from engine.contracts.options.shapes import ShapesOptions
from engine.contracts.result import StageResult
from engine.data.synthetic.shapes import draw_data_set
from engine.stages.session import Session


def run(options: ShapesOptions, session: Session) -> StageResult:
    """Draw images and labels into `data/` of the run folder; the artifact is the data set YAML."""
    path = draw_data_set(
        session.run_dir / "data", options.train_images, options.val_images, options.image_size, options.seed
    )
    return session.finish({"data": path}, details={"images": options.train_images + options.val_images})
