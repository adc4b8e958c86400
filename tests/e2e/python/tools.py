"""Tools: calls, results, several at once, streamed."""

import json

from case import WEATHER, client, equal, run, user

ASK = {"model": "echo/echo", "tools": [WEATHER]}


def call_result_answer():
    messages = [user('call weather {"city":"Zürich"}')]
    answer = client().chat.completions.create(messages=messages, **ASK)
    choice = answer.choices[0]
    equal((choice.finish_reason, choice.message.content), ("tool_calls", None))
    (call,) = choice.message.tool_calls
    equal((call.type, call.function.name), ("function", "weather"))
    equal(json.loads(call.function.arguments), {"city": "Zürich"})
    messages += [choice.message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    answer = client().chat.completions.create(messages=messages, **ASK)
    equal((answer.choices[0].message.content, answer.choices[0].finish_reason), ("weather: sunny", "stop"))


def several_at_once():
    messages = [user('call weather {"city":"A"}\ncall weather {"city":"B"}')]
    message = client().chat.completions.create(messages=messages, **ASK).choices[0].message
    equal([json.loads(call.function.arguments)["city"] for call in message.tool_calls], ["A", "B"])
    equal(len({call.id for call in message.tool_calls}), 2)
    messages.append(message)
    for call, weather in zip(message.tool_calls, ["sun", "rain"]):
        messages.append({"role": "tool", "tool_call_id": call.id, "content": [{"type": "text", "text": weather}]})
    answer = client().chat.completions.create(messages=messages, **ASK).choices[0].message.content
    assert "weather: sun" in answer and "weather: rain" in answer, answer


def streamed():
    messages = [user('call weather {"city":"A"}\ncall weather {"city":"B"}')]
    calls = {}
    reasons = []
    for chunk in client().chat.completions.create(messages=messages, stream=True, **ASK):
        for choice in chunk.choices:
            reasons.append(choice.finish_reason)
            for piece in choice.delta.tool_calls or []:
                call = calls.setdefault(piece.index, {"id": piece.id, "name": piece.function.name, "arguments": ""})
                call["arguments"] += piece.function.arguments or ""
    equal(reasons[-1], "tool_calls")
    equal([json.loads(calls[index]["arguments"]) for index in sorted(calls)], [{"city": "A"}, {"city": "B"}])
    assert all(call["id"] and call["name"] == "weather" for call in calls.values()), calls
    with client().chat.completions.stream(messages=messages, **ASK) as stream:
        message = stream.get_final_completion().choices[0].message
    equal([call.function.arguments for call in message.tool_calls], [calls[0]["arguments"], calls[1]["arguments"]])


def the_caller_chooses():
    for choice in ["required", {"type": "function", "function": {"name": "weather"}}]:
        answer = client().chat.completions.create(messages=[user("hi")], tool_choice=choice, **ASK)
        equal(answer.choices[0].message.tool_calls[0].function.name, "weather")
    answer = client().chat.completions.create(messages=[user("hi")], tool_choice="none", **ASK)
    equal((answer.choices[0].message.tool_calls, answer.choices[0].message.content), (None, "hi"))


def functions_of_the_first_form():
    functions = [WEATHER["function"]]
    messages = [user('call weather {"city":"A"}')]
    answer = client().chat.completions.create(model="echo/echo", messages=messages, functions=functions)
    choice = answer.choices[0]
    equal((choice.finish_reason, choice.message.function_call.name), ("function_call", "weather"))
    messages += [choice.message, {"role": "function", "name": "weather", "content": "sunny"}]
    answer = client().chat.completions.create(model="echo/echo", messages=messages, functions=functions)
    equal(answer.choices[0].message.content, "weather: sunny")


run(call_result_answer, several_at_once, streamed, the_caller_chooses, functions_of_the_first_form)
