"""What a training prints, an epoch at a time."""

TITLES = "%10s" * 8 % ("Epoch", "gpu_mem", "box", "obj", "cls", "total", "labels", "img_size")
CLASSES = ("%20s" + "%12s" * 6) % ("Class", "Images", "Labels", "P", "R", "mAP@.5", "mAP@.5:.95")


def bar(epoch: int, loss: float, batch: int = 2) -> str:
    row = ("%10s" * 2 + "%10.4g" * 6) % (f"{epoch}/29", "1.2G", loss, 0.02, 0.01, loss + 0.03, 12, 640)
    return f"\n{TITLES}\n{row}: {50 * batch}%|#####| {batch}/2 [00:01<00:00,  2.00it/s]"


def epoch(number: int, loss: float = 0.1, rating: float | None = None) -> str:
    text = bar(number, loss) + "\n"
    if rating is not None:
        text += f"{CLASSES}\n" + ("%20s" + "%12i" * 2 + "%12.3g" * 4) % ("all", 128, 900, 0.5, 0.4, 0.6, rating) + "\n"
    return text
