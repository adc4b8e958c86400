//! Objects of a request: known fields are taken, what is left is the rest.
//!
//! In: an object of the tree, and where it stands. Out: typed fields, or an error that names the
//! field and says what was expected. Never: guessing at a value of the wrong type.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde_json::Number;

use crate::error::GatewayError;
use crate::llm;

use super::node::Node;

/// Where in the body a value stands. A chain of borrowed steps, so that a correct request builds
/// no text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    step: Step<'p>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'p> {
    Root,
    Field(&'p str),
    Item(usize),
}

impl<'p> Path<'p> {
    /// The body itself.
    pub(crate) const ROOT: Path<'static> = Path {
        parent: None,
        step: Step::Root,
    };

    /// A member of the object here.
    pub(crate) fn field(&'p self, name: &'p str) -> Path<'p> {
        Path {
            parent: Some(self),
            step: Step::Field(name),
        }
    }

    /// An item of the array here.
    pub(crate) fn item(&'p self, index: usize) -> Path<'p> {
        Path {
            parent: Some(self),
            step: Step::Item(index),
        }
    }

    /// The value here is not what the API defines.
    pub(crate) fn invalid(&self, message: impl fmt::Display) -> GatewayError {
        self.error("invalid_value", message)
    }

    /// The value here is of the wrong type.
    pub(crate) fn wrong_type(&self, expected: &str, got: &Node<'_>) -> GatewayError {
        self.error("invalid_type", format_args!("expected {expected}, got {}", got.kind()))
    }

    fn missing(&self, expected: &str) -> GatewayError {
        self.error(
            "missing_required_parameter",
            format_args!("this field is required; expected {expected}"),
        )
    }

    fn error(&self, code: &'static str, message: impl fmt::Display) -> GatewayError {
        let param = self.to_string();
        let message = if param.is_empty() {
            format!("the body is wrong: {message}")
        } else {
            format!("`{param}` is wrong: {message}")
        };
        GatewayError::InvalidRequest {
            message,
            param: (!param.is_empty()).then_some(param),
            code: Some(code),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            fmt::Display::fmt(parent, f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Field(name) if self.parent.is_none_or(|parent| matches!(parent.step, Step::Root)) => {
                f.write_str(name)
            }
            Step::Field(name) => write!(f, ".{name}"),
            Step::Item(index) => write!(f, "[{index}]"),
        }
    }
}

/// A JSON object from which the known fields are taken; what is left is the rest.
///
/// Where a name is written twice the last one counts, as in every common JSON library.
#[derive(Debug)]
pub(crate) struct Object<'a, 'p> {
    fields: Vec<(Cow<'a, str>, Node<'a>)>,
    path: &'p Path<'p>,
}

impl<'a, 'p> Object<'a, 'p> {
    /// An object of these fields.
    pub(super) fn new(fields: Vec<(Cow<'a, str>, Node<'a>)>, path: &'p Path<'p>) -> Self {
        Self { fields, path }
    }

    /// Where the object stands.
    pub(crate) fn path(&self) -> &'p Path<'p> {
        self.path
    }

    /// A field's value without taking it.
    pub(crate) fn peek(&self, name: &str) -> Option<&Node<'a>> {
        self.fields
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// Takes a field, also when it is null.
    pub(crate) fn take_any(&mut self, name: &str) -> Option<Node<'a>> {
        let last = self.fields.iter().rposition(|(key, _)| key == name)?;
        let (_, value) = self.fields.remove(last);
        self.fields.retain(|(key, _)| key != name);
        Some(value)
    }

    /// Takes a field. `null` counts as absent, as the API has it for every optional field.
    pub(crate) fn take(&mut self, name: &str) -> Option<Node<'a>> {
        self.take_any(name).filter(|value| !matches!(value, Node::Null))
    }

    /// Puts a field back that turned out to be none of ours.
    pub(crate) fn put_back(&mut self, name: &'static str, value: Node<'a>) {
        self.fields.push((Cow::Borrowed(name), value));
    }

    /// Takes a string.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, GatewayError> {
        let path = self.path.field(name);
        self.take(name).map(|value| value.into_text(&path)).transpose()
    }

    /// Takes a string that must be there.
    pub(crate) fn required_text(&mut self, name: &str) -> Result<Cow<'a, str>, GatewayError> {
        self.text(name)?.ok_or_else(|| self.missing(name, "a string"))
    }

    /// Takes a value that must be there; `expected` says what it is.
    pub(crate) fn required(&mut self, name: &str, expected: &str) -> Result<Node<'a>, GatewayError> {
        self.take(name).ok_or_else(|| self.missing(name, expected))
    }

    /// The error of a field that must be there and is not.
    pub(crate) fn missing(&self, name: &str, expected: &str) -> GatewayError {
        self.path.field(name).missing(expected)
    }

    /// Takes a boolean.
    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, GatewayError> {
        match self.take(name) {
            None => Ok(None),
            Some(Node::Bool(value)) => Ok(Some(value)),
            Some(other) => Err(self.path.field(name).wrong_type("a boolean", &other)),
        }
    }

    /// Takes a number.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<f64>, GatewayError> {
        match self.take(name) {
            None => Ok(None),
            Some(Node::Number(value)) => Ok(value.as_f64()),
            Some(other) => Err(self.path.field(name).wrong_type("a number", &other)),
        }
    }

    /// Takes a whole number of a type's range.
    pub(crate) fn integer<T>(&mut self, name: &str) -> Result<Option<T>, GatewayError>
    where
        T: TryFrom<i64> + Bounds,
    {
        let Some(value) = self.take(name) else { return Ok(None) };
        let path = self.path.field(name);
        let Node::Number(number) = &value else {
            return Err(path.wrong_type(&format!("a whole number from {} to {}", T::LEAST, T::MOST), &value));
        };
        whole(number)
            .and_then(|whole| T::try_from(whole).ok())
            .map(Some)
            .ok_or_else(|| {
                path.invalid(format_args!(
                    "expected a whole number from {} to {}, got {number}",
                    T::LEAST,
                    T::MOST
                ))
            })
    }

    /// What has not been taken, in the order it was written.
    pub(crate) fn rest(self) -> llm::Extras {
        self.prefixed_rest("")
    }

    /// What has not been taken, each name behind a prefix that says in which nested object it
    /// stood.
    pub(crate) fn prefixed_rest(self, prefix: &str) -> llm::Extras {
        let mut seen = HashSet::new();
        let mut extras: llm::Extras = Vec::with_capacity(self.fields.len());
        for (name, value) in self.fields.into_iter().rev() {
            if seen.insert(name.clone()) {
                extras.push((format!("{prefix}{name}"), value.to_json()));
            }
        }
        extras.reverse();
        extras
    }

    /// The object as it was, without what has been taken.
    pub(crate) fn into_node(self) -> Node<'a> {
        Node::Map(self.fields)
    }

    /// Drops the named fields where they are null.
    pub(crate) fn forget_nulls(&mut self, names: &[&str]) {
        self.fields
            .retain(|(name, value)| !(matches!(value, Node::Null) && names.contains(&name.as_ref())));
    }

    /// Drops the named fields where they are empty arrays.
    pub(crate) fn forget_empty_lists(&mut self, names: &[&str]) {
        self.fields.retain(|(name, value)| {
            !(matches!(value, Node::List(items) if items.is_empty()) && names.contains(&name.as_ref()))
        });
    }
}

