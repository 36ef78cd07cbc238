"""The pipeline language: read YAML, check it completely, and expand grids."""
