"""The methods by the names that tables and `--methods` use."""

from benchmarks.concepts.methods.break_a_scene import BreakAScene
from benchmarks.concepts.methods.concept_express import ConceptExpress
from benchmarks.concepts.methods.dreambooth import DREAMBOOTH
from benchmarks.concepts.methods.offsets import TEXT_EMBEDDING, M
from benchmarks.concepts.methods.omg import Omg
from benchmarks.concepts.methods.prompt import PROMPT
from benchmarks.concepts.methods.tokenverse import TOKENVERSE
from benchmarks.concepts.protocol import Method

_ALL: tuple[Method, ...] = (
    PROMPT, TEXT_EMBEDDING, M, *TOKENVERSE, *DREAMBOOTH, BreakAScene(), ConceptExpress(), Omg(),
)  # fmt: skip
METHODS: dict[str, Method] = {method.name: method for method in _ALL}
"""In the table's order."""
