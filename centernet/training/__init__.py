"""Training: what a detector learns from, and what its losses are."""
