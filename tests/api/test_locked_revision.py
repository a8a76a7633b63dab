"""A book's lock names the commit that its model was loaded from, and drawing again asks for that one."""

from pathlib import Path

from tests.generator.hub_cache import HubCache, run_with_hub
from tests.generator.tiny import tiny_pipeline

FIRST, SECOND = "1" * 40, "2" * 40
PROGRAM = """
import json, sys
from dataclasses import replace
from pathlib import Path
from api.commands.doctor import examine
from api.settings import Settings
from api.studio import open_model, studio_of
from concepts.bank import ConceptBank

wanted, bank, ref, second = Settings(model="them/tiny").wanted_model, ConceptBank(Path("bank")), *sys.argv[1:]

def opened(wanted):
    return open_model(wanted, pictures=1, tell=lambda _: None)

def revision(model, wanted):
    return studio_of(model, wanted, bank).model.revision

model = opened(wanted)
found = {"new": revision(model, wanted)}
Path(ref).write_text(second)
model.unload()
found["loaded again"] = revision(model, wanted)
found["newer"] = revision(opened(wanted), wanted)
locked = replace(wanted, revision=found["new"])
found["by the lock"] = revision(opened(locked), locked)
doctor = examine(Settings(model="them/tiny"), folder=Path("."), environment={}, tell=lambda _: None)
found["doctor"] = doctor.data["picture model"]["detail"]
print(json.dumps(found))
"""


def test_a_model_that_is_named_without_a_revision_stays_at_its_commit(tmp_path: Path) -> None:
    hub = HubCache(tmp_path / "cache", "them/tiny")
    tiny_pipeline().save_pretrained(tmp_path / "parts")
    for commit in (FIRST, SECOND):
        hub.add(commit, tmp_path / "parts")
    main = hub.point("main", FIRST)
    found = run_with_hub(hub.cache, PROGRAM, str(main), SECOND)
    assert found.pop("doctor").endswith(f"of revision {SECOND}")
    assert found == {"new": FIRST, "loaded again": FIRST, "newer": SECOND, "by the lock": FIRST}
