"""Two hundred seeded runs against a server that goes wrong in every known way, over real HTTP.

Every run ends in a complete, proven story or in a refusal that says why; none takes longer than its deadlines allow,
and none loses what was written before it ended.
"""

import random
import time
from pathlib import Path

import pytest

from story.draft import Draft, DraftFolder
from story.errors import LanguageModelError, LanguageModelUnreachable
from story.langchain_model import LangchainLanguageModel
from story.schema import StoryRequest
from tests.story.builders import BANK, assert_is_proven, writer_with
from tests.story.misbehaving_server import BEHAVIOURS, MOST_SECONDS, Behaviour, MisbehavingServer, misbehaving

NUM_RUNS = 200
RUNS_PER_LANGUAGE = 50
TIMEOUT_S = 0.4
PATIENT_S = 60
"""Where the server behaves, so that a busy machine is not taken for a server that does not."""
MAX_CALLS = 12
"""Four stages, each asked for once and repaired twice."""


def model_at(
    server: MisbehavingServer, *, max_attempts: int = 2, timeout_s: float = TIMEOUT_S
) -> LangchainLanguageModel:
    return LangchainLanguageModel(
        "openai:tiny", base_url=server.address, timeout_s=timeout_s, max_attempts=max_attempts, first_wait_s=0.01
    )


def behaviours_of(seed: int) -> list[Behaviour]:
    """What the server does in a run: sound more often than not, so that runs get far enough to go wrong late."""
    rng = random.Random(seed)
    share = rng.choice((0.3, 0.6, 0.85))
    return [rng.choice(BEHAVIOURS) if rng.random() > share else "good" for _ in range(60)]


@pytest.fixture(scope="module", autouse=True)
def _libraries_are_loaded() -> None:
    """So that no run's deadline pays for imports."""
    with misbehaving(StoryRequest(idea="a fox", catalog=BANK, pages=4)) as server:
        patient = model_at(server, timeout_s=PATIENT_S)
        writer_with(patient).write(StoryRequest(idea="a fox", catalog=BANK, pages=4))


@pytest.mark.parametrize(("language", "first_seed"), [("en", 0), ("de", 50), ("ko", 100), ("ar", 150)])
def test_every_run_ends_well_or_in_a_refusal_and_in_time(language: str, first_seed: int, tmp_path: Path) -> None:
    request = StoryRequest(idea="a fox", catalog=BANK, pages=4, language=language)
    ends: dict[str, int] = {"proven": 0, "refused": 0}
    met: set[Behaviour] = set()
    with misbehaving(request) as server:
        model = model_at(server)
        for seed in range(first_seed, first_seed + RUNS_PER_LANGUAGE):
            plan = iter(behaviours_of(seed))
            server.next_behaviour = plan.__next__
            drafts = DraftFolder(tmp_path / str(seed))
            asked, started = len(server.done), time.monotonic()
            try:
                assert_is_proven(writer_with(model, drafts=drafts).write(request), request)
                ends["proven"] += 1
            except LanguageModelError as error:
                assert str(error).endswith((".", "storyteller.")) and len(str(error)) > 60, error
                ends["refused"] += 1
                assert_nothing_is_lost(drafts, server, request)
            took = time.monotonic() - started
            assert took < MAX_CALLS * (TIMEOUT_S + 0.3), f"run {seed} took {took:.1f} s: {server.done[asked:]}"
            met |= set(server.done)
    assert met == set(BEHAVIOURS), f"these runs never met {set(BEHAVIOURS) - met}"
    assert ends["proven"] >= RUNS_PER_LANGUAGE // 4 and ends["refused"] >= 1, ends


def assert_nothing_is_lost(drafts: DraftFolder, server: MisbehavingServer, request: StoryRequest) -> None:
    """The same request goes on from what was kept, and asks only for what is missing."""
    kept, replies = drafts.load(Draft.of(request, writer="scripted"))
    server.next_behaviour = lambda: "good"
    asked = len(server.requests)
    patient = model_at(server, timeout_s=PATIENT_S)
    written = writer_with(patient, drafts=drafts).write(request)
    assert_is_proven(written, request)
    assert written.replies[: len(replies)] == replies
    assert len(server.requests) - asked <= 4
    for number, text in kept.texts.items():
        still_sound = written.story.pages[number - 1].text == text.text
        assert still_sound or not is_sound(text.text, server, number)


def is_sound(text: str, server: MisbehavingServer, number: int) -> bool:
    return text == server.brain.text(number)["text"]


def wait_until_hung_up(server: MisbehavingServer, *, times: int) -> None:
    """The server learns of it when it writes next."""
    deadline = time.monotonic() + 20
    while server.hung_up < times:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert server.hung_up == times


def test_a_slow_drip_is_hung_up_on_at_the_deadline() -> None:
    request = StoryRequest(idea="a fox", catalog=BANK, pages=4)
    with misbehaving(request, lambda: "dripping") as server:
        started = time.monotonic()
        with pytest.raises(LanguageModelUnreachable, match=r"no answer within 0\.4 s"):
            writer_with(model_at(server)).write(request)
        assert time.monotonic() - started < MOST_SECONDS / 2  # long before the server would have ended it
        wait_until_hung_up(server, times=1)  # the connection is closed, not left to drip


def test_an_endless_answer_is_hung_up_on() -> None:
    request = StoryRequest(idea="a fox", catalog=BANK, pages=4)
    with misbehaving(request, lambda: "endless") as server:
        written = writer_with(model_at(server)).write(request)
        assert_is_proven(written, request)
        assert "built-in storyteller" in written.warnings[0]
        wait_until_hung_up(server, times=3)
    assert all(len(reply.raw) < 200_000 for reply in written.replies)


def test_a_busy_server_is_asked_again_after_the_time_it_names() -> None:
    request = StoryRequest(idea="a fox", catalog=BANK, pages=4)
    plan = iter(["busy", "good", "failing", "good", "good", "good"])
    with misbehaving(request, lambda: next(plan)) as server:  # type: ignore[arg-type, return-value]
        assert_is_proven(writer_with(model_at(server)).write(request), request)
        assert server.done == ["busy", "good", "failing", "good", "good", "good"]


def test_usage_and_raw_replies_come_over_the_wire() -> None:
    request = StoryRequest(idea="a fox", catalog=BANK, pages=4)
    with misbehaving(request) as server:
        written = writer_with(model_at(server)).write(request)
    assert [(reply.input_tokens, reply.output_tokens) for reply in written.replies] == [(1100, 700)] * 4
    assert [reply.stage for reply in written.replies] == ["outline", "texts", "scenes", "alts"]
    assert written.replies[3].raw == server.brain.answer("AltsAnswer", range(5))
