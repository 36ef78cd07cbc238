"""A foreign trainer, to be copied as `train.py`: a checkpoint after each epoch, and `--resume CHECKPOINT`.

Where a file `hold` lies in its directory, a first attempt trains no further than epoch 3: it is there to be killed.
"""

import pathlib
import sys
import time

EPOCHS = 6
folder = pathlib.Path("runs/train/exp")
done = 0
if "--resume" in sys.argv:
    last = pathlib.Path(sys.argv[sys.argv.index("--resume") + 1])
    folder, done = last.parents[1], int(last.read_text())
(folder / "weights").mkdir(parents=True, exist_ok=True)
print(f"Logging results to \x1b[1m{folder}\x1b[0m")
print(f"Starting training for {EPOCHS} epochs...", flush=True)
for epoch in range(done, EPOCHS):
    print(("\n" + "%10s" * 8) % ("Epoch", "gpu_mem", "box", "obj", "cls", "total", "labels", "img_size"))
    row = ("%10s" * 2 + "%10.4g" * 6) % (f"{epoch}/{EPOCHS - 1}", "1.2G", 0.1 / (epoch + 1), 0.02, 0.01, 0.04, 12, 640)
    print(f"{row}: 100%|#####| 2/2 [00:01<00:00,  2.00it/s]", flush=True)
    time.sleep(0.3)
    while epoch == 3 and "--resume" not in sys.argv and pathlib.Path("hold").exists():
        time.sleep(0.05)
    print(("%20s" + "%12s" * 6) % ("Class", "Images", "Labels", "P", "R", "mAP@.5", "mAP@.5:.95"))
    print(("%20s" + "%12i" * 2 + "%12.3g" * 4) % ("all", 128, 900, 0.5, 0.4, 0.1, 0.01 * (epoch + 1)), flush=True)
    (folder / "weights" / "last.pt").write_text(str(epoch + 1))
print(f"{EPOCHS - done} epochs completed in 0.001 hours.\n")
