"""Training: settings, `fit`, and the checks and callbacks around it."""
