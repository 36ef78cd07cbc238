"""The pipeline language: YAML read, checked as a whole, and grids expanded."""
