"""The parts of the service together on PostgreSQL, DBOS among them, with a worker's part played by the test."""

import asyncio
from pathlib import Path

from api.service.ids import new_id
from api.service.services import Services, running_services
from api.service.settings import LOCAL_OWNER, ServiceSettings

pytest_plugins = ["tests.postgres"]

DRAWN = {
    "artifact": {"sha256": "0" * 64, "bytes": 1, "media_type": "image/png", "filename": "picture.png"},
    "width": 16,
    "height": 16,
    "seconds": 1.0,
}


def begin(services: Services) -> str:
    with services.database.write() as connection:
        job_id = services.jobs.add(
            connection, owner=LOCAL_OWNER, kind="scene", subject=new_id("scene"), request={"draw": {}}
        )
    services.dispatcher.begin(job_id, 1)
    return job_id


async def play_worker(services: Services) -> None:
    worker_id = new_id("worker")
    services.tasks.enlist(worker_id, "draw", host="here", pid=1)
    async with asyncio.timeout(60):
        while (task := services.tasks.claim(worker_id, "draw")) is None:
            await asyncio.sleep(0.1)
    services.tasks.finish(task, DRAWN)


def test_a_job_goes_on_on_postgresql_after_the_service_was_stopped(postgres_url: str, tmp_path: Path) -> None:
    settings = ServiceSettings(data_dir=tmp_path, database_url=postgres_url, drawing_workers=0, text_workers=0)

    async def first_life() -> str:
        async with running_services(settings) as services:
            job_id = await asyncio.to_thread(begin, services)
            async for event in services.hub.follow(LOCAL_OWNER, job_id):
                if event.type == "stage":
                    break
            return job_id

    async def second_life(job_id: str) -> list[str]:
        async with running_services(settings) as services:
            await play_worker(services)
            return [event.type async for event in services.hub.follow(LOCAL_OWNER, job_id)]

    job_id = asyncio.run(first_life())
    assert asyncio.run(second_life(job_id)) == ["queued", "stage", "succeeded"]
