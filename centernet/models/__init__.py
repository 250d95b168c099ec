"""What a detector is: its description, backbone, heads and decoder."""
