"""BASE against HEAD: a verdict where one run measured both, ratios alone where two runs did."""
