use super::*;
use serde_json::json;

fn object(text: &str) -> Object {
    parse_object(text.as_bytes()).unwrap()
}

#[test]
fn what_is_left_keeps_its_order_and_its_values() {
    let text = r#"{"z":1,"id":"x","b":{"q":[1.0,-0.5,18446744073709551615]},"n":null,"a":"ü"}"#;
    let mut rest = object(text);
    assert_eq!(take::<String>(&mut rest, "id"), Ok(Some("x".to_owned())));
    let rest = extras(rest);
    let written: Vec<_> = rest.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        written,
        [
            "z=1",
            r#"b={"q":[1.0,-0.5,18446744073709551615]}"#,
            "n=null",
            r#"a="ü""#
        ]
    );

    let mut again = Object::new();
    add_extras(&mut again, &rest);
    assert_eq!(
        Value::Object(again),
        json!({"z":1,"b":{"q":[1.0,-0.5,u64::MAX]},"n":null,"a":"ü"})
    );
}

#[test]
fn taking_a_member_of_another_type() {
    let mut body = object(r#"{"s":1,"o":[],"a":{},"u":-1,"n":null}"#);
    assert_eq!(take_string(&mut body, "s"), None);
    assert_eq!(take_object(&mut body, "o"), None);
    assert_eq!(take_array(&mut body, "a"), None);
    assert_eq!(take_u64(&mut body, "u"), None);
    assert_eq!(body.len(), 5, "what does not fit stays");

    assert_eq!(take::<String>(&mut body, "n"), Ok(None));
    assert_eq!(take::<String>(&mut body, "missing"), Ok(None));
    let error = take::<String>(&mut body, "s").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Upstream);
    assert!(error.message.contains("`s`"), "{}", error.message);
    let error = require::<u64>(&mut body, "missing").unwrap_err();
    assert!(error.message.contains("`missing`"), "{}", error.message);
}

#[test]
fn taking_a_member_that_fits() {
    let mut body = object(r#"{"s":"t","o":{"x":1},"a":[1],"u":7}"#);
    assert_eq!(take_string(&mut body, "s").as_deref(), Some("t"));
    assert_eq!(take_object(&mut body, "o").map(Value::Object), Some(json!({"x": 1})));
    assert_eq!(take_array(&mut body, "a"), Some(vec![json!(1)]));
    assert_eq!(take_u64(&mut body, "u"), Some(7));
    assert!(body.is_empty());
}

#[test]
fn the_callers_further_fields() {
    let mut fields = vec![
        ("a".to_owned(), "[1,2]".to_owned()),
        ("b".to_owned(), "broken".to_owned()),
    ];
    assert_eq!(take_extra::<Vec<u8>>(&mut fields, "a"), Ok(Some(vec![1, 2])));
    assert_eq!(take_extra::<Vec<u8>>(&mut fields, "a"), Ok(None));
    let error = take_extra::<u8>(&mut fields, "b").unwrap_err();
    assert_eq!(
        (error.kind, error.param.as_deref()),
        (ErrorKind::InvalidRequest, Some("b"))
    );

    // What the adapter says itself counts more; text that is no JSON is a string.
    let mut body = object(r#"{"model":"m"}"#);
    let fields = vec![
        ("model".to_owned(), r#""other""#.to_owned()),
        ("note".to_owned(), "plain".to_owned()),
    ];
    add_extras(&mut body, &fields);
    assert_eq!(Value::Object(body), json!({"model": "m", "note": "plain"}));
}

#[test]
fn an_answer_that_is_no_json_is_the_providers_fault_and_not_repeated() {
    let error = parse_object(b"<html>secret</html>").unwrap_err();
    assert_eq!((error.kind, error.retryable), (ErrorKind::Upstream, false));
    assert!(!error.message.contains("secret"));
    assert!(parse_object(b"[]").is_err());
}
