"""Weights from everywhere: published archives, checkpoints of other implementations, hubs, our own files."""
