"""Calibration: activation histograms, the calibrators that choose ranges from them, and the search for the best."""
