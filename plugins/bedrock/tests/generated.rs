//! The adapter against answers that are drawn at random and are valid.
//!
//! In: botocore's model of `bedrock-runtime` under `LLM_HOST_SPECS` (default: `../shared/specs` beside
//! the workspace), and the forms of the families that InvokeModel offers. Out: that no valid answer
//! fails, that a stream adds up to the whole, and that no text, call or count is lost; and that what is
//! sent for requests that are drawn as well is valid. The service's
//! shapes come with members and variants that are newer than the adapter, as they do in life. Never: an
//! expectation that the adapter's own code had a part in.
//!
//! Each case is told by its number, which draws it again. Without the model, what needs it says so and
//! passes.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::result_large_err)]

#[path = "generated/converse.rs"]
mod converse;
#[path = "generated/draw.rs"]
mod draw;
#[path = "generated/families.rs"]
mod families;
#[path = "generated/requests.rs"]
mod requests;

use llm_plugin_bedrock::Bedrock;
use llm_provider_sdk::Chat;
use llm_provider_sdk::testing::{Recording, Reply, block_on};
use llm_provider_sdk::types::{ChatEvent, ChatRequest, ChatResponse, Error, FinishReason, Message, PartContent, Role};
use serde_json::{Value, json};

/// How many of each are drawn.
const CASES: u64 = 400;

fn asked(model: &str, operation: &str) -> ChatRequest {
    let mut asked = ChatRequest::new(model, vec![Message::text(Role::User, "Hello")]);
    asked.extra = vec![("bedrock".to_owned(), json!({ "operation": operation }).to_string())];
    asked
}

fn whole(model: &str, operation: &str, reply: Reply) -> Result<ChatResponse, Error> {
    let _host = Recording::new()
        .config(&json!({"region": "us-east-1"}))
        .reply(reply)
        .install();
    block_on(Bedrock::complete(asked(model, operation)))
}

fn streamed(model: &str, operation: &str, reply: Reply) -> Result<Vec<ChatEvent>, Error> {
    let _host = Recording::new()
        .config(&json!({"region": "us-east-1"}))
        .reply(reply)
        .install();
    block_on(async { Ok(Bedrock::stream(asked(model, operation)).await?.collect().await) })
}

/// What an answer says that must not be lost: texts and thoughts as one, calls, the number of
/// everything else, why it ended, and the counts.
fn said(answer: &ChatResponse) -> Value {
    let choice = &answer.choices[0];
    let (mut text, mut thought, mut calls, mut others) = (String::new(), String::new(), Vec::new(), 0);
    for part in &choice.message.parts {
        match &part.content {
            PartContent::Text(more) => text.push_str(more),
            PartContent::Reasoning(more) => thought.push_str(&more.text),
            PartContent::ToolCall(call) => {
                let input: Value = serde_json::from_str(&call.arguments).unwrap();
                calls.push(json!([call.id, call.name, input]));
            }
            _ => others += 1,
        }
    }
    let usage = answer.usage.as_ref().map(|usage| {
        let read = usage.input + usage.cache_read + usage.cache_write + usage.cache_write_long;
        json!([read, usage.output + usage.reasoning])
    });
    let end = match &choice.finish {
        FinishReason::Other(word) => word.clone(),
        known => format!("{known:?}").trim_start_matches("FinishReason::").to_owned(),
    };
    json!({"text": text, "thought": thought, "calls": calls, "others": others, "end": end, "usage": usage})
}
