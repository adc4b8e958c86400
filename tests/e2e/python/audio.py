"""Sound from text, and text from sound."""

import io
import wave

import openai
from case import client, equal, run


def spoken():
    pieces = []
    speech = client().audio.speech.with_streaming_response
    with speech.create(model="echo/echo", voice="any", input="word " * 400, response_format="wav") as answer:
        equal(answer.headers["content-type"], "audio/wav")
        equal(answer.headers["x-llm-host-provider"], "echo")
        for piece in answer.iter_bytes():
            pieces.append(piece)
    with wave.open(io.BytesIO(b"".join(pieces))) as sound:
        equal((sound.getnframes(), sound.getframerate()), (400 * 400, 8000))
    assert len(pieces) > 1, "it comes in pieces"


def whole():
    raw = client().audio.speech.with_raw_response.create(model="echo/echo", voice="any", input="one two", speed=2)
    equal(len(raw.content), 44 + 800)
    equal(raw.headers["x-llm-host-dropped"], "speed")


def written_down():
    sound = ("speech.wav", b"RIFF0000", "audio/wav")
    text = "[speech.wav, audio/wav, 8 bytes]"
    transcribe = client().audio.transcriptions.create
    answer = transcribe(model="echo/echo", file=sound)
    equal((answer.text, answer.usage.type, answer.usage.output_tokens), (text, "tokens", 4))
    equal(transcribe(model="echo/echo", file=sound, response_format="text"), text + "\n")
    verbose = transcribe(model="echo/echo", file=sound, response_format="verbose_json", language="en")
    equal((verbose.duration, verbose.language, len(verbose.segments)), (4.0, "en", 4))
    srt = transcribe(model="echo/echo", file=sound, response_format="srt")
    assert srt.startswith("1\n00:00:00,000 --> 00:00:01,000\n[speech.wav,\n\n2\n"), srt
    assert transcribe(model="echo/echo", file=sound, response_format="vtt").startswith("WEBVTT\n\n00:00:00.000 --> ")


def further_fields():
    raw = client().audio.transcriptions.with_raw_response.create(
        model="echo/echo", file=b"RIFF", temperature=0.5, timestamp_granularities=["word"]
    )
    equal(raw.headers["x-llm-host-dropped"], "temperature, timestamp_granularities")


def errors():
    audio = client().audio
    for call, kind, code in [
        (
            lambda: audio.speech.create(model="echo/echo", voice="x", input="error quota-exhausted"),
            openai.RateLimitError,
            "insufficient_quota",
        ),
        (lambda: audio.translations.create(model="echo/echo", file=b"RIFF"), openai.BadRequestError, "unsupported"),
        (
            lambda: audio.transcriptions.create(model="echo/echo", file=b"RIFF", stream=True),
            openai.BadRequestError,
            "unsupported",
        ),
    ]:
        try:
            call()
        except kind as error:
            equal(error.code, code)
        else:
            raise AssertionError(code)


run(spoken, whole, written_down, further_fields, errors)
