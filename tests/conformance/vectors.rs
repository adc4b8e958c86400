//! Embeddings.
//!
//! In: a recorded exchange. Out: the checks that held, or what was different. Never: a vector that is
//! nearly the recorded one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_host_tests::upstream::Reply;
use serde_json::{Value, json};

use crate::azure;
use crate::bench::Bench;
use crate::case::{Api, Case};
use crate::failure;
use crate::plain::same;

/// Tries a case.
pub(crate) async fn try_case(bench: &Bench, case: &Case) -> Result<Vec<String>, String> {
    let recorded = case.recording.request();
    let exchange = bench.ask(case, recorded, Reply::recorded(&case.recording)).await;
    let answer = exchange.answer;
    Bench::check_secrecy(&answer)?;
    let received = exchange
        .received
        .ok_or_else(|| format!("no provider was asked: {}", answer.raw))?;
    Bench::check_head(case, &received)?;
    if let Some(dropped) = answer.header("x-llm-host-dropped") {
        return Err(format!("fields did not reach the provider: {dropped}"));
    }
    let meant = match case.api {
        Api::Azure => azure::meaning(case, recorded),
        _ => recorded.clone(),
    };
    same("sent", &meaning(&received.json()), "recorded", &meaning(&meant))?;
    if case.failure().is_some() {
        failure::check(case, &answer)?;
        return Ok(vec!["request".to_owned(), "error".to_owned()]);
    }
    if answer.status != 200 {
        return Err(format!("status {}: {}", answer.status, answer.raw));
    }
    let own: Value = serde_json::from_str(&case.body()).map_err(|error| error.to_string())?;
    same("caller's", &visible(&answer.json()?)?, "recorded", &visible(&own)?)?;
    Ok(vec!["request".to_owned(), "vectors".to_owned()])
}

/// What a body says to the API. How the numbers travel is the host's affair.
fn meaning(body: &Value) -> Value {
    let mut body = body.clone();
    body["encoding_format"] = Value::Null;
    if body["input"].is_string() {
        body["input"] = json!([body["input"]]);
    }
    body
}

/// What an answer says, its numbers as bits.
fn visible(body: &Value) -> Result<Value, String> {
    let mut out = body.clone();
    for name in ["object", "usage"] {
        out[name] = Value::Null;
    }
    out["tokens"] = body["usage"]["prompt_tokens"].clone();
    for entry in out["data"].as_array_mut().into_iter().flatten() {
        let bits = match &entry["embedding"] {
            Value::String(text) => {
                let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
                let bits = bytes.chunks(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                bits.collect::<Vec<_>>()
            }
            Value::Array(numbers) => {
                let bits = numbers
                    .iter()
                    .map(|n| (n.as_f64().unwrap_or(f64::NAN) as f32).to_bits());
                bits.collect()
            }
            other => return Err(format!("a vector is {other}")),
        };
        entry["embedding"] = json!(bits);
    }
    if let Some(entries) = out["data"].as_array_mut() {
        entries.sort_by_key(|entry| entry["index"].as_u64());
    }
    Ok(out)
}
