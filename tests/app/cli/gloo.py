"""A script for torchrun: all processes add up their ranks over gloo, then it ends as its argument says."""

import os
import sys
import time

import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank, world = dist.get_rank(), dist.get_world_size()
number = torch.tensor([rank + 1.0])
dist.all_reduce(number)
print(f"rank {rank} of {world} on {os.environ.get('SLURMD_NODENAME', 'here')}: sum {number.item():g}", flush=True)
what = sys.argv[1] if len(sys.argv) > 1 else ""
try:
    if what == "fail" and rank == 1:
        raise ValueError("no labels in train")
    while what in ("stay", "fail"):
        time.sleep(0.1)
except KeyboardInterrupt:
    print(f"rank {rank} saved", flush=True)
    sys.exit(130)
dist.destroy_process_group()
