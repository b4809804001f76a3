"""How long a walk takes, and where to rest."""

import argparse

from track import Track

SPEED = 4000.0
CLIMB_SPEED = 400.0


def hours(track):
    """Return the time by the usual rule: the longer part, and half of the shorter one."""
    flat = track.length() / SPEED
    steep = track.climb() / CLIMB_SPEED
    return max(flat, steep) + min(flat, steep) / 2


def format_hours(value):
    minutes = round(value * 60)
    return f"{minutes // 60}:{minutes % 60:02d}"


def find_rests(track, every):
    """Return the points at which a rest is due."""
    rests = []
    walked = 0.0
    previous = None
    for point in track:
        if previous is not None:
            walked += distance_of(previous, point)
        if walked >= every:
            rests.append(point)
            walked = 0.0
        previous = point
    return rests


def distance_of(first, second):
    return Track("", [first, second]).length()


def main():
    parser = argparse.ArgumentParser(description="Plan a walk.")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--rest", type=float, default=5000.0)
    args = parser.parse_args()
    for name in args.files:
        track = Track.load(name)
        print(track.name, format_hours(hours(track)))
        for point in find_rests(track, args.rest):
            print("  rest at", point.latitude, point.longitude)


if __name__ == "__main__":
    main()
