//! JSON that keeps what it does not know.
//!
//! In: a provider's or a caller's JSON. Out: the fields an adapter knows, taken out one by one, and
//! the rest in its order as [`Extras`]. Never: a field lost; what is taken out is the adapter's, all
//! else stays.
//!
//! ```
//! use llm_provider_sdk::json;
//! # fn main() -> Result<(), llm_provider_sdk::types::Error> {
//! let mut object = json::parse_object(br#"{"id":"r1","tier":"fast","model":"m","x":[1.0]}"#)?;
//! let id: Option<String> = json::take(&mut object, "id")?;
//! let model: String = json::require(&mut object, "model")?;
//! let rest = json::extras(object);
//! assert_eq!((id.as_deref(), model.as_str()), (Some("r1"), "m"));
//! assert_eq!(rest[0], ("tier".to_owned(), r#""fast""#.to_owned()));
//! assert_eq!(rest[1], ("x".to_owned(), "[1.0]".to_owned()));
//! # Ok(())
//! # }
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::types::{Error, ErrorKind, Extras};

/// A JSON object whose members keep their order.
pub type Object = Map<String, Value>;

/// A value of a provider's JSON.
///
/// # Errors
/// Kind `upstream`, with the place of the fault; the text itself is not repeated.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| unexpected(&error))
}

/// An object of a provider's JSON.
///
/// # Errors
/// As [`parse`], also when it is JSON but not an object.
pub fn parse_object(bytes: &[u8]) -> Result<Object, Error> {
    parse(bytes)
}

/// Takes a member out. `None` when it is not there or null.
///
/// # Errors
/// Kind `upstream`, naming the member, when it is of another type. It has been taken out then too.
pub fn take<T: DeserializeOwned>(object: &mut Object, name: &str) -> Result<Option<T>, Error> {
    match object.shift_remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => serde_json::from_value(value).map(Some).map_err(|error| {
            Error::new(
                ErrorKind::Upstream,
                format!("the provider's `{name}` is not what its API says: {error}"),
            )
        }),
    }
}

/// Takes a member out that has to be there.
///
/// # Errors
/// As [`take`], also when the member is not there or null.
pub fn require<T: DeserializeOwned>(object: &mut Object, name: &str) -> Result<T, Error> {
    take(object, name)?.ok_or_else(|| Error::new(ErrorKind::Upstream, format!("the provider's answer has no `{name}`")))
}

/// Takes a member out if it is a string. Anything else stays where it is.
pub fn take_string(object: &mut Object, name: &str) -> Option<String> {
    match object.get_mut(name) {
        Some(Value::String(text)) => {
            let text = std::mem::take(text);
            object.shift_remove(name);
            Some(text)
        }
        _ => None,
    }
}

/// Takes a member out if it is an object. Anything else stays where it is.
pub fn take_object(object: &mut Object, name: &str) -> Option<Object> {
    match object.get_mut(name) {
        Some(Value::Object(inner)) => {
            let inner = std::mem::take(inner);
            object.shift_remove(name);
            Some(inner)
        }
        _ => None,
    }
}

/// Takes a member out if it is an array. Anything else stays where it is.
pub fn take_array(object: &mut Object, name: &str) -> Option<Vec<Value>> {
    match object.get_mut(name) {
        Some(Value::Array(items)) => {
            let items = std::mem::take(items);
            object.shift_remove(name);
            Some(items)
        }
        _ => None,
    }
}

/// Takes a member out if it is a whole number that is not negative. Anything else stays where it
/// is.
pub fn take_u64(object: &mut Object, name: &str) -> Option<u64> {
    let number = object.get(name)?.as_u64()?;
    object.shift_remove(name);
    Some(number)
}

/// What is left of an object, in its order.
pub fn extras(object: Object) -> Extras {
    object
        .into_iter()
        .map(|(name, value)| (name, value.to_string()))
        .collect()
}

/// Takes a field out of the extras, as a value. `None` when it is not there.
///
/// # Errors
/// Kind `invalid-request`, naming the field, when its text is not JSON or of another type.
pub fn take_extra<T: DeserializeOwned>(extras: &mut Extras, name: &str) -> Result<Option<T>, Error> {
    let Some(at) = extras.iter().position(|(field, _)| field == name) else {
        return Ok(None);
    };
    let (_, text) = extras.remove(at);
    serde_json::from_str(&text).map(Some).map_err(|error| {
        Error::new(
            ErrorKind::InvalidRequest,
            format!("`{name}` is not what it should be: {error}"),
        )
        .with_param(name)
    })
}

/// Adds extras to an object, after its own members. A member that is already there stays: what an
/// adapter says itself counts more. Text that is not JSON becomes a string.
pub fn add_extras(object: &mut Object, extras: &Extras) {
    for (name, text) in extras {
        if !object.contains_key(name) {
            object.insert(name.clone(), value(text));
        }
    }
}

/// The value of a JSON text; the text itself as a string when it is not JSON.
pub fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// The JSON text of a value.
///
/// # Errors
/// Kind `internal` when the value has no JSON form (a map whose keys are not strings).
pub fn text(value: &(impl Serialize + ?Sized)) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| {
        Error::new(
            ErrorKind::Internal,
            format!("the adapter could not write JSON: {error}"),
        )
    })
}

fn unexpected(error: &serde_json::Error) -> Error {
    Error::new(
        ErrorKind::Upstream,
        format!("the provider's answer is not the JSON its API promises: {error}"),
    )
}

#[cfg(test)]
mod tests;
