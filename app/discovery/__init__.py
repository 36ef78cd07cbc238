"""Finding logs and runs of other programs, grouping their files, reading trainers' options."""
