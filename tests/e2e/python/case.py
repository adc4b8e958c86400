"""What every script shares: a client of the host, and running each case of a script."""

import base64
import os
import sys
import traceback

import openai

URL = os.environ["LLM_HOST_URL"]
KEY = os.environ["LLM_HOST_KEY"]

# The smallest PNG there is.
PNG = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d494844520000000100000001080600000"
        "01f15c4890000000a49444154789c63000100000500010d0a2db40000000049454e44ae426082"
    )
).decode()

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


def client(**options):
    options = {"base_url": URL, "api_key": KEY, "max_retries": 0, "timeout": 60, **options}
    return openai.OpenAI(**options)


def user(content):
    return {"role": "user", "content": content}


def equal(got, expected):
    assert got == expected, f"expected {expected!r}, got {got!r}"


def run(*cases):
    failed = 0
    for case in cases:
        try:
            case()
            print(f"ok: {case.__name__}")
        except Exception:
            failed += 1
            print(f"FAILED: {case.__name__}")
            traceback.print_exc(file=sys.stdout)
    sys.exit(1 if failed else 0)
