"""Run a detector: compiled, streamed, exported."""
