"""Training: hyperparameters, optimizer, schedule, EMA, the loop, and the log lines it prints."""
