"""Structured output."""

import json
from typing import List, Literal

from case import client, equal, run, user
from openai import pydantic_function_tool
from pydantic import BaseModel, Field


class Step(BaseModel):
    explanation: str
    count: int = Field(ge=3)


class Plan(BaseModel):
    steps: List[Step] = Field(min_length=1)
    mood: Literal["good", "bad"]


def parsed_into_a_model():
    answer = client().chat.completions.parse(model="echo/echo", messages=[user("plan")], response_format=Plan)
    plan = answer.choices[0].message.parsed
    assert isinstance(plan, Plan), plan
    assert plan.steps[0].count >= 3 and plan.mood in ("good", "bad"), plan


def parsed_from_a_stream():
    with client().chat.completions.stream(
        model="echo/echo", messages=[user("plan")], response_format=Plan
    ) as stream:
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, Plan)


def any_object():
    answer = client().chat.completions.create(
        model="echo/echo", messages=[user("hi")], response_format={"type": "json_object"}
    )
    equal(json.loads(answer.choices[0].message.content), {"echo": "hi"})


def arguments_of_a_tool():
    answer = client().chat.completions.parse(
        model="echo/echo", messages=[user("call Plan")], tools=[pydantic_function_tool(Plan)]
    )
    assert isinstance(answer.choices[0].message.tool_calls[0].function.parsed_arguments, Plan), answer


run(parsed_into_a_model, parsed_from_a_stream, any_object, arguments_of_a_tool)
