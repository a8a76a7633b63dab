"""A voice of a speech endpoint of OpenAI's protocol, at OpenAI or on a server of one's own."""

import io
from typing import Any

import numpy as np
import soundfile

from story.errors import NarrationError
from story.narration import Samples

_ATTEMPTS_MORE = 2


class EndpointVoice:
    """Reads with an endpoint, one question a sentence; what is read is sent there.

    Args:
        name: "MODEL/VOICE", such as "gpt-4o-mini-tts/coral".
        base_url: Of the endpoint; None is OpenAI's own.
        api_key: None where a server of one's own needs none.
        timeout_s: For one sentence.

    Raises:
        NarrationError: The name has another form, or OpenAI is to be asked without a key.
    """

    def __init__(self, name: str, *, base_url: str | None, api_key: str | None, timeout_s: float) -> None:
        self._model, _, self._voice = (part.strip() for part in name.partition("/"))
        if not self._model or not self._voice:
            raise NarrationError(f"{name!r} is no model and voice, such as gpt-4o-mini-tts/coral. Correct --voice.")
        if base_url is None and api_key is None:
            raise NarrationError(
                "OpenAI's voices need a key. Set OPENAI_API_KEY, or name a server of your own (--base-url) or another "
                "voice with --voice."
            )
        self._base_url = base_url
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._client: Any = None
        self.name = name

    def say(self, text: str, language: str) -> tuple[Samples, int]:
        """See `Voice`.

        Raises:
            NarrationError: The endpoint gave no sound.
        """
        del language  # these models hear it from the words
        from openai import OpenAI, OpenAIError

        try:
            if self._client is None:
                key = self._api_key or ("not-needed" if self._base_url else None)
                self._client = OpenAI(
                    base_url=self._base_url, api_key=key, timeout=self._timeout_s, max_retries=_ATTEMPTS_MORE
                )
            answer = self._client.audio.speech.create(
                model=self._model, voice=self._voice, input=text, response_format="wav"
            )
            samples, rate = soundfile.read(io.BytesIO(answer.content), dtype="float32", always_2d=True)
        except (OpenAIError, soundfile.LibsndfileError) as error:
            raise NarrationError(
                f"The speech endpoint at {self._base_url or 'OpenAI'} did not read {text[:40]!r}: {str(error)[:200]}. "
                "Try again, or name another voice with --voice."
            ) from error
        if not len(samples):
            raise NarrationError(
                f"The speech endpoint gave no sound for {text[:40]!r}. Name another voice with --voice."
            )
        return np.asarray(samples.mean(axis=1), np.float32), rate
