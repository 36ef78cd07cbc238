"""The synthetic data set of the demo."""
