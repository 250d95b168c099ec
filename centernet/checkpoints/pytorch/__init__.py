"""PyTorch files of the authors, read without PyTorch."""
