"""The commands, one file each: check everything that is quick to check, then load what is slow, then work."""
