"""TensorFlow under test."""
