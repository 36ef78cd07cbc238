"""Supervision: launch a run, stop it, read its state.

| file | what it does |
|---|---|
| `launch/` | launches a run, and records what it can be repeated from |
| `state/` | reads the state of a run |
| `lanes` | the folder of the leases, the width of the CPU lane |
| `gpu/inventory`, `gpu/usage` | helpers that read GPUs, their processes and their load through NVML or nvidia-smi |
| `gpus`, `gpu_usage` | the same helpers by the paths that runners of versions before 0.2 call |
| `resources`, `device_option` | the devices that a run needs, and the `--device` of its command |
| `requeue` | queues a run again after a reboot, or when a parent is retried |
| `retry`, `retry_facts` | decides whether a retry follows, and collects the facts for it |
| `alerts/` | alerts on values and resources of a live run |
| `stop` | asks the runner to stop; starts a stopper when the runner is dead |
| `slurm/` | runs as jobs of a Slurm cluster |

Nothing here keeps a process or a thread. A run is kept by its runner (`engine.runner`), and all its facts lie in its
folder, so any number of screens and commands read the same state, and none of them is needed.
"""
