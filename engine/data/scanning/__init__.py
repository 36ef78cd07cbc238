"""Listing, checking and reading the images and label files of a split."""
