"""TensorFlow checkpoints of the Detection API and of Model Garden."""
