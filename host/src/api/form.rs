//! Reading a request that is a form with files (`multipart/form-data`).
//!
//! In: the body as it arrives. Out: its fields, in order; files whole. Never: more than the limit in
//! memory, a wait beyond the request's deadline, or a file on disk.

use axum::extract::Request;
use http::header::CONTENT_TYPE;
use multer::Multipart;

use super::body;
use super::json::Node;
use crate::context::RequestContext;
use crate::error::GatewayError;
use crate::llm;

/// A form from which the known fields are taken; what is left is the rest.
#[derive(Debug, Default)]
pub(super) struct Form {
    fields: Vec<(String, Value)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Text(String),
    File(llm::Media),
}

/// Reads a form.
///
/// # Errors
/// `UnsupportedMediaType`, `BodyTooLarge`, `BodyTooSlow`; `InvalidRequest` for a form that
/// is malformed.
pub(super) async fn read(request: Request, context: &RequestContext, limit: u64) -> Result<Form, GatewayError> {
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let boundary = content_type.and_then(|value| multer::parse_boundary(value).ok());
    let Some(boundary) = boundary else {
        let got = content_type.map_or_else(|| "none was sent".to_owned(), |given| format!("got `{given}`"));
        return Err(GatewayError::UnsupportedMediaType {
            message: format!("this takes `content-type: multipart/form-data` with a boundary; {got}"),
        });
    };
    body::require_plain(request.headers())?;
    let bytes = body::any(request, context, limit).await?;
    let stream = futures::stream::once(std::future::ready(Ok::<_, std::convert::Infallible>(bytes)));
    let mut multipart = Multipart::new(stream, boundary);
    let mut form = Form::default();
    while let Some(field) = multipart.next_field().await.map_err(malformed)? {
        let Some(name) = field.name().map(str::to_owned) else {
            return Err(invalid("a part of the form has no name", None));
        };
        let file_name = field.file_name().map(str::to_owned);
        let media_type = field.content_type().map(ToString::to_string);
        let value = if file_name.is_some() {
            Value::File(llm::Media {
                media_type: media_type.unwrap_or_default(),
                source: llm::MediaSource::Inline(field.bytes().await.map_err(malformed)?.to_vec()),
                name: file_name,
                detail: None,
            })
        } else {
            let bytes = field.bytes().await.map_err(malformed)?;
            let text = String::from_utf8(bytes.to_vec());
            Value::Text(text.map_err(|_| invalid("it is not UTF-8 text", Some(&name)))?)
        };
        form.fields.push((name, value));
    }
    Ok(form)
}

fn malformed(error: multer::Error) -> GatewayError {
    invalid(&format!("the form is malformed: {error}"), None)
}

fn invalid(message: &str, param: Option<&str>) -> GatewayError {
    GatewayError::InvalidRequest {
        message: param.map_or_else(|| message.to_owned(), |param| format!("`{param}` is wrong: {message}")),
        param: param.map(str::to_owned),
        code: Some("invalid_form"),
    }
}

impl Form {
    /// Takes the files of these names, in the order of the form.
    pub(super) fn files(&mut self, names: &[&str]) -> Vec<llm::Media> {
        let named =
            |field: &mut (String, Value)| names.contains(&field.0.as_str()) && matches!(field.1, Value::File(_));
        let taken = self.fields.extract_if(.., named);
        taken
            .filter_map(|(_, value)| match value {
                Value::File(media) => Some(media),
                Value::Text(_) => None,
            })
            .collect()
    }

    /// Takes a file that must be there.
    pub(super) fn required_file(&mut self, name: &str) -> Result<llm::Media, GatewayError> {
        let mut files = self.files(&[name]).into_iter();
        match (files.next(), files.next()) {
            (Some(file), None) => Ok(file),
            (None, _) => Err(missing(name, "a file")),
            (Some(_), Some(_)) => Err(invalid("one file is expected, and there are several", Some(name))),
        }
    }

    /// Takes a text. An empty one counts as absent; the last of several counts.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let named = |field: &mut (String, Value)| field.0 == name && matches!(field.1, Value::Text(_));
        let last = self.fields.extract_if(.., named).last();
        match last {
            Some((_, Value::Text(text))) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// Takes a text that must be there.
    pub(super) fn required_text(&mut self, name: &str) -> Result<String, GatewayError> {
        self.text(name).ok_or_else(|| missing(name, "a text"))
    }

    /// Takes a number of a type.
    pub(super) fn number<T: std::str::FromStr>(&mut self, name: &str) -> Result<Option<T>, GatewayError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.trim().parse();
        number
            .map(Some)
            .map_err(|_| invalid(&format!("expected a number, got `{text}`"), Some(name)))
    }

