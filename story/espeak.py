"""A voice on this machine: the program espeak-ng, of more than a hundred languages. It sounds like a machine."""

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import soundfile

from story.errors import NarrationError
from story.languages import name_of, primary_language
from story.narration import Samples

PROGRAM = "espeak-ng"
DEFAULT_SPEED = 140
_TIMEOUT_S = 60.0
_MIN_SPEED, _MAX_SPEED = 80, 400


class EspeakVoice:
    """Reads with espeak-ng.

    Args:
        search_path: Where the program is looked for, as in PATH.
        speed: Words a minute.
        voice: One of `espeak-ng --voices`, for every language; by default the language's own.

    Raises:
        NarrationError: The program is not there, or the speed is out of range.
    """

    def __init__(self, *, search_path: str, speed: int = DEFAULT_SPEED, voice: str | None = None) -> None:
        found = shutil.which(PROGRAM, path=search_path)
        if found is None:
            raise NarrationError(
                f"There is no {PROGRAM!r} on the PATH, which reads books aloud. Install it (Debian: apt-get install "
                f"{PROGRAM}), or give your own recordings with --audio."
            )
        if not _MIN_SPEED <= speed <= _MAX_SPEED:
            raise NarrationError(
                f"{speed} words a minute cannot be spoken: {_MIN_SPEED} to {_MAX_SPEED} can. Change it."
            )
        self._program = Path(found)
        self._speed = speed
        self._voice = voice
        self.name = PROGRAM

    def say(self, text: str, language: str) -> tuple[Samples, int]:
        """See `Voice`.

        Raises:
            NarrationError: It has no voice for the language, or fails.
        """
        voice = self._voice or primary_language(language)
        command = [str(self._program), "-v", voice, "-s", str(self._speed), "-b", "1", "--stdin", "--stdout"]
        try:
            done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise NarrationError(f"{PROGRAM} did not finish reading {text[:40]!r}. Try again.") from error
        if done.returncode != 0 or not done.stdout:
            said = done.stderr.decode(errors="replace").strip()
            raise NarrationError(
                f"{PROGRAM} cannot read {name_of(language)} with the voice {voice!r}: {said or 'no sound came'}. Name "
                "one of espeak-ng --voices with --voice, or give your own recordings with --audio."
            )
        samples, rate = soundfile.read(io.BytesIO(done.stdout), dtype="float32")
        return np.asarray(samples, np.float32), rate
