"""`centernet.load`: detectors on Keras, and exported ones on other runtimes."""
