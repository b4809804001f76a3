"""Turn the model's answer into the text to show: pure rules, in the order of `pipeline.py`."""
