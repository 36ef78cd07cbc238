"""Other trainers' logs, written after what they print: known by name, and no line is an epoch or an evaluation."""

import pytest

from engine.contracts.facts import CocoLine, EpochRow, Fact, Note, ValidationRow
from tests.engine.logs.printed import bar, only, read
from tests.engine.logs.reading import FIXTURES
from tests.engine.logs.test_dialects import CONSOLES
from tests.engine.logs.test_pycocotools import coco

YOLOX = """\
2026-11-20 10:15:01 | INFO     | yolox.core.trainer:202 - ---> start train epoch1
2026-11-20 10:15:09 | INFO     | yolox.core.trainer:260 - epoch: 1/300, iter: 10/37, mem: 7482Mb, iter_time: 0.8s, \
data_time: 0.001s, total_loss: 17.8, iou_loss: 4.6, l1_loss: 0.0, conf_loss: 10.9, cls_loss: 2.3, lr: 1.5e-07, size: 640
2026-11-20 10:16:09 | INFO     | yolox.core.trainer:357 - Save weights to ./YOLOX_outputs/yolox_s
Average forward time: 4.45 ms, Average NMS time: 0.81 ms, Average inference time: 5.26 ms
| class | AP     | class | AP     |
|:------|:-------|:------|:-------|
| apple | 37.413 | pear  | 41.250 |
"""
MMDET_2 = """\
2026-11-20 10:15:01,123 - mmdet - INFO - workflow: [('train', 1)], max: 12 epochs
2026-11-20 10:15:09,456 - mmdet - INFO - Epoch [1][50/7330]\tlr: 9.890e-04, eta: 1 day, 2:03:04, time: 0.5, \
memory: 3775, loss_rpn_cls: 0.6, loss_bbox: 0.05, acc: 87.3, loss: 1.4
2026-11-20 10:35:09,456 - mmdet - INFO - Epoch(val) [1][5000]\tbbox_mAP: 0.374, bbox_mAP_50: 0.581, bbox_mAP_75: 0.404
"""
MMDET_3 = """\
11/20 10:15:01 - mmengine - INFO - Epoch(train)   [1][ 50/128]  lr: 9.9e-04  eta: 0:20:00  time: 0.5  loss: 1.2
11/20 10:16:01 - mmengine - INFO - Epoch(val) [1][5000/5000]    coco/bbox_mAP: 0.3740  coco/bbox_mAP_50: 0.5810
"""
MMDET_JSON = """\
{"env_info": "sys.platform: linux", "seed": 0, "exp_name": "yolov3.py"}
{"mode": "train", "epoch": 1, "iter": 50, "lr": 0.00099, "memory": 3775, "loss": 1.4, "time": 0.5}
{"mode": "val", "epoch": 1, "iter": 5000, "lr": 0.001, "bbox_mAP": 0.374, "bbox_mAP_50": 0.581}
"""
LIGHTNING = f"""\
GPU available: True (cuda), used: True
LOCAL_RANK: 0 - CUDA_VISIBLE_DEVICES: [0]
  | Name  | Type | Params | Mode
0 | model | YOLO | 6.0 M  | train
Epoch 0: 100%|##########| 118/118 [00:22<00:00,  5.2it/s, v_num=3, train/box_loss=0.061, train/obj_loss=0.02]
Validation DataLoader 0: {bar(12, 12)}
Epoch 1: 100%|##########| 118/118 [00:22<00:00,  5.2it/s, v_num=3, val/mAP=0.301]
`Trainer.fit` stopped: `max_epochs=2` reached.
"""
KERAS = """\
Epoch 1/3
1875/1875 [==============================] - 5s 2ms/step - loss: 0.2923 - accuracy: 0.9155 - val_loss: 0.14
Epoch 2/3
\x1b[1m1875/1875\x1b[0m \x1b[32m━━━━━━━━━━━━━━━━━━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m5s\x1b[0m 2ms/step - loss: 0.1423
"""
TRANSFORMERS = """\
***** Running training *****
  Num examples = 1,200
  Num Epochs = 3
 33%|###       | 75/225 [00:20<00:40,  3.70it/s]
{'loss': 0.6931, 'grad_norm': 1.2, 'learning_rate': 4.0e-05, 'epoch': 1.0}
{'eval_loss': 0.5123, 'eval_map': 0.3741, 'eval_map_50': 0.581, 'eval_runtime': 3.1, 'epoch': 1.0}
{'train_runtime': 61.2, 'train_samples_per_second': 58.8, 'train_loss': 0.55, 'epoch': 3.0}
"""
TAO = """\
2026-11-20 10:15:01,123 [TAO Toolkit] [INFO] nvidia_tao_tf1.cv.yolo_v4.scripts.train 54: Loading experiment spec.
Epoch 1/80
 3/1250 [..............................] - ETA: 1:20:01 - loss: 9541.2
Validation cost: 0.000133
Mean average_precision (in %): 94.2563

class name      average precision (in %)
------------  --------------------------
car                              94.2563
*******************************
car           AP    0.94256
              mAP   0.94256
*******************************
"""
DETECTRON = """\
[11/20 10:15:01 d2.utils.events]:  eta: 0:20:00  iter: 19  total_loss: 1.2  loss_box_reg: 0.4  lr: 0.001  max_mem: 3775M
[11/20 10:16:01 d2.evaluation.testing]: copypaste: AP,AP50,AP75,APs,APm,APl
[11/20 10:16:01 d2.evaluation.testing]: copypaste: 37.4123,58.1,40.4,21.1,42.3,48.9
"""
PADDLE = """\
[11/20 10:15:01] ppdet.engine INFO: Epoch: [0] [  0/437] learning_rate: 0.000 loss: 3.1 loss_cls: 1.1 eta: 1:02:03
"""
DETR = """\
Epoch: [0]  [  0/118]  eta: 0:05:10  lr: 0.000100  class_error: 97.2  loss: 45.3 (45.3)  loss_bbox: 3.1  max mem: 3775
IoU metric: bbox
"""
DARKNET = """\
 1000: 2.950644, 3.120340 avg loss, 0.001000 rate, 5.203040 seconds, 64000 images, 12.3 hours left
 (next mAP calculation at 1100 iterations)
 mean average precision (mAP@0.50) = 0.655100, or 65.51 %
"""
OTHERS = {
    "YOLOX": YOLOX,
    "OpenMMLab": MMDET_2,
    "OpenMMLab 3": MMDET_3,
    "OpenMMLab JSON": MMDET_JSON,
    "Lightning": LIGHTNING,
    "Keras": KERAS,
    "Transformers": TRANSFORMERS,
    "TAO": TAO,
    "Detectron2": DETECTRON,
    "PaddleDetection": PADDLE,
    "DETR": DETR,
    "Darknet": DARKNET,
}
everyone = pytest.mark.parametrize("name", OTHERS)


