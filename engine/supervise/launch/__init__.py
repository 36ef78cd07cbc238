"""Launching a run, and what is recorded of it.

| file | what it does |
|---|---|
| `launch` | writes run folder, `spec.yaml` and `launch.json`, starts a detached runner |
| `new_attempt` | creates an attempt folder atomically |
| `ids` | run ids that sort by time |
| `commands` | the command line and the environment of our own stages |
| `torchrun` | a Python command as several processes |
| `interpreter`, `interpreter_probe` | the Python that runs our stages, checked before a launch |
| `versions` | versions of Python and packages in the environment of a command |
| `provenance` | git commit and diff, package versions, environment without secrets |
| `start_records`, `masking` | what this user started on this machine, and masks for secrets in a workspace's records |
"""
