"""TensorFlow as a contestant."""
