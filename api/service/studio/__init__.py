"""The studio: pages on which people keep concepts and make books. Shows and asks; what is done is done elsewhere."""
