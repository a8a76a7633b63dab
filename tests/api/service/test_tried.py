"""Pictures that were drawn with a concept, found on a real database of either kind."""

from pathlib import Path

from api.service.database import Database
from api.service.deletion import delete_scene
from api.service.schema import SceneRequest
from api.service.settings import ServiceSettings
from api.service.studio.tried import tried_with
from api.service.submit import submit_scene
from api.settings import Settings
from tests.api.builders import plain_bank
from tests.api.service.idle import idle_services

pytest_plugins = ["tests.api.service.databases"]


def test_the_latest_pictures_with_a_concept_are_found_until_they_are_deleted(
    either_database: Database, tmp_path: Path
) -> None:
    base = Settings(bank_dir=plain_bank(tmp_path).folder)
    services = idle_services(ServiceSettings(data_dir=tmp_path, base=base), either_database)
    jobs = [
        submit_scene(services, owner, SceneRequest(prompt=prompt, strengths=strengths, seed=3))
        for owner, prompt, strengths in (
            ("local", "a @rusty", {}),
            ("local", "a fox", {}),
            ("local", "a @rusty in the snow", {"rusty": 0.5}),
            ("somebody", "a @rusty", {}),
        )
    ]
    found = tried_with(services, "local", "rusty")
    assert [(each.scene, each.strength, each.seed) for each in found] == [
        (jobs[2].subject, 0.5, 3),
        (jobs[0].subject, 1.0, 3),
    ]
    services.jobs.cancel("local", jobs[2].id)
    delete_scene(services.database, "local", jobs[2].subject)
    assert [each.scene for each in tried_with(services, "local", "rusty")] == [jobs[0].subject]
