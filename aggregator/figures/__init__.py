"""The report's figures: declarative specifications, drawn as SVG."""
