"""What is not for children is blocked by name of reason, and what children's books are made of is not."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from story.errors import ModerationUnavailable, UnsafeRequest
from story.safety import OpenAIModerator, SafetyGate, unsafe_reasons
from story.schema import Page, Scene, Story, StoryRequest, WrittenStory
from tests.story.brain import Brain
from tests.story.builders import BANK, card, sound, storyteller, writer
from tests.story.servers import serving

UNSAFE = {
    "a fox who murders the king": "violence",
    "the bear kills everybody": "violence",
    "he k i l l s the cat": "violence",
    "a m u r d e r mystery": "violence",
    "a m\u200burd\u200ber mystery": "violence",
    "P0RN for foxes": "sexual content",
    "a cat who deals cocaine": "drugs and alcohol",
    "a lonely rabbit commits suicide": "self-harm",
    "a Nazi robot": "hate",
    "what the FUCK said the fox": "profanity",
    "sh!t": "profanity",
    "a cat who makes a big bomb at home": "dangerous instructions",
    "the fox is skinned alive": "horror",
    "Der Fuchs will seine Schwester töten": "violence",
    "Ein Bär nimmt Kokain": "drugs and alcohol",
    "여우가 살인을 했어요": "violence",
    "토끼가 자살을 했어요": "self-harm",
    "اللصوص قتلوا الملك": "violence",
    "صنع قنبلة في البيت": "dangerous instructions",
    "the cat drinks a cup of bleach": "dangerous instructions",
    "he is building a big bomb": "dangerous instructions",
    "she ended her own life": "self-harm",
    "the cat hangs himself": "self-harm",
    "a drunk bear": "drugs and alcohol",
    "the bear had got drunk": "drugs and alcohol",
    "they killed time and then the king, whom they killed": "violence",
    "the Nazis": "hate",
    "Er erschießt den Bären": "violence",
    "Er hat ein Gewehr": "violence",
    "범인은 집단강간을 했다": "sexual content",
    "왕을 죽이고 숨을 죽였어요": "violence",
    "곰이 총을 쏘았어요": "violence",
    "여우가 목을 매었어요": "self-harm",
    "معه مسدس": "violence",
    "the emperor had drunk cocaine and was naked": "drugs and alcohol",
}
SAFE = [
    "a fox who cannot sleep", "a knight with a wooden sword", "a wolf who is hungry", "a witch and her broom",
    "the grapes of the class", "a skilled assistant", "Scunthorpe by the sea", "pussy willows in spring",
    "a pirate who finds gold", "the shirt and the therapist",
    "Der Fuchs weinte, weil er allein war.", "Der Zauberstab und der Stab", "Die Nacktschnecke im Garten",
    "En räv som fick en vän. Slut.", "Bir gün bir tilki vardı.", "여우가 지나치게 빨리 달렸어요.",
    "음식인데 아주 맛있어요.",
    "숨죽여 기다렸어요. 그 아이는 열 살인 소녀예요.", "흰자위와 노른자위", "يحكى أن ثعلبا كان يحب القمر والخراف",
    "He had drunk his milk.", "Who has drunk all the tea?", "They killed time with a game.",
    "He killed time by himself.", "A killer whale leapt.", "She hangs the stars up herself.",
    "In the end he led his own life.",
    "They had a fight with water guns.", "Let us make a bath bomb!", "But the emperor is naked!", "a naked mole-rat",
    "She rifled through her bag.", "Nazim and Nazir went to sea.", "an old woman with a faggot of sticks",
    "a yellow field of rape", "He had a bloody knee.", "We were eaten alive by mosquitoes.",
    "Never bring poisonous mushrooms home to your family.", "The bat hangs himself upside down.",
    "Der Igel hat sich gewehrt.", "So eine Schlamperei!", "Spann mich nicht auf die Folter!", "du kleiner Satansbraten",
    "Der Killerwal schwamm vorbei.", "숨을 죽이고 기다렸어요.", "발소리를 죽이고 걸었어요.", "건강간식을 먹었어요.",
    "전시체험관에 갔어요.", "물총을 쏘았어요.", "냉장고문을 열었어요.", "옛날 옛적 호랑이 담배 피우던 시절에",
    "마술에 취해 춤을 추었어요.", "보드카페에 갔어요.", "건널목을 매일 건너요.", "고양이의 목을 매만졌어요.",
    "손목을 그대로 잡았어요.", "썩은 살구를 버렸어요.", "물폭탄을 만들어 던졌어요.", "고독을 타요.",
    "خلية النحل مسدسة الشكل", "له شكل مسدس", "لعب بمسدس ماء", "مشى عاري القدمين", "كانت الأغصان عارية",
    "الجنس البشري", "كان يقتل الوقت", "قاتل بشجاعة", "ثوب خمري اللون",
]  # fmt: skip


@pytest.mark.parametrize(("text", "reason"), UNSAFE.items())
def test_what_is_not_for_children_is_named_by_its_reason(text: str, reason: str) -> None:
    assert reason in unsafe_reasons(text)


@pytest.mark.parametrize("text", SAFE)
def test_what_childrens_books_are_made_of_is_let_through(text: str) -> None:
    assert unsafe_reasons(text) == ()


def test_what_the_storyteller_tells_is_let_through() -> None:
    for idea in ("a fox who cannot sleep", "a pirate who is afraid of ghosts", "a bear who bakes", "two rabbits"):
        for seed in range(6):
            written = storyteller().write(StoryRequest(idea=idea, catalog=BANK, pages=16, seed=seed))
            assert SafetyGate().check_story(written) is written


def test_an_unsafe_idea_or_concept_is_refused_by_name() -> None:
    gate = SafetyGate()
    with pytest.raises(UnsafeRequest, match=r"The idea is not for a children's book \(violence\)"):
        gate.check_request(StoryRequest(idea="a fox who murders"))
    hostile = card("gore-fox", "fox", "character").model_copy(update={"caption": "a fox in a bloodbath"})
    with pytest.raises(UnsafeRequest, match=r"The concept 'gore-fox'.*\(violence\)"):
        gate.check_request(StoryRequest(idea="a fox", catalog=(hostile,)))
    gate.check_request(StoryRequest(idea="a fox", catalog=BANK))


@pytest.mark.parametrize("part", ["title", "text", "prompt", "alt"])
def test_an_unsafe_part_of_a_story_makes_no_book(part: str) -> None:
    words = {"title": "Fox", "text": "He went.", "prompt": "a fox", "alt": "A fox goes."} | {part: "a bloodbath"}
    scene = Scene(prompt=words["prompt"], alt=words["alt"])
    story = Story(title=words["title"], cover=scene, pages=(Page(text=words["text"], scene=scene),))
    with pytest.raises(UnsafeRequest, match="no book is made"):
        SafetyGate().check_story(WrittenStory(story=story))


@contextmanager
def moderation(status: int, flagged: Sequence[str] | None) -> Iterator[str]:
    """A server with OpenAI's moderation endpoint that flags texts with the word "odd"."""

    def answer(handler: BaseHTTPRequestHandler, body: dict[str, object]) -> None:
        texts = body.get("input")
        assert isinstance(texts, list)
        results = [
            {
                "flagged": "odd" in text,
                "categories": dict.fromkeys(flagged or (), "odd" in text),
                "category_scores": {},
                "category_applied_input_types": {},
            }
            for text in texts
        ]
        payload = {"id": "m", "model": "omni", "results": results} if flagged is not None else {"nothing": True}
        data = json.dumps(payload).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    with serving(answer) as base_url:
        yield base_url


