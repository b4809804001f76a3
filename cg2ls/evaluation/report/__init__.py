"""Turn measurements into tables and pictures."""
