"""Whole answers."""

from case import PNG, client, equal, run, user


def a_text_comes_back():
    raw = client().chat.completions.with_raw_response.create(
        model="echo/echo",
        messages=[{"role": "system", "content": "Be brief."}, user("Hello big world")],
    )
    answer = raw.parse()
    equal(answer.choices[0].message.content, "Hello big world")
    equal(answer.choices[0].message.role, "assistant")
    equal(answer.choices[0].finish_reason, "stop")
    equal(answer.object, "chat.completion")
    equal(answer.model, "echo")
    assert answer.id and answer.created > 1_700_000_000, answer
    equal((answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens), (5, 3, 8))
    equal(answer.usage.prompt_tokens_details.cached_tokens, 0)
    equal(raw.headers["x-llm-host-provider"], "echo")
    equal(raw.headers["x-llm-host-model"], "echo")
    assert int(raw.headers["x-llm-host-generation"]) >= 1
    equal(answer._request_id, raw.headers["x-request-id"])


def several_turns():
    answer = client().chat.completions.create(
        model="echo/echo",
        messages=[user("one"), {"role": "assistant", "content": "two"}, user([{"type": "text", "text": "three"}])],
    )
    equal(answer.choices[0].message.content, "three")


def a_picture_is_seen():
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}}
    answer = client().chat.completions.create(
        model="echo/echo", messages=[user([{"type": "text", "text": "look"}, picture])]
    )
    assert "[image/png, " in answer.choices[0].message.content, answer


def a_document_is_read():
    document = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"}}
    answer = client().chat.completions.create(model="echo/echo", messages=[user([document])])
    assert "application/pdf, 3 bytes" in answer.choices[0].message.content, answer


def limits_and_choices():
    answer = client().chat.completions.create(
        model="echo/echo", messages=[user("one two three")], max_completion_tokens=2, n=2
    )
    equal([choice.index for choice in answer.choices], [0, 1])
    for choice in answer.choices:
        equal((choice.message.content, choice.finish_reason), ("one two", "length"))
    answer = client().chat.completions.create(model="echo/echo", messages=[user("one two three")], stop=["two"])
    equal((answer.choices[0].message.content.strip(), answer.choices[0].finish_reason), ("one", "stop"))


def what_does_not_reach_the_provider_is_named():
    raw = client().chat.completions.with_raw_response.create(
        model="echo/echo",
        messages=[user("x")],
        logit_bias={"50256": -100},
        temperature=0.5,
        extra_body={"made_up": {"a": 1}},
    )
    dropped = raw.headers["x-llm-host-dropped"].split(", ")
    equal(sorted(dropped), ["logit_bias", "made_up", "temperature"])
    raw = client().chat.completions.with_raw_response.create(model="echo/echo", messages=[user("x")])
    assert "x-llm-host-dropped" not in raw.headers


run(
    a_text_comes_back,
    several_turns,
    a_picture_is_seen,
    a_document_is_read,
    limits_and_choices,
    what_does_not_reach_the_provider_is_named,
)
