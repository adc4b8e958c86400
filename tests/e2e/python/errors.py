"""Failures, as the client's own exceptions."""

import openai
from case import client, equal, run, user


def raised(expected, **request):
    request = {"model": "echo/echo", "messages": [user("hi")], **request}
    options = request.pop("options", {})
    try:
        answer = client(**options).chat.completions.create(**request)
    except expected as error:
        equal(type(error), expected)
        return error
    raise AssertionError(f"no {expected.__name__}: {answer}")


def told(kind, expected, **options):
    return raised(expected, messages=[user(f"error {kind}")], options=options)


def no_such_model():
    for model in ["nobody/nothing", "gpt-unheard-of"]:
        error = raised(openai.NotFoundError, model=model)
        equal((error.code, error.param), ("model_not_found", "model"))
        assert "echo" in error.message, "it says what there is"


def a_wrong_request():
    error = raised(openai.BadRequestError, messages=[{"role": "robot", "content": "hi"}])
    equal((error.param, error.type), ("messages[0].role", "invalid_request_error"))
    picture = {"type": "image_url", "image_url": {"url": "cat.png"}}
    error = raised(openai.BadRequestError, messages=[user([picture])])
    equal((error.param, error.code), ("messages[0].content[0].image_url.url", "invalid_value"))
    error = raised(openai.BadRequestError, extra_body={"temperature": "hot"})
    equal((error.param, error.code), ("temperature", "invalid_type"))


def a_wrong_key():
    error = raised(openai.AuthenticationError, options={"api_key": "sk-wrong-and-secret"})
    equal(error.code, "invalid_api_key")
    assert "sk-wrong-and-secret" not in str(error.body), "a key is never repeated"


def a_key_that_may_not():
    error = raised(openai.PermissionDeniedError, options={"api_key": "llmh-test-key-narrow"})
    assert "echo/only-this" in error.message, error.message


def a_rate_limit():
    error = told("rate-limited 1500", openai.RateLimitError)
    equal(error.code, "rate_limit_exceeded")
    equal((error.response.headers["retry-after"], error.response.headers["retry-after-ms"]), ("2", "1500"))
    equal(error.body["provider"], "echo")


def the_providers_failures():
    for kind, expected, status, code in [
        ("invalid-request", openai.BadRequestError, 400, None),
        ("context-length", openai.BadRequestError, 400, "context_length_exceeded"),
        ("content-filtered", openai.BadRequestError, 400, "content_filter"),
        ("permission", openai.PermissionDeniedError, 403, "provider_permission"),
        ("denied", openai.PermissionDeniedError, 403, "denied_by_host"),
        ("not-found", openai.NotFoundError, 404, None),
        ("quota-exhausted", openai.RateLimitError, 429, "insufficient_quota"),
        ("authentication", openai.InternalServerError, 502, "provider_authentication"),
        ("upstream", openai.InternalServerError, 502, "provider_error"),
        ("transport", openai.InternalServerError, 502, "provider_unreachable"),
        ("overloaded", openai.InternalServerError, 503, "provider_overloaded"),
        ("timeout", openai.InternalServerError, 504, "provider_timeout"),
    ]:
        error = told(kind, expected)
        equal((kind, error.status_code), (kind, status))
        assert code is None or error.code == code, (kind, error.code)
        assert error.request_id, kind


def what_cannot_get_better_is_not_tried_again():
    asked = []

    def count(request):
        asked.append(request)

    def tries(kind):
        asked.clear()
        http = openai.DefaultHttpxClient(event_hooks={"request": [count]})
        try:
            client(max_retries=2, http_client=http).chat.completions.create(
                model="echo/echo", messages=[user(f"error {kind}")]
            )
        except openai.APIStatusError:
            pass
        return len(asked)

    equal(tries("rate-limited 1"), 3)
    equal(tries("overloaded 1"), 3)
    equal(tries("quota-exhausted"), 1)
    equal(tries("authentication"), 1)
    equal(tries("context-length"), 1)


run(
    no_such_model,
    a_wrong_request,
    a_wrong_key,
    a_key_that_may_not,
    a_rate_limit,
    the_providers_failures,
    what_cannot_get_better_is_not_tried_again,
)
