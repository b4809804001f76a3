"""The commands of `cg2-train`."""
