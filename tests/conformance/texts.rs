//! Completions: continuations of texts.
//!
//! In: a recorded exchange. Out: the checks that held, or what was different. Never: a continuation
//! compared piece by piece; a client puts the pieces together.

use std::collections::BTreeMap;

use llm_host_tests::upstream::Reply;
use serde_json::{Value, json};

use crate::answer::{self, Answer};
use crate::azure;
use crate::bench::Bench;
use crate::case::{Api, Case};
use crate::failure;
use crate::plain::{normal, same};

/// Lengths of the pieces in which a stream is sent.
const PIECES: [usize; 3] = [1, 17, 997];

/// Tries a case.
pub(crate) async fn try_case(bench: &Bench, case: &Case) -> Result<Vec<String>, String> {
    let recorded = case.recording.request();
    let ask = async |reply| {
        let exchange = bench.ask(case, recorded, reply).await;
        Bench::check_secrecy(&exchange.answer)?;
        let received = exchange.received.ok_or("no provider was asked")?;
        Bench::check_head(case, &received)?;
        Ok::<_, String>((exchange.answer, received))
    };
    let (answer, received) = ask(Reply::recorded(&case.recording)).await?;
    if let Some(dropped) = answer.header("x-llm-host-dropped") {
        return Err(format!("fields did not reach the provider: {dropped}"));
    }
    let meant = match case.api {
        Api::Azure => azure::meaning(case, recorded),
        _ => recorded.clone(),
    };
    same("sent", &meaning(&received.json()), "recorded", &meaning(&meant))?;
    let mut checks = vec!["request".to_owned()];
    if case.failure().is_some() {
        failure::check(case, &answer)?;
        checks.push("error".to_owned());
        return Ok(checks);
    }
    let own = if case.is_stream() {
        fold(&answer::chunks(&case.body(), false)?.0)
    } else {
        fold(&[serde_json::from_str(&case.body()).map_err(|error| error.to_string())?])
    };
    same("caller's", &visible(&answer)?, "recorded", &own)?;
    checks.push(if case.is_stream() { "stream" } else { "answer" }.to_owned());
    if case.is_stream() {
        for size in PIECES {
            let reply = Reply::of(200, "text/event-stream", case.body()).in_pieces(size);
            let (answer, _) = ask(reply).await?;
            same(&format!("in pieces of {size}"), &visible(&answer)?, "recorded", &own)?;
        }
        checks.push(format!("pieces of {PIECES:?}"));
    }
    Ok(checks)
}

/// What a body says to the API.
fn meaning(body: &Value) -> Value {
    let mut body = body.clone();
    body["stream_options"] = Value::Null;
    if body["stream"] == json!(false) {
        body["stream"] = Value::Null;
    }
    if let Value::String(stop) = &body["stop"] {
        body["stop"] = json!([stop]);
    }
    if let [only] = body["prompt"].as_array().map(Vec::as_slice).unwrap_or_default() {
        body["prompt"] = only.clone();
    }
    normal(&body)
}

fn visible(answer: &Answer) -> Result<Value, String> {
    if answer.status != 200 {
        return Err(format!("status {}: {}", answer.status, answer.raw));
    }
    if !answer.is_stream {
        return Ok(fold(&[answer.json()?]));
    }
    let (chunks, end) = answer.chunks()?;
    if end != answer::End::Done {
        return Err(format!("the stream ended with {end:?}"));
    }
    Ok(fold(&chunks))
}

/// What an answer says, whole or put together from its chunks.
fn fold(chunks: &[Value]) -> Value {
    let mut whole = json!({});
    let mut choices: BTreeMap<u64, Value> = BTreeMap::new();
    for chunk in chunks {
        for (name, value) in chunk.as_object().into_iter().flatten() {
            if !["choices", "object", "created"].contains(&name.as_str()) && !value.is_null() {
                whole[name] = value.clone();
            }
        }
        for choice in chunk["choices"].as_array().into_iter().flatten() {
            let known = choices
                .entry(choice["index"].as_u64().unwrap_or(0))
                .or_insert(json!({}));
            for (name, value) in choice.as_object().into_iter().flatten() {
                match (name.as_str(), value) {
                    (_, Value::Null) => {}
                    ("text", Value::String(more)) => {
                        known["text"] = format!("{}{more}", known["text"].as_str().unwrap_or_default()).into();
                    }
                    ("logprobs", Value::Object(lists)) => append(&mut known["logprobs"], lists),
                    _ => known[name] = value.clone(),
                }
            }
        }
    }
    whole["choices"] = choices.into_values().collect();
    whole["usage"]["total_tokens"] = Value::Null;
    for name in ["prompt_tokens_details", "completion_tokens_details"] {
        if let Some(details) = whole["usage"][name].as_object_mut() {
            details.retain(|_, count| *count != json!(0));
        }
    }
    whole
}

fn append(known: &mut Value, lists: &serde_json::Map<String, Value>) {
    for (name, more) in lists {
        match (known[name].as_array_mut(), more) {
            (Some(items), Value::Array(more)) => items.extend(more.iter().cloned()),
            (_, Value::Null) => {}
            _ => known[name] = more.clone(),
        }
    }
}
