//! Errors that are lists of single faults, as servers written with `FastAPI` tell them.
//!
//! In: the members of an error. Out: the faults in one line. Never: a fault's `input`, which is the caller's
//! own text.

use serde_json::value::RawValue;

use crate::wire::{Fields, read};

/// As many faults as anybody reads.
const MOST: usize = 5;

/// What the lists in `detail`, `message`, `errors` or `error` say; nothing where there is none.
///
/// `{"detail":[{"loc":["body","messages"],"msg":"Field required"}]}` (vLLM and its likes), the same below
/// `message` (Mistral), or texts (`{"message":["…"]}`).
pub(super) fn said(fields: &Fields<'_>) -> Option<String> {
    let lists = ["detail", "message", "errors", "error"].into_iter();
    lists
        .filter_map(|name| of(fields.get(name)?))
        .find(|text| !text.is_empty())
}

fn of(raw: &RawValue) -> Option<String> {
    if let Some(items) = read::<Vec<&RawValue>>(raw) {
        let faults = items.into_iter().filter_map(fault).take(MOST);
        return Some(faults.collect::<Vec<_>>().join("; "));
    }
    // One level down, as Mistral has it; or one fault without a list.
    let inner = read::<Fields<'_>>(raw)?;
    inner.get("detail").and_then(of).or_else(|| fault(raw))
}

/// `body.messages: Field required`.
fn fault(raw: &RawValue) -> Option<String> {
    if let Some(text) = read::<String>(raw) {
        return Some(text);
    }
    let mut members = read::<Fields<'_>>(raw)?;
    let what = ["msg", "message"]
        .iter()
        .find_map(|name| members.take_some_text(name))?;
    let place: Vec<String> = members
        .take_list("loc")
        .into_iter()
        .map(|step| read::<String>(step).unwrap_or_else(|| step.get().to_owned()))
        .collect();
    Some(if place.is_empty() {
        what
    } else {
        format!("{}: {what}", place.join("."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_faults_are_told_in_one_line() {
        for (json, want) in [
            (
                r#"{"detail":[{"type":"missing","loc":["body","messages",0],"msg":"Field required","input":{"a":1}},{"loc":["body","x"],"msg":"Extra inputs are not permitted"}]}"#,
                Some("body.messages.0: Field required; body.x: Extra inputs are not permitted"),
            ),
            (
                r#"{"object":"error","message":{"detail":[{"loc":["body","x"],"msg":"Extra inputs are not permitted"}]},"type":"invalid_request_error"}"#,
                Some("body.x: Extra inputs are not permitted"),
            ),
            (r#"{"message":["a","b"],"error":"Bad Request"}"#, Some("a; b")),
            (r#"{"errors":[{"message":"bad","code":1}]}"#, Some("bad")),
            (r#"{"error":[{"message":"bad"}]}"#, Some("bad")),
            (r#"{"detail":{"message":"one"}}"#, Some("one")),
            (r#"{"detail":[]}"#, None),
            (r#"{"detail":[{"input":"secret"}],"message":null}"#, None),
            (r#"{"message":"text"}"#, None),
        ] {
            assert_eq!(said(&Fields::parse(json).unwrap()).as_deref(), want, "{json}");
        }
    }
}
