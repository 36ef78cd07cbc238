"""Module names that the processes of an older version still start; each hands over to where the code is now.

A runner started before an upgrade pauses its run by `python -m app.services.paused`, a Slurm job script calls
`app.services.restarted`, and a screen that stayed open starts `app.services.indexer`.
"""
