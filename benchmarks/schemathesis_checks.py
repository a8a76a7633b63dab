"""A check that Schemathesis lacks, registered when it imports this file."""

import schemathesis
from schemathesis import Case, CheckContext, GenerationMode, Response


@schemathesis.check
def schema_tells_all(_: CheckContext, response: Response, case: Case) -> None:
    """What the document allows is never refused as something that the document forbids.

    422 also says that what is well-formed cannot be done, such as drawing with a concept that the bank lacks, so it is
    among the answers to valid data; this tells the two apart.
    """
    meta = case.meta
    if meta is None or meta.generation.mode is not GenerationMode.POSITIVE or response.status_code != 422:
        return
    assert not response.json()["type"].endswith("invalid-request"), response.text
