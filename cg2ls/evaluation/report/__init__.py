"""Reports of measurements: tables, JSON and pictures."""
