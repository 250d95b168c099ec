"""Datasets: reading, checking, writing and feeding them to training."""
