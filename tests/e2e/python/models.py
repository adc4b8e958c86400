"""The list of models."""

import openai
from case import client, equal, run


def the_list():
    models = {model.id: model for model in client().models.list()}
    echo = models["echo/echo"]
    equal((echo.object, echo.owned_by), ("model", "echo"))
    assert isinstance(echo.created, int)
    assert "chat" in echo.capabilities, echo


def one_by_its_name():
    equal(client().models.retrieve("echo/echo").id, "echo/echo")


def one_that_is_not_there():
    try:
        client().models.retrieve("echo/nobody")
    except openai.NotFoundError as error:
        equal(error.code, "model_not_found")
    else:
        raise AssertionError("it was found")


def a_key_sees_what_it_may_ask_for():
    equal([model.id for model in client(api_key="llmh-test-key-narrow").models.list()], [])


run(the_list, one_by_its_name, one_that_is_not_there, a_key_sees_what_it_may_ask_for)
