"""Import logs and trees of other programs, and watch growing logs."""
