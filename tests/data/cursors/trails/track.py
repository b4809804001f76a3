"""A walk as a list of points."""

import json
from pathlib import Path

from points import Point, bounding_box, distance


class Track:
    """Points in the order in which they were walked."""

    def __init__(self, name, points=None):
        self.name = name
        self.points = list(points or [])

    def __len__(self):
        return len(self.points)

    def __iter__(self):
        return iter(self.points)

    def append(self, point):
        self.points.append(point)

    def length(self):
        """Return the length in meters."""
        total = 0.0
        for first, second in zip(self.points, self.points[1:]):
            total += distance(first, second)
        return total

    def climb(self):
        """Return the sum of all ascents in meters."""
        total = 0.0
        for first, second in zip(self.points, self.points[1:]):
            if second.height > first.height:
                total += second.height - first.height
        return total

    def box(self):
        return bounding_box(self.points)

    def reversed(self):
        return Track(self.name, self.points[::-1])

    @classmethod
    def load(cls, path):
        data = json.loads(Path(path).read_text())
        return cls(data["name"], [Point(*values) for values in data["points"]])

    def save(self, path):
        data = {"name": self.name, "points": [list(point) for point in self.points]}
        Path(path).write_text(json.dumps(data))
