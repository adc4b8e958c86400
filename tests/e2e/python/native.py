"""Providers' own APIs behind the host, with their own packages."""

import anthropic
import openai
from case import KEY, URL, equal, run

ROOT = URL.removesuffix("/v1")
HELLO = [{"role": "user", "content": "hello"}]


def gpt(**options):
    return openai.OpenAI(base_url=f"{ROOT}/providers/openai/v1", api_key=KEY, max_retries=0, timeout=60, **options)


def claude(**options):
    options = {"api_key": KEY, **options}
    return anthropic.Anthropic(base_url=f"{ROOT}/providers/anthropic", max_retries=0, timeout=60, **options)


def a_whole_answer():
    raw = gpt().chat.completions.with_raw_response.create(model="gpt-x", messages=HELLO)
    equal(raw.parse().choices[0].message.content, "hi")
    equal(raw.headers["x-llm-host-provider"], "openai")
    equal(raw.headers["x-llm-host-provider-request-id"], "req-upstream")
    equal(raw.headers["x-own"], "kept")


def a_stream():
    chunks = gpt().chat.completions.create(model="gpt-x", messages=HELLO, stream=True)
    equal("".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices), "one two")


def other_methods_and_forms():
    equal(gpt().models.list().data[0].id, "gpt-x")
    equal(gpt().files.create(file=("a.jsonl", b"{}"), purpose="batch").id, "file-1")
    equal(gpt().files.content("file-1").content, bytes(range(256)))
    equal(gpt().files.delete("file-1").deleted, True)


def errors_come_as_they_are():
    try:
        gpt().chat.completions.create(model="limited", messages=HELLO)
    except openai.RateLimitError as error:
        equal((error.code, error.response.headers["retry-after"]), ("theirs", "7"))
    else:
        raise AssertionError("it was answered")


def anothers_package():
    message = claude().messages.create(model="claude-x", max_tokens=9, messages=HELLO)
    equal((message.content[0].text, message.usage.output_tokens), ("hi", 2))
    with claude().messages.stream(model="claude-x", max_tokens=9, messages=HELLO) as stream:
        equal("".join(stream.text_stream), "one two")


def who_may_not():
    for key, path, kind in [
        ("llmh-test-key-narrow", "openai", openai.PermissionDeniedError),
        ("wrong", "openai", openai.AuthenticationError),
        (KEY, "nobody", openai.NotFoundError),
        (KEY, "echo", openai.BadRequestError),
    ]:
        client = openai.OpenAI(base_url=f"{ROOT}/providers/{path}/v1", api_key=key, max_retries=0)
        try:
            client.models.list()
        except kind as error:
            if kind is openai.BadRequestError:
                assert error.code == "unsupported" and "`chat`" in error.message, error
        else:
            raise AssertionError(path)


run(a_whole_answer, a_stream, other_methods_and_forms, errors_come_as_they_are, anothers_package, who_may_not)
