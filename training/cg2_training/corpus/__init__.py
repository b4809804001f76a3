"""Building a training corpus from pinned, permissively licensed packages, folders, repositories and dumps.

Nothing is imported here: the command line knows its options without what the work needs.
"""
