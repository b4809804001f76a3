"""Turn the model's answer into the text to show: pure rules, one per file, in the order of `pipeline.py`."""
