"""Points on the ground and the distances between them."""

import math
from typing import NamedTuple

EARTH_RADIUS = 6371000.0


class Point(NamedTuple):
    """A place with its height in meters."""

    latitude: float
    longitude: float
    height: float = 0.0


class Box(NamedTuple):
    """A rectangle of the map."""

    south: float
    west: float
    north: float
    east: float

    def contains(self, point: Point) -> bool:
        inside = self.south <= point.latitude <= self.north
        return inside and self.west <= point.longitude <= self.east


def distance(first: Point, second: Point) -> float:
    """Return the length of the shortest way over a ball, in meters."""
    lat1 = math.radians(first.latitude)
    lat2 = math.radians(second.latitude)
    dlat = lat2 - lat1
    dlon = math.radians(second.longitude - first.longitude)
    a = math.sin(dlat / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(dlon / 2) ** 2
    return 2 * EARTH_RADIUS * math.asin(math.sqrt(a))


def bounding_box(points: list[Point]) -> Box:
    """Return the smallest rectangle that contains all points."""
    latitudes = [point.latitude for point in points]
    longitudes = [point.longitude for point in points]
    return Box(min(latitudes), min(longitudes), max(latitudes), max(longitudes))
