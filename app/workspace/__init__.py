"""Which workspace is used, names of runs in it, the user's settings and notifications."""
