"""Options of `shapes`, which draws the demo's data set."""

from engine.contracts.options.base import StageOptions, option


class ShapesOptions(StageOptions):
    """A YOLO-format data set of drawn shapes over cluttered backgrounds; the same seed draws the same pixels."""

    train_images: int = option(600, "training images", ge=1)
    val_images: int = option(200, "validation images", ge=1)
    image_size: int = option(128, "width and height in pixels", flags=("--img-size",), ge=32)
    seed: int = option(0, "seed of the drawing", ge=0)