    /// Takes yes or no.
    pub(super) fn boolean(&mut self, name: &str) -> Result<Option<bool>, GatewayError> {
        match self.text(name).as_deref() {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(other) => Err(invalid(
                &format!("expected `true` or `false`, got `{other}`"),
                Some(name),
            )),
        }
    }

    /// What has not been taken, as JSON. A form knows no types: what reads as a number or a boolean
    /// is one, and everything else is a text. Fields of the name `list[]` are the items of `list`.
    ///
    /// # Errors
    /// A file that nobody asked for: no field of a text could carry it.
    pub(super) fn rest(self) -> Result<llm::Extras, GatewayError> {
        let mut extras: Vec<(String, Vec<String>, bool)> = Vec::new();
        for (name, value) in self.fields {
            let Value::Text(text) = value else {
                return Err(invalid("no file is expected here", Some(&name)));
            };
            let (name, is_list) = match name.strip_suffix("[]") {
                Some(list) => (list.to_owned(), true),
                None => (name, false),
            };
            let json = typed(&text);
            match extras.iter_mut().find(|(known, ..)| *known == name) {
                Some((_, items, true)) if is_list => items.push(json),
                Some((_, items, _)) => *items = vec![json],
                None => extras.push((name, vec![json], is_list)),
            }
        }
        let written = |(name, items, is_list): (String, Vec<String>, bool)| {
            let json = items.join(",");
            (name, if is_list { format!("[{json}]") } else { json })
        };
        Ok(extras.into_iter().map(written).collect())
    }
}

fn missing(name: &str, expected: &str) -> GatewayError {
    GatewayError::InvalidRequest {
        message: format!("`{name}` is wrong: this field is required; expected {expected}"),
        param: Some(name.to_owned()),
        code: Some("missing_required_parameter"),
    }
}

/// The JSON of a field's text.
fn typed(text: &str) -> String {
    let plain = matches!(Node::parse(text.as_bytes()), Ok(Node::Number(_) | Node::Bool(_)));
    if plain {
        text.trim().to_owned()
    } else {
        Node::Text(text.into()).to_json()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)]) -> Form {
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), Value::Text((*value).to_owned()));
        Form {
            fields: fields.iter().map(text).collect(),
        }
    }

    #[test]
    fn what_nobody_takes_becomes_json() {
        let mut form = form(&[
            ("model", "m"),
            ("temperature", "0.50"),
            ("include[]", "logprobs"),
            ("include[]", "1"),
            ("quality", "high"),
            ("flag", "true"),
            ("odd", "{\"a\":1}"),
            ("n", "2"),
        ]);
        assert_eq!(form.text("model").as_deref(), Some("m"));
        assert_eq!(form.number::<u32>("n").unwrap(), Some(2));
        let expected = [
            ("temperature", "0.50"),
            ("include", r#"["logprobs",1]"#),
            ("quality", r#""high""#),
            ("flag", "true"),
            ("odd", r#""{\"a\":1}""#),
        ];
        let expected = expected.map(|(name, json)| (name.to_owned(), json.to_owned()));
        assert_eq!(form.rest().unwrap(), expected);
    }

    #[test]
    fn wrong_values_are_named() {
        let mut form = form(&[("n", "two"), ("stream", "maybe"), ("empty", "")]);
        let param = |error: GatewayError| match error {
            GatewayError::InvalidRequest { param, .. } => param.unwrap_or_default(),
            other => panic!("{other:?}"),
        };
        assert_eq!(param(form.number::<u32>("n").unwrap_err()), "n");
        assert_eq!(param(form.boolean("stream").unwrap_err()), "stream");
        assert_eq!(param(form.required_text("empty").unwrap_err()), "empty");
        assert_eq!(param(form.required_file("file").unwrap_err()), "file");
        let file = Value::File(llm::Media {
            media_type: String::new(),
            source: llm::MediaSource::Inline(vec![]),
            name: None,
            detail: None,
        });
        form.fields.push(("extra_file".into(), file));
        assert_eq!(param(form.rest().unwrap_err()), "extra_file");
    }
}
