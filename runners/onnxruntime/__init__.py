"""ONNX Runtime as a contestant: inference only."""
