"""The methods by the names that tables and `--methods` use."""

from benchmarks.concepts.methods.prompt import Prompt
from benchmarks.concepts.methods.tokenverse import TOKENVERSE
from benchmarks.concepts.protocol import Method

METHODS: dict[str, Method] = {method.name: method for method in (Prompt(), *TOKENVERSE)}
"""In the table's order."""
