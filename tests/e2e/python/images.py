"""Pictures."""

import base64

import openai
from case import PNG, client, equal, run

PICTURE = base64.b64decode(PNG)


def drawn():
    raw = client().images.with_raw_response.generate(
        model="echo/echo", prompt="a red fox", n=2, size="32x16", response_format="b64_json", quality="high"
    )
    answer = raw.parse()
    equal(len(answer.data), 2)
    drawing = base64.b64decode(answer.data[0].b64_json).decode()
    assert drawing.startswith("<svg") and "a red fox" in drawing, drawing
    assert answer.created > 1_700_000_000, answer
    equal((answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens), (3, 2, 5))
    equal(raw.headers["x-llm-host-dropped"], "quality")


def edited():
    raw = client().images.with_raw_response.edit(
        model="echo/echo",
        prompt="more red",
        image=[("a.png", PICTURE, "image/png"), ("b.png", b"other", "image/png")],
        mask=("m.png", b"mask", "image/png"),
    )
    equal(base64.b64decode(raw.parse().data[0].b64_json), PICTURE)
    equal(raw.parse().usage.input_tokens_details.image_tokens, 2)
    equal(raw.headers["x-llm-host-dropped"], "mask")


def varied():
    answer = client().images.create_variation(model="echo/echo", image=PICTURE, n=3)
    equal([base64.b64decode(item.b64_json) for item in answer.data], [PICTURE] * 3)


def errors():
    images = client().images
    for call, kind, code, param in [
        (lambda: images.generate(model="echo/echo", prompt="x", n=99), openai.BadRequestError, "invalid_request", "n"),
        (
            lambda: images.generate(model="echo/echo", prompt="error content-filtered"),
            openai.BadRequestError,
            "content_filter",
            None,
        ),
        (
            lambda: images.generate(model="echo/echo", prompt="x", stream=True),
            openai.BadRequestError,
            "unsupported",
            "stream",
        ),
        (lambda: images.edit(model="none/x", prompt="x", image=PICTURE), openai.NotFoundError, "model_not_found", "model"),
    ]:
        try:
            call()
        except kind as error:
            equal((error.code, error.param), (code, param))
        else:
            raise AssertionError(code)


run(drawn, edited, varied, errors)
