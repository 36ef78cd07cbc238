"""Read runs, write their annotations, delete and restore them."""