/// The range of a whole number, for its error message.
pub(crate) trait Bounds {
    const LEAST: i64;
    const MOST: i64;
}

impl Bounds for u32 {
    const LEAST: i64 = 0;
    const MOST: i64 = u32::MAX as i64;
}

impl Bounds for i64 {
    const LEAST: i64 = i64::MIN;
    const MOST: i64 = i64::MAX;
}

/// A number's value where it is whole. Some clients write `100.0`.
fn whole(number: &Number) -> Option<i64> {
    // Above 2^53 a float no longer says which whole number was meant.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    number.as_i64().or_else(|| {
        let value = number
            .as_f64()
            .filter(|value| value.fract() == 0.0 && value.abs() <= EXACT)?;
        #[allow(clippy::cast_possible_truncation)]
        Some(value as i64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(result: Result<impl fmt::Debug, GatewayError>) -> (String, Option<String>, Option<&'static str>) {
        match result {
            Err(GatewayError::InvalidRequest { message, param, code }) => (message, param, code),
            other => panic!("expected an invalid request, got {other:?}"),
        }
    }

    #[test]
    fn a_syntax_error_says_where() {
        let (message, param, code) = error_of(Node::parse(b"{\n  \"model\": nope}"));
        assert!(message.contains("line 2 column 13"), "{message}");
        assert_eq!((param, code), (None, Some("invalid_json")));
        let (message, ..) = error_of(Node::parse(b"{\"model\": \"a\xff\"}"));
        assert!(message.contains("offset 12"), "{message}");
        let (message, ..) = error_of(Node::parse(b" \n"));
        assert!(message.contains("empty"), "{message}");
        let (message, ..) = error_of(Node::parse(
            format!("{}{}", "[".repeat(200), "]".repeat(200)).as_bytes(),
        ));
        assert!(message.contains("recursion"), "{message}");
    }

    #[test]
    fn a_mark_before_the_text_is_none_of_it() {
        assert_eq!(Node::parse(b"\xef\xbb\xbf{}").unwrap(), Node::Map(Vec::new()));
        assert!(Node::parse(b"\xef\xbb\xbf").is_err());
    }

    #[test]
    fn strings_without_escapes_are_borrowed() {
        let body = br#"{"plain": "abc", "escaped": "a\nb"}"#;
        let mut object = Node::parse(body).unwrap().into_object(&Path::ROOT).unwrap();
        assert!(matches!(object.text("plain"), Ok(Some(Cow::Borrowed("abc")))));
        assert!(matches!(object.text("escaped"), Ok(Some(Cow::Owned(text))) if text == "a\nb"));
        assert_eq!(object.rest(), []);
    }

    #[test]
    fn what_is_not_taken_survives_in_order() {
        let body =
            br#"{"z": {"b": 1, "a": [true, null, 1.5]}, "known": 1, "y": "\u00e9\"", "x": 18446744073709551615}"#;
        let mut object = Node::parse(body).unwrap().into_object(&Path::ROOT).unwrap();
        assert_eq!(object.integer::<u32>("known").unwrap(), Some(1));
        let rest = object.rest();
        let rest: Vec<_> = rest
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            rest,
            [
                ("z", r#"{"b":1,"a":[true,null,1.5]}"#),
                ("y", r#""é\"""#),
                ("x", "18446744073709551615")
            ]
        );
    }

    #[test]
    fn the_last_of_two_equal_names_counts() {
        let mut object = Node::parse(br#"{"a":1,"b":1,"a":2,"b":2}"#)
            .unwrap()
            .into_object(&Path::ROOT)
            .unwrap();
        assert_eq!(object.integer::<u32>("a").unwrap(), Some(2));
        assert_eq!(object.rest(), [("b".to_owned(), "2".to_owned())]);
    }

    #[test]
    fn wrong_types_name_the_place_and_what_was_expected() {
        type Take = fn(&mut Object<'_, '_>) -> Result<(), GatewayError>;
        let cases: &[(&str, Take, &str)] = &[
            (
                r#"{"f": 1}"#,
                |o| o.text("f").map(drop),
                "`m[3].f` is wrong: expected a string, got a number",
            ),
            (
                r#"{"f": "1"}"#,
                |o| o.number("f").map(drop),
                "`m[3].f` is wrong: expected a number, got a string",
            ),
            (
                r#"{"f": []}"#,
                |o| o.boolean("f").map(drop),
                "`m[3].f` is wrong: expected a boolean, got an array",
            ),
            (
                r#"{"f": -1}"#,
                |o| o.integer::<u32>("f").map(drop),
                "`m[3].f` is wrong: expected a whole number from 0 to 4294967295, got -1",
            ),
            (
                r#"{"f": 1.5}"#,
                |o| o.integer::<u32>("f").map(drop),
                "`m[3].f` is wrong: expected a whole number from 0 to 4294967295, got 1.5",
            ),
            (
                r#"{"f": null}"#,
                |o| o.required_text("f").map(drop),
                "`m[3].f` is wrong: this field is required; expected a string",
            ),
        ];
        for (body, take, expected) in cases {
            let (list, item) = (Path::ROOT.field("m"), 3);
            let path = list.item(item);
            let mut object = Node::parse(body.as_bytes()).unwrap().into_object(&path).unwrap();
            let (message, param, _) = error_of(take(&mut object));
            assert_eq!((message.as_str(), param.as_deref()), (*expected, Some("m[3].f")));
        }
    }

    #[test]
    fn whole_numbers_may_be_written_as_floats() {
        let mut object = Node::parse(br#"{"a": 100.0, "b": 1e2, "c": -7}"#)
            .unwrap()
            .into_object(&Path::ROOT)
            .unwrap();
        assert_eq!(object.integer::<u32>("a").unwrap(), Some(100));
        assert_eq!(object.integer::<u32>("b").unwrap(), Some(100));
        assert_eq!(object.integer::<i64>("c").unwrap(), Some(-7));
    }
}
