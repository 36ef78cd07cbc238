"""The state of a run, from its folder and its processes.

| file | what it does |
|---|---|
| `status` | decides the state, from the facts alone |
| `process_facts` | collects the facts of an attempt: the records in its folder, and which of its processes live |
| `console_tail` | how the log ends, where no exit code tells how the run did |
| `suspension` | whether processes are stopped by a signal or a debugger |
| `watched`, `open_files` | whether the process behind a watched log lives; which processes have a file open |
| `has_ended` | whether a run has ended, by the names of its files alone |
"""
