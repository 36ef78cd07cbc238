"""Finding and checking the images and label files of a split."""