def numbers(facts: list[Fact]) -> list[Fact]:
    """The facts that hold some."""
    return [fact for fact in facts if isinstance(fact, EpochRow | ValidationRow | CocoLine)]


@everyone
def test_known_by_name_and_nothing_of_it_is_a_number(name: str) -> None:
    facts = read(OTHERS[name].encode())
    assert numbers(facts) == []
    assert [note.text for note in only(Note, facts) if note.kind == "foreign"] == [name.split()[0]]


@everyone
@pytest.mark.parametrize("prefix", ["0: ", "[rank0]: ", "1683014400123 host:0 info "])
def test_behind_what_launchers_print(name: str, prefix: str) -> None:
    assert numbers(read("".join(f"{prefix}{line}\n" for line in OTHERS[name].splitlines()).encode())) == []


@everyone
def test_beside_the_logs_that_are_read(name: str) -> None:
    """Under another trainer's titles, too, nothing of it is a row."""
    for path in CONSOLES:
        own = path.read_bytes()
        assert numbers(read(own + b"\n" + OTHERS[name].encode())) == numbers(read(own)), path.name
        assert numbers(read(OTHERS[name].encode() + own)) == numbers(read(own)), path.name


@pytest.mark.parametrize("name", ["YOLOX", "DETR", "OpenMMLab"])
def test_pycocotools_in_it_is_read_and_is_no_epoch(name: str) -> None:
    facts = read((OTHERS[name] + "\n".join(coco(0.374)) + "\n").encode())
    assert {(fact.epoch, fact.weights) for fact in only(CocoLine, facts)} == {(None, None)}
    assert [fact.text for fact in only(CocoLine, facts) if fact.key == "AP"] == ["0.374"]
    assert only(EpochRow, facts) == []


def test_a_log_that_is_read_is_nobody_elses() -> None:
    for path in FIXTURES.iterdir():
        assert [note for note in only(Note, read(path.read_bytes())) if note.kind == "foreign"] == [], path.name


@pytest.mark.parametrize(
    "csv",
    [
        "epoch,step,train_loss,val_loss\n0,117,0.06,0.05\n",  # Lightning
        "epoch,accuracy,loss,val_accuracy,val_loss\n0,0.91,0.29,0.95,0.14\n",  # Keras
        "epoch,train/box_loss,metrics/mAP_0.5\n0,0.1,0.2\n",  # not all of the four
        "step,epoch,metrics/precision,metrics/recall,metrics/mAP_0.5,metrics/mAP_0.5:0.95\n0,0,0,0,0,0\n",
    ],
)
def test_tables_of_others_are_not_read(csv: str) -> None:
    assert read(csv.encode()) == []
