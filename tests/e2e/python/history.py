"""Answers that come back as history, with what the provider needs back."""

import openai
from case import client, equal, run, user

THINK = "echo/echo-reasoning"


def a_thought_travels_byte_for_byte():
    message = client().chat.completions.create(model=THINK, messages=[user("one")]).choices[0].message
    assert message.reasoning_content, message
    (detail,) = message.reasoning_details
    equal((detail["type"], detail["index"], detail["format"]), ("reasoning.text", 0, "echo"))
    equal(detail["text"], message.reasoning_content)
    # As the object the client gave, and as plain data.
    for back in [message, message.model_dump(), message.model_dump(exclude_none=True)]:
        answer = client().chat.completions.create(model=THINK, messages=[user("one"), back, user("two")])
        equal(answer.choices[0].message.content, "two")


def a_thought_from_a_stream_travels_too():
    with client().chat.completions.stream(model=THINK, messages=[user("one")]) as stream:
        message = stream.get_final_completion().choices[0].message
    back = message.model_dump(exclude={"parsed"}, exclude_none=True)
    answer = client().chat.completions.create(model=THINK, messages=[user("one"), back, user("two")])
    equal(answer.choices[0].message.content, "two")


def a_changed_thought_is_noticed():
    message = client().chat.completions.create(model=THINK, messages=[user("one")]).choices[0].message.model_dump()
    message["reasoning_details"][0]["text"] += "!"
    try:
        client().chat.completions.create(model=THINK, messages=[user("one"), message, user("two")])
    except openai.BadRequestError as error:
        equal(error.body["fault"], "client")
    else:
        raise AssertionError("a changed thought was taken")


def effort_asks_for_a_thought():
    answer = client().chat.completions.create(model="echo/echo", messages=[user("one")], reasoning_effort="low")
    assert answer.choices[0].message.reasoning_content
    assert answer.usage.completion_tokens_details.reasoning_tokens > 0
    answer = client().chat.completions.create(model="echo/echo", messages=[user("one")], reasoning_effort="none")
    assert not hasattr(answer.choices[0].message, "reasoning_content"), answer


run(
    a_thought_travels_byte_for_byte,
    a_thought_from_a_stream_travels_too,
    a_changed_thought_is_noticed,
    effort_asks_for_a_thought,
)
