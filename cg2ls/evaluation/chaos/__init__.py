"""Type at a real server process while its environment and its client misbehave, and check that nothing is lost."""
