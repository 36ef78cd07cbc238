"""Runs as jobs of a Slurm cluster.

| file | what it does |
|---|---|
| `client` | calls Slurm's programs and tells a refusal from a missing answer |
| `script` | the command line of sbatch and the script of the job |
| `submit` | submits an attempt that has its `launch.json` |
| `jobs` | the states of all jobs, queried at most every few seconds |
| `state_text` | texts for Slurm's states and reasons |
| `observe` | the state of an attempt that is a job: waiting, running or ended |
| `verdict` | the outcome of a job whose runner left none |
| `cancel` | stops a job |
| `hold` | holds and releases a job that waits |
| `on_nodes` | the stage of a job of several nodes: torchrun on each |

The job runs our own runner on the attempt's folder, which lies where every node sees it. Console, process record
and outcome are the same as on this machine; Slurm is queried only for what the runner cannot record: why a job waits,
and what ended a job whose runner was killed.
"""
