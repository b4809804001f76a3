"""Choose a format and check that it fits this machine."""
