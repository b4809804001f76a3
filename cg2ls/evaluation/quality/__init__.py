"""Playing people who write real files against the whole of completion: how fast it is, and how right."""
