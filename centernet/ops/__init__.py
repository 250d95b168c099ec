"""Pure functions on keras.ops: arrays in, arrays out, no state."""
