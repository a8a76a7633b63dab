"""A language model for tests that is held up as long as they want."""

import threading

from tests.story.misbehaving_server import Behaviour, MisbehavingServer


class Teller:
    """A language model whose answers can be held up, so that a story stays under way as long as a test wants."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = "good"
        self.may_go_on = threading.Event()
        self.server: MisbehavingServer

    def next_behaviour(self) -> Behaviour:
        """Words come at once; what comes after them when it may."""
        asked = self.server.requests[-1]["response_format"]["json_schema"]["name"]
        if asked == "ScenesAnswer":
            self.may_go_on.wait(120)
        return self.behaviour
