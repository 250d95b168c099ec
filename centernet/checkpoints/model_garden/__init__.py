"""Model Garden's CenterNet: experiment files and object graphs."""
