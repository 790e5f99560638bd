"""How a number is measured and how a verdict is reached: order, warm-up, stopping, comparison (docs/method.md)."""
