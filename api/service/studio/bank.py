"""The bank's pages: concepts as cards, learning one from a picture, trying one out."""

import asyncio
from typing import Annotated, get_args

from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from fastapi.responses import HTMLResponse

from api.service.banks import bank_of
from api.service.deletion import delete_concept, delete_scene
from api.service.errors import InvalidInput
from api.service.routes.concepts import keep_picture, learn_payload
from api.service.schema import SceneRequest
from api.service.services import PrincipalDep, Services, ServicesDep
from api.service.studio import doing
from api.service.studio.rendering import StudioRoute, go_to, html, is_partial, render, render_page
from api.service.studio.tried import MOST_SHOWN, Tried, tried_with
from api.service.studio.words import choices_of
from api.service.submit import retry, submit_caption, submit_concepts, submit_scene
from api.service.tables import jobs
from concepts.bank import ConceptBank
from concepts.errors import ForeignFiles, InvalidConcept
from concepts.schema import ConceptKind

router = APIRouter(include_in_schema=False, route_class=StudioRoute)

KINDS: tuple[str, ...] = get_args(ConceptKind)
_TRY_OUTS = {
    "character": "a @{} waving in the snow",
    "pose": "a fox @{} in the forest",
    "lighting": "a cat standing by the sea in the @{}",
    "clothing": "a bear wearing a @{} in the garden",
    "material": "a rabbit with @{} sitting in the bedroom",
}
_OTHER_TRY_OUT = "a @{} in the forest"
_MOST_CAPTION = 2000


@router.get("/bank")
def bank_page(services: ServicesDep, principal: PrincipalDep) -> HTMLResponse:
    """All concepts, and a form for another."""
    return html(
        render_page(services, principal, "bank", section="bank", kinds=KINDS, **_bank(services, principal.owner))
    )


# Parts of a page have addresses that no concept's page can have.
@router.get("/parts/cards")
def bank_cards(services: ServicesDep, principal: PrincipalDep) -> HTMLResponse:
    """The cards as they are now, without the page around them."""
    return html(render(services, "cards", **_bank(services, principal.owner)))


@router.post("/parts/words")
async def words(request: Request, services: ServicesDep, principal: PrincipalDep) -> HTMLResponse:
    """The words of a caption to choose concepts from, with what the form has for those that are chosen."""
    form = await request.form()
    typed = {name: value for name, value in form.items() if isinstance(value, str)}
    chosen = [key for key in form.getlist("chosen") if isinstance(key, str)]
    taken = await asyncio.to_thread(bank_of(services.settings, principal.owner).ids)
    choices = choices_of(typed.get("caption", "")[:_MOST_CAPTION], chosen, taken, typed)
    return html(render(services, "words", choices=choices, kinds=KINDS))


@router.post("/bank/caption")
async def suggest_caption(
    services: ServicesDep, principal: PrincipalDep, picture: Annotated[UploadFile, File()]
) -> HTMLResponse:
    """Begin to find words for a picture that was chosen."""
    kept = await keep_picture(services, await picture.read())
    job = await asyncio.to_thread(submit_caption, services, principal.owner, kept)
    return html(render(services, "suggestion", job=job))


@router.post("/bank")
async def learn(
    request: Request,
    services: ServicesDep,
    principal: PrincipalDep,
    picture: Annotated[UploadFile, File()],
    caption: Annotated[str, Form(min_length=1, max_length=_MOST_CAPTION)],
    chosen: Annotated[list[str] | None, Form(max_length=8)] = None,
    steps: Annotated[str, Form(max_length=5)] = "",
) -> Response:
    """Begin to learn the words that were chosen."""
    form = await request.form()
    wanted = [
        f"{form.get(f'id-{key}', '')}={form.get(f'word-{key}', '')}:{form.get(f'kind-{key}', '')}"
        for key in chosen or ()
    ]
    if not wanted:
        raise InvalidInput("No word is chosen: concepts are learnt for words of the caption. Choose at least one.")
    if steps and not steps.isdecimal():
        raise InvalidInput(f"{steps!r} is no number of steps. Write digits, or leave it empty.")
    kept = await keep_picture(services, await picture.read())
    payload = learn_payload(kept, caption, wanted, steps=int(steps) if steps else None)
    job = await asyncio.to_thread(submit_concepts, services, principal.owner, payload)
    if not is_partial(request):
        return go_to(request, "/bank")
    return html(render(services, "learning", job=job))


