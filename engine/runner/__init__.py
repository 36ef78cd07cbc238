"""The runner: one small process per run, which starts the stage, waits for it, stops it and records its outcome.

Standard library alone, without `dataclasses` and `subprocess`: a small process is rarely killed for lack of memory.

| file | what it does |
|---|---|
| `__main__` | makes `engine` importable wherever it is installed, then calls `main` |
| `main` | command line, daemonizing |
| `run` | the life of one attempt, from `launch.json` to `outcome.json` |
| `start_record` | start records: proof that this user started an attempt on this machine |
| `lock` | one runner per attempt, and never a stage twice |
| `stage` | starts the stage and collects its exit status |
| `outliving` | work that outlives the command which started it |
| `handover` | what the command hands to servers outside of the run: tmux, docker, systemd, Slurm |
| `handing_over` | which command lines of these programs do so |
| `signals` | the signals that runner and stopper wait for |
| `containers` | the containers of `docker run` in the foreground: a stop reaches them |
| `time_limit` | the run time after which the stage is stopped |
| `stop` | SIGINT, SIGTERM, SIGKILL to every descendant, with graces |
| `stopper` | the same for a stage whose runner is dead |
| `ending` | the content of the outcome |
| `pause` | ends a stage at a checkpoint and queues the run again, held |
| `retry` | starts the next attempt of a run that failed |
| `alerts` | starts the program that checks values and resources |
| `notify`, `sending/` | sends notifications: the program, and its services |
| `waiting/admission` | waits in the queue, then takes the leases |
| `waiting/scheduler` | decides who may start: pure, from the queue and the free devices |
| `waiting/dependencies` | waits for the parents |
| `waiting/delay` | waits for a time: the pause before a retry, a chosen start |
| `waiting/leases` | file locks: GPUs, the CPU lane, places in the queue |
| `waiting/gpu_query` | the short-lived helper that lists the processes on the GPUs |
| `processes/identity` | pid, start time and boot id: identifies a process and checks whether it is alive |
| `processes/children` | descendants through `/proc`, the child subreaper |
| `processes/executions` | notices that a process of the run executes one of some programs |
| `processes/samples` | CPU, memory, GPUs, disk and console growth into `system.jsonl` |
| `processes/gpu_monitor` | the helper that measures the GPU load while the stage runs |
| `processes/memory` | the kernel's count of out-of-memory kills |

Atomic JSON records are in `engine.files.json_records`.
"""
