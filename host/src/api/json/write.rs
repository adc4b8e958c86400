//! Writing an answer: JSON text straight into a buffer.
//!
//! In: names and values, and JSON text that a plugin gave. Out: compact JSON without line breaks,
//! so that it can stand in a line of an event stream. Never: invalid JSON. Text that a plugin
//! calls JSON and that is none is written as a string.

use bytes::{BufMut, BytesMut};
use serde::Serialize;
use serde_json::value::RawValue;

/// Writes a string.
pub(crate) fn string(out: &mut BytesMut, text: &str) {
    value(out, text);
}

/// Writes anything that serialises without failing: strings, numbers, and structs of these.
pub(crate) fn value<T: Serialize + ?Sized>(out: &mut BytesMut, value: &T) {
    let start = out.len();
    if serde_json::to_writer((&mut *out).writer(), value).is_err() {
        out.truncate(start);
        out.put_slice(b"null");
    }
}

/// Writes JSON text that came from elsewhere.
pub(crate) fn raw(out: &mut BytesMut, json: &str) {
    if serde_json::from_str::<&RawValue>(json).is_err() {
        string(out, json);
        return;
    }
    let start = out.len();
    out.put_slice(json.trim().as_bytes());
    // Inside a JSON string a line break is always escaped, so those found here are white space.
    for byte in out.iter_mut().skip(start) {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

/// An object that is being written. It is closed by [`Object::end`].
#[must_use = "an object has to be ended"]
pub(crate) struct Object<'o> {
    out: &'o mut BytesMut,
    first: bool,
}

impl<'o> Object<'o> {
    /// Opens an object.
    pub(crate) fn begin(out: &'o mut BytesMut) -> Self {
        out.put_u8(b'{');
        Self { out, first: true }
    }

    /// Goes on with an object that has fields already.
    pub(crate) fn resume(out: &'o mut BytesMut) -> Self {
        Self { out, first: false }
    }

    /// Writes fields without the braces around them.
    pub(crate) fn bare(out: &'o mut BytesMut) -> Self {
        Self { out, first: true }
    }

    /// Writes fields that another writer has left bare.
    pub(crate) fn fields(&mut self, bare: &[u8]) {
        if !self.first {
            self.out.put_u8(b',');
        }
        self.first = false;
        self.out.put_slice(bare);
    }

    /// Everything in the buffer so far.
    pub(crate) fn written(&self) -> &[u8] {
        self.out
    }

    /// Writes a field's name; its value must follow through the buffer that is given back.
    pub(crate) fn name(&mut self, name: &str) -> &mut BytesMut {
        if !self.first {
            self.out.put_u8(b',');
        }
        self.first = false;
        string(self.out, name);
        self.out.put_u8(b':');
        self.out
    }

    /// Writes a field.
    pub(crate) fn field<T: Serialize + ?Sized>(&mut self, name: &str, field: &T) {
        value(self.name(name), field);
    }

    /// Writes a field if it has a value.
    pub(crate) fn optional<T: Serialize>(&mut self, name: &str, field: Option<T>) {
        if let Some(field) = field {
            self.field(name, &field);
        }
    }

    /// Writes a field whose value is JSON text.
    pub(crate) fn raw(&mut self, name: &str, json: &str) {
        raw(self.name(name), json);
    }

    /// Writes the fields of a list, without those whose names are taken already.
    pub(crate) fn extras(&mut self, extras: &[(String, String)], taken: &[&str]) {
        for (name, json) in extras {
            if !taken.contains(&name.as_str()) {
                self.raw(name, json);
            }
        }
    }

    /// Opens an object as a field's value.
    pub(crate) fn object(&mut self, name: &str) -> Object<'_> {
        Object::begin(self.name(name))
    }

    /// Writes an array of what `item` writes for each.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        item: impl FnMut(&mut BytesMut, T),
    ) {
        list(self.name(name), items, item);
    }

    /// Closes the object.
    pub(crate) fn end(self) {
        self.out.put_u8(b'}');
    }
}

/// Writes an array of what `item` writes for each.
pub(crate) fn list<T>(out: &mut BytesMut, items: impl IntoIterator<Item = T>, mut item: impl FnMut(&mut BytesMut, T)) {
    out.put_u8(b'[');
    for (position, value) in items.into_iter().enumerate() {
        if position > 0 {
            out.put_u8(b',');
        }
        item(out, value);
    }
    out.put_u8(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut BytesMut)) -> String {
        let mut out = BytesMut::new();
        write(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn an_object_is_compact_json() {
        let text = written(|out| {
            let mut object = Object::begin(out);
            object.field("a", "quote \" and \n");
            object.optional("b", Some(1));
            object.optional("none", None::<u32>);
            object.object("c").end();
            object.list("d", [1, 2], |out, n| value(out, &n));
            object.extras(
                &[("a".into(), "0".into()), ("e".into(), "{ \"x\":\n1 }".into())],
                &["a"],
            );
            object.end();
        });
        assert_eq!(text, r#"{"a":"quote \" and \n","b":1,"c":{},"d":[1,2],"e":{ "x": 1 }}"#);
    }

    #[test]
    fn text_that_is_not_json_becomes_a_string() {
        for (json, expected) in [
            ("{\"a\"", r#""{\"a\"""#),
            ("", r#""""#),
            ("1 2", r#""1 2""#),
            (" [1] ", "[1]"),
        ] {
            assert_eq!(written(|out| raw(out, json)), expected);
        }
    }
}
