"""Batches of a dataset for training."""
