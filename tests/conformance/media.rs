//! Pictures and spoken texts.
//!
//! In: a recorded exchange. Out: the checks that held, or what was different. Never: a byte of a
//! picture or a sound that differs.

use llm_host_tests::upstream::Reply;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::azure;
use crate::bench::Bench;
use crate::case::{Api, Case, Operation};
use crate::failure;
use crate::plain::{normal, same};

/// Tries a case.
pub(crate) async fn try_case(bench: &Bench, case: &Case) -> Result<Vec<String>, String> {
    let recorded = case.recording.request();
    let (head, bytes, received) = bench.fetch(case, recorded, Reply::recorded(&case.recording)).await;
    let received = received.ok_or_else(|| format!("no provider was asked: {}", String::from_utf8_lossy(&bytes)))?;
    Bench::check_head(case, &received)?;
    let meant = match case.api {
        Api::Azure => azure::meaning(case, recorded),
        _ => recorded.clone(),
    };
    same("sent", &normal(&received.json()), "recorded", &normal(&meant))?;
    let mut checks = vec!["request".to_owned()];
    if case.failure().is_some() {
        let answer = Answer::of(head, &bytes);
        Bench::check_secrecy(&answer)?;
        failure::check(case, &answer)?;
        checks.push("error".to_owned());
        return Ok(checks);
    }
    if head.status != 200 {
        return Err(format!("status {}: {}", head.status, String::from_utf8_lossy(&bytes)));
    }
    if case.operation() == Operation::Speech {
        if bytes != case.recording.body() {
            return Err("the sound that came is not the one that was recorded".to_owned());
        }
        checks.push("sound".to_owned());
        return Ok(checks);
    }
    let own: Value = serde_json::from_str(&case.body()).map_err(|error| error.to_string())?;
    let seen = Answer::of(head, &bytes).json()?;
    same("caller's", &visible(&seen), "recorded", &visible(&own))?;
    checks.push("pictures".to_owned());
    Ok(checks)
}

/// What an answer says: the pictures, the first one's prompt, and the counts.
fn visible(body: &Value) -> Value {
    let pictures = body["data"].as_array().into_iter().flatten();
    let pictures: Vec<Value> = pictures
        .map(|picture| json!([picture["b64_json"], picture["url"]]))
        .collect();
    json!({
        "pictures": pictures,
        "prompt": body["data"][0]["revised_prompt"],
        "input": body["usage"]["input_tokens"],
        "output": body["usage"]["output_tokens"],
        "quality": body["quality"],
        "size": body["size"],
    })
}
