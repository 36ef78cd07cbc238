"""Lines that every stage prints: tqdm's bar format and the lines of a training."""
