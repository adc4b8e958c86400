//! Plain JSON, compared by what it says.
//!
//! In: two values. Out: nothing, or where they differ. Never: a difference that says nothing: null
//! beside absent, 1 beside 1.0, an empty list beside none.

use serde_json::{Value, json};

/// The value without what says nothing.
pub(crate) fn normal(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let said = fields.iter().map(|(name, value)| (name.clone(), normal(value)));
            said.filter(|(_, value)| !says_nothing(value)).collect()
        }
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => json!(float as i64),
            _ => value.clone(),
        },
        _ => value.clone(),
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Where two values differ, if they do. `left` and `right` say what they are.
pub(crate) fn same(left: &str, a: &Value, right: &str, b: &Value) -> Result<(), String> {
    let (a, b) = (normal(a), normal(b));
    let mut found = Vec::new();
    differences("", &a, &b, &mut found);
    if found.is_empty() {
        return Ok(());
    }
    let shown: Vec<String> = found
        .iter()
        .map(|(path, a, b)| format!("  {path}\n    {left}: {}\n    {right}: {}", cut(a), cut(b)))
        .collect();
    Err(format!(
        "{left} and {right} differ at {}\n{}",
        found[0].0,
        shown.join("\n")
    ))
}

fn cut(value: &Value) -> String {
    let text = value.to_string();
    if text.len() <= 400 {
        return text;
    }
    let end = (0..=400).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    format!("{}… ({} bytes)", &text[..end], text.len())
}

fn differences(path: &str, a: &Value, b: &Value, found: &mut Vec<(String, Value, Value)>) {
    match (a, b) {
        (Value::Object(left), Value::Object(right)) => {
            let mut names: Vec<&String> = left.keys().chain(right.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                differences(&format!("{path}.{name}"), &a[name.as_str()], &b[name.as_str()], found);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (at, (a, b)) in left.iter().zip(right).enumerate() {
                differences(&format!("{path}[{at}]"), a, b, found);
            }
        }
        _ if a == b => {}
        _ => found.push((path.to_owned(), a.clone(), b.clone())),
    }
}

/// Text as JSON where it is an object or a list; the text itself where it is not.
pub(crate) fn parsed(text: &Value) -> Value {
    let inner = text.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    inner.filter(|value| value.is_object()).unwrap_or_else(|| text.clone())
}
