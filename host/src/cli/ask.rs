//! `host ask`: one question to the running host.
//!
//! In: a question. Out: the model's answer, written as it comes where somebody watches. Never: a
//! conversation; each question stands alone.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::Args;
use http::{Method, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::client::{self, Address};
use super::{Session, input};
use crate::config::env;
use crate::plain;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  host ask \"Why is the sky blue?\" -m openai/gpt-5-mini
  git diff | host ask - --system \"Review this change\" -m fast
  host ask \"hello\" -m echo/echo --json")]
pub(super) struct Ask {
    /// The question; `-` reads it from standard input
    question: String,
    /// The model: `provider/model` or an alias [default: `models.default` of the configuration]
    #[arg(long, short)]
    model: Option<String>,
    /// What the model should know before the question
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Ask for the answer piece by piece [default: when it is written to a terminal]
    #[arg(long)]
    stream: bool,
    /// A file whose first line is the client key [default: $LLM_HOST_KEY]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

pub(super) fn run(session: &Session, command: &Ask) -> anyhow::Result<()> {
    let contact = session.contact()?;
    let model = match (&command.model, &contact.model) {
        (Some(model), _) => model.clone(),
        (None, Some(model)) => model.to_string(),
        (None, None) => bail!("which model? Name one with -m; `host models` lists them"),
    };
    let question = if command.question == "-" {
        input::piped("the question")?.as_str().to_owned()
    } else {
        command.question.clone()
    };
    if question.trim().is_empty() {
        bail!("the question is empty; nothing was asked");
    }
    let key = match &command.key_file {
        Some(file) => Some(client::key_from(file)?),
        None => session.env.secret(env::KEY),
    };
    let stream = command.stream || (io::stdout().is_terminal() && !session.output.is_json());
    let mut messages = Vec::new();
    messages.extend(
        command
            .system
            .as_ref()
            .map(|text| json!({ "role": "system", "content": text })),
    );
    messages.push(json!({ "role": "user", "content": question }));
    let request = json!({ "model": model, "messages": messages, "stream": stream });

    let address = Address::listener(contact.listen);
    client::block_on(async {
        let response = client::send(
            &address,
            Method::POST,
            "/v1/chat/completions",
            key.as_ref(),
            Some(&request),
        )
        .await?;
        let response = client::successful(response).await?;
        if stream {
            return streamed(session, response).await;
        }
        let answer = client::whole(response).await?;
        if session.output.is_json() {
            return session.output.show(&answer, |_| String::new());
        }
        session.output.text(&shown(answer.pointer("/choices/0/message")))
    })
}

async fn streamed(session: &Session, response: Response<Incoming>) -> anyhow::Result<()> {
    let mut body = response.into_body();
    let mut lines = Lines::default();
    let mut stdout = io::stdout();
    let mut complete = false;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.context("the answer broke off")?.into_data() else {
            continue;
        };
        for event in lines.feed(&data) {
            if event == "[DONE]" {
                complete = true;
                continue;
            }
            let event: Value = serde_json::from_str(&event).context("the host sent an event that is not JSON")?;
            if session.output.is_json() {
                writeln!(stdout, "{event}")?;
            }
            if let Some(message) = event.pointer("/error/message").and_then(Value::as_str) {
                writeln!(stdout)?;
                bail!("the answer broke off: {message}");
            }
            if !session.output.is_json() {
                write!(stdout, "{}", shown(event.pointer("/choices/0/delta")))?;
            }
            stdout.flush()?;
        }
    }
    if !session.output.is_json() {
        writeln!(stdout)?;
    }
    if complete {
        Ok(())
    } else {
        bail!("the answer broke off: the host closed the connection before its end")
    }
}

/// The text of a message or of a piece of one: byte for byte for a program, and for a terminal without what
/// would steer it.
fn shown(message: Option<&Value>) -> Cow<'_, str> {
    let text = |key: &str| message.and_then(|message| message.get(key)).and_then(Value::as_str);
    let text = text("content").or_else(|| text("refusal")).unwrap_or_default();
    if io::stdout().is_terminal() {
        plain::prose(text)
    } else {
        Cow::Borrowed(text)
    }
}

/// Takes the data lines out of the host's own event stream, whose events have one line each.
#[derive(Debug, Default)]
struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    fn feed(&mut self, bytes: &Bytes) -> Vec<String> {
        self.rest.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = memchr::memchr(b'\n', &self.rest) {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            events.extend(line.strip_prefix("data:").map(|data| data.trim().to_owned()));
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_survive_any_split() {
        let stream = "data: {\"a\":\"é\"}\n\n: comment\ndata: [DONE]\n\n".as_bytes();
        for at in 0..=stream.len() {
            let (first, second) = stream.split_at(at);
            let mut lines = Lines::default();
            let mut events = lines.feed(&Bytes::copy_from_slice(first));
            events.extend(lines.feed(&Bytes::copy_from_slice(second)));
            assert_eq!(events, ["{\"a\":\"é\"}", "[DONE]"], "split at {at}");
        }
    }
}
