"""The options of every stage: one declaration for the command line, the launch form and the pipeline check."""
