"""Answer from earlier suggestions, and prepare the next one."""
