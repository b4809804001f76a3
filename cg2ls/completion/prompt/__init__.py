"""Turn the editor text around the cursor into a prompt."""
