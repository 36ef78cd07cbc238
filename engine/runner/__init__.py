"""The runner: one small process per run, which starts the stage, waits for it, stops it and tells how it ended.

Standard library alone (`dataclasses` and `subprocess` are avoided too, for their memory), so that nothing can kill it.

| file | what it does |
|---|---|
| `__main__` | makes `engine` importable from wherever it lies, then `main` |
| `main` | command line, going to the background |
| `run` | the life of one attempt, from `launch.json` to `outcome.json` |
| `identity` | pid + start time + boot id: who a process is, and whether it is still there |
| `records` | atomic JSON files, and the outcome whose space is reserved at the start |
| `children` | descendants through `/proc`, the child subreaper |
| `stage` | starting the stage and collecting its end |
| `stop` | SIGINT, SIGTERM, SIGKILL to every descendant, with graces |
| `stopper` | the same for a stage whose runner is dead |
| `retry` | starting the next attempt of a run that did not come to its end |
| `time_limit` | the run time after which it is stopped |
| `lock` | one runner per attempt, and never a stage twice |
| `ending` | what the outcome says |
| `wait` | waiting for the runs that this one needs |
| `turn` | waiting for one's turn: in line, then with the leases in hand |
| `decision` | who may start: pure, from the queue and from what is free |
| `delay` | waiting for a time: a pause before a retry, a chosen start |
| `leases` | locks on files: GPUs, slots of the CPU lane, places in line |
| `ask` | the short-lived helper that asks who uses the GPUs |
| `gpus` | the helper that tells how hard the GPUs work, as long as the stage lives |
| `memory` | the kernel's count of out-of-memory kills |
| `alerts` | starting the program that reports on values and resources |
| `notify`, `sending` | telling people: the program, and the ways that it knows |
| `samples` | CPU, memory, GPUs, disk and console growth into `system.jsonl` |
"""
