"""Continuations of texts: the older API."""

import openai
from case import client, equal, run


def several_texts():
    raw = client().completions.with_raw_response.create(
        model="echo/echo", prompt=["one two three", "four"], max_tokens=2, n=2, extra_body={"odd": 1}
    )
    answer = raw.parse()
    equal([choice.text for choice in answer.choices], ["one two", "one two", "four", "four"])
    equal([choice.index for choice in answer.choices], [0, 1, 2, 3])
    equal([choice.finish_reason for choice in answer.choices], ["length", "length", "stop", "stop"])
    equal((answer.object, answer.model), ("text_completion", "echo"))
    equal((answer.usage.prompt_tokens, answer.usage.completion_tokens), (4, 6))
    equal(raw.headers["x-llm-host-dropped"], "odd")


def tokens_echo_and_log_probabilities():
    answer = client().completions.create(model="echo/echo", prompt=[7, 8], echo=True, logprobs=1, stop=["8"])
    choice = answer.choices[0]
    equal(choice.text, "7 87 ")
    equal(choice.logprobs.tokens, ["7", " 87 "])
    equal(choice.logprobs.token_logprobs, [0.0, 0.0])
    equal(choice.logprobs.text_offset, [0, 1])


def a_stream():
    chunks = list(
        client().completions.create(
            model="echo/echo", prompt="one two", stream=True, stream_options={"include_usage": True}
        )
    )
    *said, end, usage = chunks
    equal([chunk.choices[0].text for chunk in said], ["one", " two"])
    equal((end.choices[0].text, end.choices[0].finish_reason), ("", "stop"))
    equal((usage.choices, usage.usage.completion_tokens), ([], 2))
    equal({(chunk.id, chunk.object, chunk.model) for chunk in chunks}, {(end.id, "text_completion", "echo")})


def errors():
    for ask, kind, code in [
        ({"prompt": "error overloaded"}, openai.InternalServerError, "provider_overloaded"),
        ({"prompt": {}}, openai.BadRequestError, "invalid_type"),
        ({"prompt": "a", "n": 0}, openai.BadRequestError, "invalid_request"),
    ]:
        try:
            client().completions.create(model="echo/echo", **ask)
        except kind as error:
            equal(error.code, code)
        else:
            raise AssertionError(f"{ask} was answered")


def an_error_in_the_middle():
    said = []
    try:
        for chunk in client().completions.create(model="echo/echo", prompt="error after 2 upstream", stream=True):
            said.append(chunk.choices[0].text)
    except openai.APIError as error:
        equal(said, ["error", " after"])
        equal(error.code, "provider_error")
        return
    raise AssertionError("the stream ended well")


run(several_texts, tokens_echo_and_log_probabilities, a_stream, errors, an_error_in_the_middle)
