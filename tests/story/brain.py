"""A language model's wits for tests: sound answers for every stage of a story and for one caption, whoever asks."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from story.schema import StoryRequest

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "Rusty and the Sea", "beat": "Rusty takes step {n} and meets Luna.",
        "text": "Rusty took step {n}. The wind was cold. Luna ran beside him.", "alt": "Rusty and Luna, step {n}.",
    },
    "de": {
        "title": "Rusty und das Meer", "beat": "Rusty macht Schritt {n} und trifft Luna.",
        "text": "Rusty machte Schritt {n}. Der Wind war kalt. Luna lief mit ihm zu dem Meer.",
        "alt": "Rusty und Luna bei Schritt {n}.",
    },
    "pl": {
        "title": "Rusty i morze", "beat": "Rusty robi krok {n} i spotyka Lunę.",
        "text": "Rusty zrobił krok {n}. Wiatr był zimny. Luna biegła obok niego.",
        "alt": "Rusty i Luna, krok {n}.",
    },
    "ko": {
        "title": "여우와 바다", "beat": "여우가 {n}번째 걸음에 고양이를 만나요.",
        "text": "여우가 {n}번째 걸음을 걸었어요. 바람이 차가웠어요.", "alt": "여우와 고양이가 함께 걸어요, {n}.",
    },
    "ar": {
        "title": "الثعلب والبحر", "beat": "يمشي الثعلب خطوة {n} مع القطة.",
        "text": "مشى الثعلب خطوة {n}. كان الهواء باردا. ركضت القطة معه.", "alt": "الثعلب والقطة في الخطوة {n}.",
    },
}  # fmt: skip
NAMES: Mapping[str, tuple[str, str]] = {
    "en": ("Rusty", "Luna"), "de": ("Rusty", "Luna"), "pl": ("Rusty", "Luna"), "ko": ("여우", "고양이"),
    "ar": ("الثعلب", "القطة"),
}  # fmt: skip
PARAPHRASES = (
    "in the snow there is a fox", "a picture of a fox in the snow", "a fox out in the snow", "in the snow: a fox",
    "a drawing of a fox in the snow", "a fox who is in the snow", "here is a fox in the snow", "out in the snow, a fox",
)  # fmt: skip
"""Of "a fox in the snow"."""


@dataclass
class Brain:
    """Answers for one request by the name of the shape that is asked for; keeps no count of what was asked."""

    request: StoryRequest
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """For a stage ("outline", "texts", …) fields of its answers that come out otherwise, on every page."""
    paraphrases: Sequence[str] = PARAPHRASES

    def answer(self, schema_name: str, numbers: Sequence[int]) -> str:
        """The JSON of a sound answer."""
        pages = range(1, self.request.pages + 1)
        if schema_name == "OutlineAnswer":
            return json.dumps(self.outline(pages), ensure_ascii=False)
        if schema_name == "ParaphrasesAnswer":
            return json.dumps({"captions": self.paraphrases})
        maker = {"TextsAnswer": self.text, "ScenesAnswer": self.scene, "AltsAnswer": self.alt}[schema_name]
        stage = {"TextsAnswer": "texts", "ScenesAnswer": "scenes", "AltsAnswer": "alts"}[schema_name]
        items = [maker(number) | self.changes.get(stage, {}) for number in numbers]
        return json.dumps({"pages": items}, ensure_ascii=False)

    def outline(self, pages: Sequence[int]) -> dict[str, Any]:
        hero, friend = NAMES[self.request.language]
        characters = [
            {
                "name": hero,
                "concept": "rusty",
                "noun": "fox",
                "look": "",
                "size": "small",
                "pronoun": "he",
                "wears": "",
            },
            {
                "name": friend,
                "concept": "luna",
                "noun": "cat",
                "look": "",
                "size": "big",
                "pronoun": "she",
                "wears": "",
            },
        ]
        beats = [
            {"number": n, "beat": self._word("beat", n), "who": [hero, friend], "place": "in the snow", "changes": []}
            for n in pages
        ]
        answer: dict[str, Any] = {"title": self._word("title"), "characters": characters, "pages": beats}
        if self.request.second_language:
            answer["second_title"] = WORDS[self.request.second_language]["title"]
        return answer | self.changes.get("outline", {})

    def text(self, number: int) -> dict[str, Any]:
        answer: dict[str, Any] = {"number": number, "text": self._word("text", number)}
        if self.request.second_language:
            answer["second_text"] = WORDS[self.request.second_language]["text"].format(n=number)
        return answer

    def scene(self, number: int) -> dict[str, Any]:
        prompt = "a small fox sitting in the snow" if number == 0 else "a fox sitting and a cat standing in the snow"
        concepts = ["rusty"] if number == 0 else ["rusty", "luna"]
        return {"number": number, "prompt": prompt, "concepts": concepts}

    def alt(self, number: int) -> dict[str, Any]:
        return {"number": number, "alt": self._word("alt", number)}

    def _word(self, which: str, number: int = 0) -> str:
        return WORDS[self.request.language][which].format(n=number)


def asked_numbers(schema: Mapping[str, Any]) -> list[int]:
    """The pages that a JSON schema asks for."""
    return [int(number) for number in re.findall(r"\d+", json.dumps(_number_enum(schema)))]


def _number_enum(schema: Mapping[str, Any]) -> Any:
    for definition in schema.get("$defs", {}).values():
        number = definition.get("properties", {}).get("number")
        if number is not None:
            return number.get("enum", [number.get("const")])
    return []
