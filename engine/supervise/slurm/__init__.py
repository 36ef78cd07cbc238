"""Runs as jobs of a Slurm cluster.

| file | what it does |
|---|---|
| `client` | calls Slurm's programs: an answer, a refusal, or no answer |
| `script` | the command line of sbatch and the script of the job |
| `submit` | gives an attempt that has its `launch.json` to Slurm |
| `jobs` | what Slurm says of the jobs, asked at most every few seconds for all of them |
| `words` | Slurm's states and reasons in words |
| `observe` | an attempt that is a job: still to come, at work, or over |
| `verdict` | how a job ended whose runner left no outcome |
| `cancel` | stops a job |
| `hold` | holds and releases a job that waits |
| `on_nodes` | the stage of a job of several nodes: torchrun on each |

The job runs our own runner on the attempt's folder, which lies where every node sees it. So console, process record and
outcome are what they are on this machine; Slurm is asked only for what the runner cannot tell: why a job waits, and
what ended a job whose runner could not say so any more.
"""
