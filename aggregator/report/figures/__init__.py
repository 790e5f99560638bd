"""How every figure looks: competitors by colour and shape, from declarative specifications to small SVG."""
