"""Supervision: launch a run, stop it, read its state.

| file | what it does |
|---|---|
| `ids` | run ids that sort by time |
| `commands` | the command line and the environment of our own stages |
| `interpreter`, `probe` | the Python that runs our stages, checked before a launch |
| `versions` | versions of Python and packages in the environment of a command |
| `provenance` | git commit and diff, package versions, environment without secrets |
| `launch` | writes run folder, `spec.yaml` and `launch.json`, starts a detached runner |
| `new_attempt` | creates an attempt folder atomically |
| `starts`, `masking` | start records, and masks for secrets in a workspace's records |
| `lanes` | the folder of the leases, the width of the CPU lane |
| `gpu/inventory`, `gpu/usage` | helpers that read GPUs, their processes and their load through NVML or nvidia-smi |
| `gpus`, `gpu_usage` | the same helpers by the paths that runners of versions before 0.2 call |
| `resources`, `device_option` | the devices that a run needs, and the `--device` of its command |
| `torchrun` | a Python command as several processes |
| `requeue` | queues a run again after a reboot, or when a parent is retried |
| `retry`, `retry_facts` | decides whether a retry follows, and collects the facts for it |
| `alerts/` | alerts on values and resources of a live run |
| `stop` | asks the runner to stop; starts a stopper when the runner is dead |
| `process_facts`, `console_tail` | facts from an attempt's folder, its processes and the end of its console log |
| `state` | the state of a run, decided from those facts alone |
| `ended` | checks by file names whether a run has ended |
| `watched`, `open_files` | whether the process behind a watched log is alive; open files of processes |
| `slurm/` | runs as jobs of a Slurm cluster |

Nothing here keeps a process or a thread. A run is kept by its runner (`engine.runner`), and all its facts lie in its
folder, so any number of screens and commands read the same state, and none of them is needed.
"""
