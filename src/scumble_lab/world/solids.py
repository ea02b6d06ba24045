"""Dimensions of the large solids, which stand on the floor at the origin, in world units."""

SPHERE = 0.88
"""Radius."""
CUBE = 0.70
"""Half of an edge."""
CYLINDER = (0.72, 1.42)
"""Radius, height."""
CONE = (0.88, 1.78)
"""Radius of the base, height."""
TORUS = (0.63, 0.27)
"""Radius of the ring, radius of the tube; the ring stands upright and its axis is y."""

MIDDLE = {"sphere": 0.88, "cube": 0.70, "cylinder": 0.71, "cone": 0.68, "torus": 0.90}
"""Height of the middle of the bounding ball."""
REACH = {"sphere": 0.885, "cube": 1.22, "cylinder": 1.02, "cone": 1.12, "torus": 0.905}
"""Radius of the bounding ball."""
