"""The report's tables, in the shapes that the field publishes."""
