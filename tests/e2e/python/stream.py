"""Streamed answers."""

import openai
from case import client, equal, run, user


def texts(chunks):
    return [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]


def word_by_word():
    chunks = list(client().chat.completions.create(model="echo/echo", messages=[user("one two three")], stream=True))
    equal(chunks[0].choices[0].delta.role, "assistant")
    equal(texts(chunks), ["one", " two", " three"])
    equal([c.choices[0].finish_reason for c in chunks if c.choices][-1], "stop")
    equal({(c.id, c.model, c.object) for c in chunks}, {(chunks[0].id, "echo", "chat.completion.chunk")})
    assert all(c.usage is None for c in chunks)


def usage_when_asked_for():
    chunks = list(
        client().chat.completions.create(
            model="echo/echo", messages=[user("one two")], stream=True, stream_options={"include_usage": True}
        )
    )
    equal(chunks[-1].choices, [])
    equal((chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens), (2, 2))
    assert all(c.usage is None for c in chunks[:-1])


def the_gathered_answer_is_the_whole_one():
    request = {"model": "echo/echo-reasoning", "messages": [user("one two three")]}
    whole = client().chat.completions.create(**request)
    with client().chat.completions.stream(**request) as stream:
        kinds = {event.type for event in stream}
        gathered = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds, kinds
    equal(gathered.choices[0].finish_reason, whole.choices[0].finish_reason)
    # The helper adds a field of its own.
    left = {k: v for k, v in gathered.choices[0].message.model_dump().items() if k != "parsed"}
    equal(left, {**whole.choices[0].message.model_dump(), **{k: None for k in left if left[k] is None}})


def several_choices():
    chunks = list(client().chat.completions.create(model="echo/echo", messages=[user("a b")], stream=True, n=2))
    said = {0: "", 1: ""}
    for chunk in chunks:
        for choice in chunk.choices:
            said[choice.index] += choice.delta.content or ""
    equal(said, {0: "a b", 1: "a b"})


def a_failure_on_the_way_is_raised():
    got = []
    try:
        for chunk in client().chat.completions.create(
            model="echo/echo", messages=[user("error after 2 overloaded")], stream=True
        ):
            got.append(chunk)
    except openai.APIError as error:
        equal(error.code, "provider_overloaded")
        equal(error.type, "overloaded_error")
        equal(error.body["provider"], "echo")
    else:
        raise AssertionError(f"no error after {got}")
    equal(len(texts(got)), 2)


def a_failure_before_the_first_piece_has_its_status():
    try:
        client().chat.completions.create(model="echo/echo", messages=[user("error context-length")], stream=True)
    except openai.BadRequestError as error:
        equal(error.code, "context_length_exceeded")
    else:
        raise AssertionError("no error")


run(
    word_by_word,
    usage_when_asked_for,
    the_gathered_answer_is_the_whole_one,
    several_choices,
    a_failure_on_the_way_is_raised,
    a_failure_before_the_first_piece_has_its_status,
)
