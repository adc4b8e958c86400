"""Vectors. The package asks for base64 unless it is told otherwise."""

import base64
import struct

import openai
from case import client, equal, run


def one_text():
    raw = client().embeddings.with_raw_response.create(model="echo/echo", input="a red fox")
    answer = raw.parse()
    vector = answer.data[0].embedding
    equal(len(vector), 64)
    assert isinstance(vector[0], float) and abs(sum(x * x for x in vector) - 1) < 1e-5, vector
    equal((answer.object, answer.data[0].object, answer.data[0].index), ("list", "embedding", 0))
    equal((answer.model, answer.usage.prompt_tokens, answer.usage.total_tokens), ("echo", 3, 3))
    equal(raw.headers["x-llm-host-provider"], "echo")


def both_encodings_are_the_same_numbers():
    ask = {"model": "echo/echo", "input": ["one two", "three"], "dimensions": 8}
    default = client().embeddings.create(**ask)
    floats = client().embeddings.create(**ask, encoding_format="float")
    packed = client().embeddings.create(**ask, encoding_format="base64")
    equal([item.index for item in floats.data], [0, 1])
    for a, b, c in zip(default.data, floats.data, packed.data, strict=True):
        equal(len(b.embedding), 8)
        as_single = [struct.unpack("<f", struct.pack("<f", x))[0] for x in b.embedding]
        equal([float(x) for x in a.embedding], as_single)
        equal(list(struct.unpack("<8f", base64.b64decode(c.embedding))), as_single)


def tokens():
    one = client().embeddings.create(model="echo/echo", input=[1, 2, 3])
    several = client().embeddings.create(model="echo/echo", input=[[1, 2, 3], [4]])
    equal((one.usage.prompt_tokens, several.usage.prompt_tokens), (3, 4))
    equal(one.data[0].embedding, several.data[0].embedding)


def further_fields_are_named():
    raw = client().embeddings.with_raw_response.create(
        model="echo/echo", input="a", user="me", extra_body={"input_type": "query"}
    )
    equal(raw.headers["x-llm-host-dropped"], "input_type")


def errors():
    for ask, kind, code, param in [
        ({"input": []}, openai.BadRequestError, "invalid_value", "input"),
        ({"input": "a", "model": "nowhere/x"}, openai.NotFoundError, "model_not_found", "model"),
        ({"input": "error rate-limited 100"}, openai.RateLimitError, "rate_limit_exceeded", None),
        ({"input": "a", "dimensions": 0}, openai.BadRequestError, "invalid_request", "dimensions"),
    ]:
        try:
            client().embeddings.create(**{"model": "echo/echo", **ask})
        except kind as error:
            equal((error.code, error.param), (code, param))
        else:
            raise AssertionError(f"{ask} was answered")


run(one_text, both_encodings_are_the_same_numbers, tokens, further_fields_are_named, errors)
