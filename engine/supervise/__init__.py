"""Supervision: launch a run, stop it, tell its state.

| file | what it does |
|---|---|
| `ids` | run ids that sort by time |
| `commands` | the command line and the environment of our own stages |
| `versions` | Python and packages in the environment that a command runs in |
| `provenance` | git commit and diff, package versions, environment without secrets |
| `launch` | run folder, `spec.yaml`, `launch.json`, a detached runner |
| `lanes` | where the leases lie, how wide the CPU lane is |
| `gpus` | the helper that asks NVML or nvidia-smi who uses the GPUs |
| `gpu_usage` | the helper that tells how hard the GPUs of a run work |
| `resources` | what a run needs to itself |
| `torchrun` | a Python command as several processes |
| `requeue` | queued again after a reboot, or when a parent is tried again |
| `retry`, `retry_facts` | whether another attempt follows one that has ended, and what that is decided from |
| `alerts` | what values and resources of a run are reported for while it goes on |
| `stop` | ask the runner to stop; stop in its place when it is dead |
| `evidence` | what lies in an attempt's folder, and which of its processes are there |
| `state` | the state of a run, decided from that evidence alone |
| `console` | the end of a console log: cut off, traceback, out of memory |

Nothing here keeps a process or a thread of its own. A run lives in its runner (`engine.runner`), and everything that is
known of it lies in its folder, so that any number of screens and commands see the same, and none of them is needed.
"""
