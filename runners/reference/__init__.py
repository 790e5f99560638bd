"""What every framework is held against: shared weights, inputs, pixels and counts; numpy and pillow only."""