def gate_at(base_url: str) -> SafetyGate:
    return SafetyGate(moderator=OpenAIModerator(base_url=base_url, api_key=None, timeout_s=5))


def test_the_endpoints_verdict_counts_beside_the_local_one() -> None:
    with moderation(200, ["harassment/threatening"]) as base_url:
        verdicts = gate_at(base_url).reasons(["an odd fox", "a fox", "a murder"])
    assert verdicts == (("harassment, threatening",), (), ("violence",))


@pytest.mark.parametrize(("status", "flagged"), [(500, ["x"]), (401, ["x"]), (404, ["x"]), (200, None)])
def test_without_a_verdict_nothing_is_let_through(status: int, flagged: list[str] | None) -> None:
    with moderation(status, flagged) as base_url, pytest.raises(ModerationUnavailable, match="nothing is let through"):
        gate_at(base_url).reasons(["a fox"])


def test_a_server_that_answers_without_results_is_said_to_lack_the_endpoint() -> None:
    with moderation(200, None) as base_url, pytest.raises(ModerationUnavailable, match="may have no such endpoint"):
        gate_at(base_url).reasons(["a fox"])


def test_a_server_that_is_gone_lets_nothing_through() -> None:
    with moderation(200, ["x"]) as base_url:
        pass
    with pytest.raises(ModerationUnavailable):
        gate_at(base_url).reasons(["a fox"])


class CountingModerator:
    """Finds everything in order and remembers how many texts it was asked about at once."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def reasons(self, texts: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        self.asked.append(len(texts))
        return ((),) * len(texts)


def test_an_endpoint_is_asked_about_a_whole_stage_at_once() -> None:
    moderator = CountingModerator()
    request = StoryRequest(idea="a fox who walks on", catalog=BANK, pages=6)
    answer = sound(Brain(request))
    writer(answer, answer, answer, answer, gate=SafetyGate(moderator=moderator))[0].write(request)
    assert len(moderator.asked) == 6, "the request, four stages, the whole story"
    assert min(moderator.asked) > 1
