"""One file for each resource; handlers of a few lines."""
