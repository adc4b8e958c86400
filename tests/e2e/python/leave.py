"""Leaving in the middle of an answer."""

import openai
from case import URL, client, equal, run, user


def by_closing_the_stream():
    stream = client().chat.completions.create(model="openai/gpt-x", messages=[user("go on")], stream=True)
    for chunk in stream:
        if chunk.choices[0].delta.content:
            equal(chunk.choices[0].delta.content, "one ")
            break
    stream.close()


def by_losing_patience():
    try:
        for _ in client(timeout=2).chat.completions.create(
            model="openai/gpt-x", messages=[user("go on")], stream=True
        ):
            pass
    except openai.APITimeoutError:
        return
    raise AssertionError("the answer ended")


def by_losing_patience_with_a_whole_answer():
    try:
        client(timeout=2).chat.completions.create(model="openai/gpt-x", messages=[user("go on")])
    except openai.APITimeoutError:
        return
    raise AssertionError("there was an answer")


def by_closing_a_native_stream():
    native = client(base_url=URL.removesuffix("/v1") + "/providers/openai/v1")
    stream = native.chat.completions.create(model="gpt-x", messages=[user("go on")], stream=True)
    for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    stream.close()


run(
    by_closing_the_stream,
    by_losing_patience,
    by_losing_patience_with_a_whole_answer,
    by_closing_a_native_stream,
)
