"""BASE against HEAD: a verdict if one run measured both, only ratios if two runs did."""
