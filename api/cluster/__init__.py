"""Drawing and learning on the GPUs of a Ray cluster. Only what runs there, and what places it there, loads Ray."""
