"""What a stopped run leaves: the story goes on from it as it was, with its notes and all that it cost."""

from pathlib import Path
from typing import Any

import pytest

from story.costs import Price, estimate_tokens
from story.draft import DRAFT_FILENAME, Draft, DraftFolder
from story.errors import BudgetExceeded, LanguageModelUnreachable
from story.llm import Scripted, ScriptedLanguageModel, Usage
from story.schema import Reply, StoryRequest
from tests.story.brain import Brain
from tests.story.builders import BANK, BRUNO, RUSTY, assert_is_proven, sound, writer, writer_with
from tests.story.test_writer import with_page

REQUEST = StoryRequest(idea="a fox who walks on", catalog=BANK, pages=4)
BRAIN = Brain(REQUEST)
SOUND = sound(BRAIN)
EMPTY = Draft.of(REQUEST, writer="scripted")
GONE = LanguageModelUnreachable("no answer")
TWO_PAGES = BRAIN.answer("TextsAnswer", [1, 2, 3, 4]).partition('{"number": 3')[0] + '{"number": 3'
"""So much of the texts as there is when the third page begins."""


def replies_in(drafts: DraftFolder) -> tuple[Reply, ...]:
    return drafts.load(EMPTY)[1]


class Interrupted(ScriptedLanguageModel):
    """Is interrupted in the first texts, when so much of them has come."""

    def __init__(self, *answers: Scripted, come: str = TWO_PAGES) -> None:
        super().__init__(answers)
        self.come = come

    def complete(self, messages: Any, schema: Any, *, max_tokens: int, on_text: Any = None) -> Any:
        if schema.__name__ == "TextsAnswer":
            if self.come:
                on_text(self.come)
            raise KeyboardInterrupt
        return super().complete(messages, schema, max_tokens=max_tokens, on_text=on_text)


def test_what_is_written_is_kept_and_gone_on_with(tmp_path: Path) -> None:
    drafts = DraftFolder(tmp_path / "draft")
    texts = BRAIN.answer("TextsAnswer", [1, 2, 3, 4])
    with pytest.raises(LanguageModelUnreachable):
        writer(SOUND, texts, GONE, drafts=drafts)[0].write(REQUEST)
    built, model = writer(SOUND, SOUND, drafts=drafts)
    written = built.write(REQUEST)
    assert_is_proven(written, REQUEST)
    assert len(model.history) == 2
    assert [reply.stage for reply in written.replies] == ["outline", "texts", "scenes", "alts"]
    assert replies_in(drafts) == written.replies


def test_another_request_begins_anew_and_leaves_the_first_its_draft(tmp_path: Path) -> None:
    drafts = DraftFolder(tmp_path / "draft")
    other = REQUEST.model_copy(update={"age": 6})
    with pytest.raises(LanguageModelUnreachable):
        writer(SOUND, SOUND, GONE, drafts=drafts)[0].write(REQUEST)
    assert not drafts.has_others(EMPTY) and drafts.has_others(Draft.of(other, writer="scripted"))
    built, model = writer(SOUND, SOUND, SOUND, SOUND, drafts=drafts)
    assert len(built.write(other).replies) == len(model.history) == 4
    drafts.clear(Draft.of(other, writer="scripted"))
    built, model = writer(SOUND, SOUND, drafts=drafts)
    assert_is_proven(built.write(REQUEST), REQUEST)
    assert len(model.history) == 2, "what was paid for is not asked for again"
    drafts.clear(EMPTY)
    assert not drafts.path.exists()


def test_what_was_spent_counts_though_a_draft_cannot_be_read(tmp_path: Path) -> None:
    drafts = DraftFolder(tmp_path)
    with pytest.raises(LanguageModelUnreachable):
        writer(SOUND, GONE, drafts=drafts)[0].write(REQUEST)
    (path,) = tmp_path.rglob(DRAFT_FILENAME)
    path.write_text("{")
    written = writer(SOUND, SOUND, SOUND, SOUND, drafts=drafts)[0].write(REQUEST)
    assert [reply.stage for reply in written.replies] == ["outline", "outline", "texts", "scenes", "alts"]


def test_a_story_keeps_the_outline_that_its_texts_were_written_after(tmp_path: Path) -> None:
    drafts = DraftFolder(tmp_path)
    request = REQUEST.model_copy(update={"cast": (RUSTY, BRUNO)})  # whom no outline of this model has
    with pytest.raises(LanguageModelUnreachable):
        writer(SOUND, SOUND, SOUND, SOUND, GONE, drafts=drafts)[0].write(request)
    other = sound(Brain(request, changes={"outline": {"title": "Another Tale"}}))
    built, model = writer(other, other, drafts=drafts)
    written = built.write(request)
    assert_is_proven(written, request)
    assert written.story.title == "Rusty and the Sea"
    assert [reply.stage for reply in written.replies[-2:]] == ["scenes", "alts"] and len(model.history) == 2


def test_notes_of_what_was_mended_outlast_a_stop(tmp_path: Path) -> None:
    bad = sound(Brain(REQUEST, changes={"texts": {"text": "<b>"}}))
    answers = (with_page("texts", 2, text="<b>"), *[bad] * 2)
    through = writer(SOUND, *answers, SOUND, SOUND)[0].write(REQUEST)
    assert "The text of page 2 was simplified" in through.warnings[0]
    drafts = DraftFolder(tmp_path)
    with pytest.raises(LanguageModelUnreachable):
        writer(SOUND, *answers, GONE, drafts=drafts)[0].write(REQUEST)
    assert writer(SOUND, SOUND, drafts=drafts)[0].write(REQUEST).warnings == through.warnings


