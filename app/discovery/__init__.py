"""Find logs and runs of other programs, group their files, and read trainers' options."""