@router.post("/bank/learning/{job_id}/retry")
def try_again(request: Request, job_id: str, services: ServicesDep, principal: PrincipalDep) -> Response:
    """Go on with learning that stopped; what was learnt so far is kept."""
    job = retry(services, principal.owner, job_id)
    if not is_partial(request):
        return go_to(request, "/bank")
    return html(render(services, "learning_state", job=job))


@router.post("/bank/learning/{job_id}/dismiss")
def dismiss(request: Request, job_id: str, services: ServicesDep, principal: PrincipalDep) -> Response:
    """Show learning that stopped no more."""
    doing.dismiss(services, principal.owner, job_id)
    return html() if is_partial(request) else go_to(request, "/bank")


@router.get("/bank/{concept_id}")
def concept_page(concept_id: str, services: ServicesDep, principal: PrincipalDep) -> HTMLResponse:
    """One concept, to look at and try out."""
    concept = bank_of(services.settings, principal.owner).get(concept_id)
    prompt = _TRY_OUTS.get(concept.kind, _OTHER_TRY_OUT).format(concept.id)
    pictures = tried_with(services, principal.owner, concept.id)
    return html(
        render_page(
            services,
            principal,
            "concept",
            section="bank",
            concept=concept,
            prompt=prompt,
            pictures=pictures,
            most_shown=MOST_SHOWN,
        )
    )


@router.post("/bank/{concept_id}/try")
def try_out(
    concept_id: str,
    services: ServicesDep,
    principal: PrincipalDep,
    prompt: Annotated[str, Form(min_length=1, max_length=2000)],
    strength: Annotated[float, Form(ge=0, le=2, allow_inf_nan=False)] = 1.0,
    seed: Annotated[int, Form(ge=0, le=2**32 - 1)] = 0,
) -> HTMLResponse:
    """Begin to draw a picture with the concept at some strength."""
    if f"@{concept_id}" not in prompt.lower():
        raise InvalidInput(f"The prompt does not say @{concept_id}. Write it where the concept shall be.")
    wish = SceneRequest(prompt=prompt, seed=seed, strengths={concept_id: strength})
    job = submit_scene(services, principal.owner, wish)
    tried = Tried(job=job, scene=job.subject, prompt=prompt, strength=strength, seed=seed, warnings=())
    return html(render(services, "try_out", tried=tried, concept=concept_id))


@router.post("/bank/{concept_id}/tried/{scene_id}/delete")
def delete_tried(
    request: Request, concept_id: str, scene_id: str, services: ServicesDep, principal: PrincipalDep
) -> Response:
    """Delete a picture that was tried out; one that is still being drawn is called off."""
    for job in services.jobs.find(principal.owner, jobs.c.subject == scene_id):
        services.jobs.cancel(principal.owner, job.id)
    delete_scene(services.database, principal.owner, scene_id)
    return html() if is_partial(request) else go_to(request, f"/bank/{concept_id}")


@router.post("/bank/{concept_id}/delete")
def delete(request: Request, concept_id: str, services: ServicesDep, principal: PrincipalDep) -> Response:
    """Delete a concept and its files."""
    delete_concept(services.database, bank_of(services.settings, principal.owner), principal.owner, concept_id)
    return go_to(request, "/bank")


def _bank(services: Services, owner: str) -> dict[str, object]:
    bank = bank_of(services.settings, owner)
    under_way = doing.doing_in_bank(services, owner)
    learning = sorted([*under_way.open_jobs, *under_way.stopped_jobs], key=lambda job: job.id, reverse=True)
    concepts = sorted(bank.list(), key=lambda concept: KINDS.index(concept.kind))
    damaged = {name: _may_be_deleted(bank, name) for name in bank.damaged()}
    return {"concepts": concepts, "damaged": damaged, "learning": learning}


def _may_be_deleted(bank: ConceptBank, name: str) -> bool:
    try:
        bank.check_removal(name)
    except (InvalidConcept, ForeignFiles):
        return False
    return True
