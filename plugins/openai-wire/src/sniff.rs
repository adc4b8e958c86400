//! A body that may not be the stream it was asked to be.
//!
//! In: the bytes of an answer to a request for a stream. Out: what the decoder of the stream makes of them, or of a
//! whole JSON object that came instead. Never: trust in `content-type`; servers and the proxies before them
//! leave it out or have it wrong, the body's first sign tells.

use llm_provider_sdk::types::{ChatEvent, Header};
use llm_provider_sdk::{HttpError, StreamDecoder};

use crate::error::located;

/// Most bytes of a whole answer that are kept.
const LIMIT: usize = 64 << 20;

/// A decoder of a stream that can take the whole answer at once, too.
pub(crate) trait Either: StreamDecoder {
    /// The events of an answer that came as a whole although a stream was asked for.
    fn whole(self, body: &[u8]) -> Vec<ChatEvent>;
}

/// Looks which of both the body is.
pub(crate) struct Sniffing<D> {
    decoder: Option<D>,
    form: Form,
    status: u16,
    headers: Vec<Header>,
}

enum Form {
    /// Nothing but blanks so far.
    Unknown,
    Stream,
    /// One JSON object; what has come of it.
    Whole(Vec<u8>),
}

impl<D> Sniffing<D> {
    /// For an answer with this head.
    pub(crate) fn new(decoder: D, status: u16, headers: &[Header]) -> Self {
        Self {
            decoder: Some(decoder),
            form: Form::Unknown,
            status,
            headers: headers.to_vec(),
        }
    }
}

impl<D: Either> StreamDecoder for Sniffing<D> {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<ChatEvent>) {
        if matches!(self.form, Form::Unknown) {
            match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
                None => return,
                Some(b'{') => self.form = Form::Whole(Vec::new()),
                Some(_) => self.form = Form::Stream,
            }
        }
        match (&mut self.form, &mut self.decoder) {
            (Form::Whole(body), _) => {
                let room = LIMIT.saturating_sub(body.len());
                body.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            }
            (_, Some(decoder)) => decoder.feed(bytes, out),
            _ => {}
        }
    }

    fn close(&mut self, end: Result<(), HttpError>, out: &mut Vec<ChatEvent>) {
        let Some(mut decoder) = self.decoder.take() else { return };
        let body = match &self.form {
            Form::Whole(body) if end.is_ok() => body,
            _ => return decoder.close(end, out),
        };
        out.extend(decoder.whole(body).into_iter().map(|event| match event {
            ChatEvent::Error(error) => ChatEvent::Error(located(error, self.status, &self.headers)),
            event => event,
        }));
    }
}

#[cfg(test)]
mod tests {
    use llm_provider_sdk::testing::{decode, every_split};
    use llm_provider_sdk::types::ErrorKind;

    use super::*;
    use crate::{Asked, Decoder, Profile};

    fn events(body: &str, end: Result<(), HttpError>) -> Vec<ChatEvent> {
        let headers = vec![("x-request-id".to_owned(), b"r".to_vec())];
        let sniffing = || {
            let decoder = Decoder::new(&Profile::OPENAI, Asked::default());
            Sniffing::new(decoder, 200, &headers)
        };
        let once = decode(sniffing(), &[body.as_bytes()], end.clone());
        every_split(body.as_bytes(), |pieces| {
            assert_eq!(decode(sniffing(), pieces, end.clone()), once, "{body}");
        });
        once
    }

    #[test]
    fn the_body_tells_what_it_is() {
        let chunk = r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}"#;
        let stream = events(&format!("\n: hello\n\ndata: {chunk}\n\ndata: [DONE]\n\n"), Ok(()));
        assert_eq!(stream.last(), Some(&ChatEvent::Done));
        let whole = events(&format!("\r\n  {}\n", chunk.replace("delta", "message")), Ok(()));
        assert_eq!(whole, stream);
    }

    #[test]
    fn a_failure_that_is_no_event_is_told_as_it_is() {
        let error = r#"{"error":{"message":"no","type":"invalid_request_error","code":"model_not_found"}}"#;
        let events = events(error, Ok(()));
        let [ChatEvent::Error(error)] = events.as_slice() else {
            panic!("an error alone: {events:?}")
        };
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::NotFound, "no"));
        assert_eq!((error.http_status, error.request_id.as_deref()), (Some(200), Some("r")));
    }

    #[test]
    fn what_breaks_off_or_is_empty_is_no_success() {
        for (body, end, kind) in [
            ("", Ok(()), ErrorKind::StreamTruncated),
            (" \n", Ok(()), ErrorKind::StreamTruncated),
            (r#"{"choices":"#, Err(HttpError::Cancelled), ErrorKind::Cancelled),
            (r#"{"choices":"#, Ok(()), ErrorKind::Upstream),
        ] {
            let Some(ChatEvent::Error(error)) = events(body, end).pop() else {
                panic!("{body} is no success")
            };
            assert_eq!(error.kind, kind, "{body}");
        }
    }
}
