"""Alerts: what the values of a training and the machine below it are reported for while it runs."""
