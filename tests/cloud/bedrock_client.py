"""AWS's own client before the host, by the native routes.

In: a host whose provider `bedrock` asks the fake AWS, which was told what to answer. Out: nothing; a
difference fails. The client signs nothing and shows the host's key: it sends bearer tokens over HTTPS only.
"""

import os

import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

MODEL = "anthropic.claude-3-5-sonnet-20240620-v1:0"
ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/ab12cd34ef56"
MESSAGES = [{"role": "user", "content": [{"text": "Hello"}]}]


def client(service):
    made = botocore.session.get_session().create_client(
        service,
        region_name="us-east-1",
        endpoint_url=os.environ["LLM_HOST_URL"].removesuffix("/v1") + "/providers/bedrock",
        config=Config(signature_version=UNSIGNED, retries={"max_attempts": 0}),
    )
    made.meta.events.register(f"before-send.{service}.*", show_key)
    return made


def show_key(request, **_):
    request.headers["x-api-key"] = os.environ["LLM_HOST_KEY"]


def main():
    runtime = client("bedrock-runtime")
    whole = runtime.converse(modelId=ARN, messages=MESSAGES)
    assert whole["output"]["message"]["content"] == [{"text": "Hello there"}], whole
    assert whole["usage"]["totalTokens"] == 10, whole

    events = list(runtime.converse_stream(modelId=MODEL, messages=MESSAGES)["stream"])
    deltas = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert "".join(deltas) == "Hello there", events
    assert events[-1]["metadata"]["usage"]["inputTokens"] == 8, events

    pieces = list(runtime.invoke_model_with_response_stream(modelId=MODEL, body=b"{}")["body"])
    assert pieces[0]["chunk"]["bytes"] == b'{"type":"message_stop"}', pieces

    models = client("bedrock").list_foundation_models()["modelSummaries"]
    assert [model["modelId"] for model in models] == ["amazon.nova-lite-v1:0"], models

    try:
        list(runtime.converse_stream(modelId="broken.model", messages=MESSAGES)["stream"])
        raise AssertionError("the exception inside the stream is lost")
    except EventStreamError as error:
        assert error.response["Error"]["Code"] == "throttlingException", error.response
    try:
        runtime.converse(modelId="refused.model", messages=MESSAGES)
        raise AssertionError("the refusal is lost")
    except ClientError as error:
        assert error.response["Error"] == {"Code": "ThrottlingException", "Message": "Too many requests"}, error.response


main()