def test_a_picture_that_only_the_storyteller_could_draw_is_not_asked_for_again(tmp_path: Path) -> None:
    characters = BRAIN.outline([])["characters"]
    characters[0]["wears"] = f"a {'very ' * 50}long scarf"  # fits no prompt
    clothed = sound(Brain(REQUEST, changes={"outline": {"characters": characters}}))
    drafts = DraftFolder(tmp_path)
    with pytest.raises(LanguageModelUnreachable):
        writer(clothed, SOUND, SOUND, SOUND, SOUND, GONE, drafts=drafts)[0].write(REQUEST)
    assert drafts.load(EMPTY)[0].free == (1, 2, 3, 4)
    built, model = writer(SOUND, drafts=drafts)
    assert len(built.write(REQUEST).warnings) == 5
    assert len(model.history) == 1, "the alternative texts"


def test_pages_are_kept_as_they_stream_in(tmp_path: Path) -> None:
    drafts = DraftFolder(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        writer_with(Interrupted(SOUND), drafts=drafts).write(REQUEST)
    built, model = writer(SOUND, SOUND, SOUND, drafts=drafts)
    assert_is_proven(built.write(REQUEST), REQUEST)
    assert "\n3:\n" in model.history[0][-1].content and "\n2:\n" not in model.history[0][-1].content


@pytest.mark.parametrize("come", [TWO_PAGES, ""], ids=["in the middle", "before the first word"])
def test_a_call_that_is_interrupted_is_kept_and_counts(tmp_path: Path, come: str) -> None:
    drafts, price = DraftFolder(tmp_path), Price(input_usd=1.0, output_usd=2.0)
    with pytest.raises(KeyboardInterrupt):
        writer_with(Interrupted(SOUND, come=come), drafts=drafts, price=price).write(REQUEST)
    outline, texts = replies_in(drafts)
    assert (texts.stage, texts.raw, texts.problem) == ("texts", come, "interrupted")
    assert texts.input_tokens > 100 and texts.output_tokens == estimate_tokens(come)
    assert texts.cost_usd == price.of(Usage(texts.input_tokens, texts.output_tokens))
    spent = (outline.cost_usd or 0) + (texts.cost_usd or 0)
    with pytest.raises(BudgetExceeded, match=f"and {spent:.4f} of"):
        writer_with(ScriptedLanguageModel([]), drafts=drafts, price=price, budget_usd=spent).write(REQUEST)
    written = writer_with(ScriptedLanguageModel([SOUND] * 3), drafts=drafts, price=price).write(REQUEST)
    assert written.replies[:2] == (outline, texts)


def test_a_call_that_was_never_taken_costs_nothing(tmp_path: Path) -> None:
    drafts = DraftFolder(tmp_path)
    with pytest.raises(LanguageModelUnreachable):
        writer(SOUND, GONE, drafts=drafts)[0].write(REQUEST)
    assert [reply.stage for reply in replies_in(drafts)] == ["outline"]


def test_what_was_spent_before_the_first_outline_counts_after_a_stop(tmp_path: Path) -> None:
    class Stopped(ScriptedLanguageModel):
        def complete(self, messages: Any, schema: Any, *, max_tokens: int, on_text: Any = None) -> Any:
            if self.history:
                raise KeyboardInterrupt
            return super().complete(messages, schema, max_tokens=max_tokens, on_text=on_text)

    price = Price(input_usd=0.0, output_usd=2.0)
    unreadable = "What a lovely idea!\u2028" * 100
    drafts = DraftFolder(tmp_path / "draft")
    with pytest.raises(KeyboardInterrupt):
        writer_with(Stopped([unreadable]), drafts=drafts, price=price).write(REQUEST)
    first, stopped = replies_in(drafts)
    assert (first.raw, stopped.problem) == (unreadable, "interrupted")
    assert first.cost_usd is not None and first.cost_usd > 0
    with pytest.raises(BudgetExceeded, match=f"and {first.cost_usd:.4f} of"):
        writer_with(ScriptedLanguageModel([]), drafts=drafts, price=price, budget_usd=first.cost_usd).write(REQUEST)
    written = writer_with(ScriptedLanguageModel([SOUND] * 4), drafts=drafts, price=price).write(REQUEST)
    assert written.replies[0] == first


def test_a_budget_stops_before_the_call_that_would_pass_it(tmp_path: Path) -> None:
    price = Price(input_usd=1.0, output_usd=2.0)
    drafts = DraftFolder(tmp_path)
    model = ScriptedLanguageModel([SOUND] * 4)
    built = writer_with(model, drafts=drafts, price=price, budget_usd=0.015)
    with pytest.raises(BudgetExceeded, match=r"of 0\.0150 USD are spent.*larger --budget"):
        built.write(REQUEST)
    asked = len(model.history)
    assert 0 < asked < 4
    spent = sum(reply.cost_usd or 0 for reply in replies_in(drafts))
    assert 0 < spent <= 0.015
    written = writer_with(model, drafts=drafts, price=price, budget_usd=1.0).write(REQUEST)
    assert len(model.history) == 4, "what was paid for is not asked for again"
    assert sum(reply.cost_usd or 0 for reply in written.replies) > spent
    estimate = built.estimate(REQUEST)
    assert estimate.calls == 4
    assert estimate.cost_usd is not None and estimate.cost_usd > 0
