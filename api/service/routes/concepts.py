"""Concepts: learnt from a picture, looked at, taken away, deleted."""

import asyncio
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, File, Form, Response, UploadFile
from pydantic import ValidationError, WithJsonSchema

from api.commands.learn import parse_concept
from api.service.banks import bank_of
from api.service.deletion import delete_concept
from api.service.errors import InvalidInput
from api.service.payloads import LearnPayload
from api.service.problems import in_words
from api.service.schema import ConceptAnswer, ConceptListing, JobAnswer
from api.service.services import PrincipalDep, Services, ServicesDep
from api.service.submit import submit_concepts
from api.service.uploads import take_in
from api.service.waiting import JOB_ANSWERS, PreferHeader, answer_job
from concepts.schema import Concept, ConceptId

router = APIRouter(prefix="/v1/concepts", tags=["concepts"])


@router.post("", status_code=202, responses=JOB_ANSWERS)
async def learn_concepts(
    response: Response,
    services: ServicesDep,
    principal: PrincipalDep,
    picture: Annotated[UploadFile, File(description="A PNG, JPEG or WebP file.")],
    caption: Annotated[str, Form(min_length=1, max_length=2000, description="What the picture shows.")],
    concept: Annotated[
        list[str], Form(min_length=1, max_length=8, description="ID=WORD:KIND, as in rusty=fox:character.")
    ],
    steps: Annotated[
        int | None,
        Form(ge=2, le=5000),
        WithJsonSchema({"type": "integer", "minimum": 2, "maximum": 5000}),  # a form has no null
    ] = None,
    seed: Annotated[int, Form(ge=0, le=2**32 - 1)] = 0,
    replace: Annotated[bool, Form()] = False,
    prefer: PreferHeader = None,
) -> JobAnswer:
    """Learns concepts from one picture with a caption."""
    kept = await keep_picture(services, await picture.read())
    payload = learn_payload(kept, caption, concept, steps=steps, seed=seed, replace=replace)
    job = await asyncio.to_thread(submit_concepts, services, principal.owner, payload)
    return await answer_job(services, job, response, prefer=prefer)


@router.get("")
def list_concepts(services: ServicesDep, principal: PrincipalDep) -> ConceptListing:
    """All your concepts."""
    bank = bank_of(services.settings, principal.owner)
    data = tuple(_answer(concept) for concept in bank.list())
    return ConceptListing(data=data, damaged=tuple(bank.damaged()), has_more=False, next=None)


@router.get("/{concept_id}")
def get_concept(concept_id: ConceptId, services: ServicesDep, principal: PrincipalDep) -> ConceptAnswer:
    """A concept."""
    return _answer(bank_of(services.settings, principal.owner).get(concept_id))


@router.get("/{concept_id}/preview", response_class=Response, responses={200: {"content": {"image/png": {}}}})
def get_preview(concept_id: ConceptId, services: ServicesDep, principal: PrincipalDep) -> Response:
    """A picture drawn with the concept alone."""
    return _png(bank_of(services.settings, principal.owner).preview_path(concept_id))


@router.get("/{concept_id}/source", response_class=Response, responses={200: {"content": {"image/png": {}}}})
def get_source(concept_id: ConceptId, services: ServicesDep, principal: PrincipalDep) -> Response:
    """The picture it was learnt from."""
    return _png(bank_of(services.settings, principal.owner).source_path(concept_id))


@router.get("/{concept_id}/download", response_class=Response, responses={200: {"content": {"application/zip": {}}}})
def download_concept(concept_id: ConceptId, services: ServicesDep, principal: PrincipalDep) -> Response:
    """The concept's folder as a ZIP file, which `fableverse bank add` takes once it is unpacked."""
    folder = bank_of(services.settings, principal.owner).preview_path(concept_id).parent
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, f"{concept_id}/{path.name}")
    headers = {"Content-Disposition": f'attachment; filename="{concept_id}.zip"', "X-Content-Type-Options": "nosniff"}
    return Response(content.getvalue(), media_type="application/zip", headers=headers)


@router.delete("/{concept_id}", status_code=204)
def remove_concept(concept_id: ConceptId, services: ServicesDep, principal: PrincipalDep) -> None:
    """Deletes a concept with the picture that was sent for it; pictures drawn with it stay."""
    delete_concept(services.database, bank_of(services.settings, principal.owner), principal.owner, concept_id)


def learn_payload(
    picture: str,
    caption: str,
    concepts: Sequence[str],
    *,
    steps: int | None = None,
    seed: int = 0,
    replace: bool = False,
) -> LearnPayload:
    """What shall be learnt from an uploaded picture that is kept under this hash; a concept is written ID=WORD:KIND.

    Raises:
        UsageError, InvalidConcept, InvalidInput: Nothing can be learnt from that.
    """
    try:
        return LearnPayload(
            picture=picture,
            caption=caption,
            concepts=tuple(parse_concept(text) for text in concepts),
            steps=steps,
            seed=seed,
            replace=replace,
        )
    except ValidationError as error:
        raise InvalidInput(f"Nothing can be learnt from that: {in_words(error)}. Change that and try again.") from error


async def keep_picture(services: Services, content: bytes) -> str:
    """The hash of an uploaded picture, of which nothing but its pixels is kept.

    Raises:
        UnreadablePicture: It is none, or too large.
    """
    return await asyncio.to_thread(services.store.put, await take_in(content))


def _png(path: Path) -> Response:
    return Response(path.read_bytes(), media_type="image/png", headers={"X-Content-Type-Options": "nosniff"})


def _answer(concept: Concept) -> ConceptAnswer:
    place = f"/v1/concepts/{concept.id}"
    return ConceptAnswer(
        id=concept.id,
        name=concept.name,
        word=concept.word,
        kind=concept.kind,
        caption=concept.caption,
        base_model=concept.base_model_name,
        links={name: f"{place}/{name}" for name in ("preview", "source", "download")} | {"self": place},
    )
