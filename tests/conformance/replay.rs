//! How one exchange is tried.
//!
//! In: a case. Out: the checks that held, or what was different. Never: less than the case allows:
//! a good answer is tried whole and streamed, whichever was recorded; a stream also in odd pieces,
//! cut short, broken, and failing in its middle.

use llm_host_tests::upstream::{End, Received, Reply};
use serde_json::{Value, json};

use crate::answer::{self, Answer};
use crate::bench::{Bench, Exchange};
use crate::case::{Api, Case, Operation};
use crate::plain::same;
use crate::{azure, claude, claude_request, failure, gpt, media, passing, texts, vectors};

/// Streams longer than this are not sent byte by byte.
const SINGLE_BYTES: usize = 16_000;

/// Other lengths of the pieces in which a stream is sent; odd, so that they meet every place.
const PIECES: [usize; 4] = [3, 17, 61, 997];

/// Tries a case.
pub(crate) async fn try_case(bench: &Bench, case: &Case) -> Result<Vec<String>, String> {
    match case.operation() {
        Operation::Chat => {}
        Operation::Embeddings => return vectors::try_case(bench, case).await,
        Operation::Completions => return texts::try_case(bench, case).await,
        Operation::Pictures | Operation::Speech => return media::try_case(bench, case).await,
        Operation::Native => return passing::try_case(bench, case).await,
    }
    let trial = Trial {
        bench,
        case,
        asked: request(case),
    };
    let mut checks = Vec::new();
    let exchange = trial.ask(Reply::recorded(&case.recording), case.asks_stream()).await?;
    checks.push(trial.request(&exchange)?);
    if case.failure().is_some() {
        failure::check(case, &exchange.answer)?;
        let other = trial.ask(Reply::recorded(&case.recording), !case.asks_stream()).await?;
        failure::check(case, &other.answer).map_err(|error| format!("streamed or not: {error}"))?;
        checks.push("error".to_owned());
        return Ok(checks);
    }
    let expected = trial.expected()?;
    let seen = trial.visible(&exchange.answer)?;
    same("caller's", &seen, "recorded", &expected)?;
    checks.push(if case.is_stream() { "stream" } else { "answer" }.to_owned());
    let (whole, stream) = trial.both()?;
    if case.is_stream() {
        let whole = trial.ask(Reply::json(200, &whole), false).await?;
        same("streamed", &seen, "whole", &trial.visible(&whole.answer)?)?;
    } else {
        let streamed = trial
            .ask(Reply::of(200, "text/event-stream", stream.clone()), true)
            .await?;
        same("streamed", &trial.visible(&streamed.answer)?, "whole", &seen)?;
    }
    checks.push("whole = streamed".to_owned());
    checks.push(trial.pieces(&stream, &seen).await?);
    checks.push(trial.cuts(&stream).await?);
    trial.fails_inside(&stream).await?;
    checks.push("error inside".to_owned());
    Ok(checks)
}

fn request(case: &Case) -> Value {
    match case.api {
        Api::OpenAi | Api::AnthropicCompatible | Api::Azure => gpt::request(case),
        Api::Anthropic => claude_request::request(case),
    }
}

struct Trial<'a> {
    bench: &'a Bench,
    case: &'a Case,
    asked: Value,
}

impl Trial<'_> {
    async fn ask(&self, reply: Reply, stream: bool) -> Result<Exchange, String> {
        let mut body = self.asked.clone();
        if stream {
            body["stream"] = json!(true);
            body["stream_options"] = json!({"include_usage": true});
        } else if let Some(fields) = body.as_object_mut() {
            fields.remove("stream");
            fields.remove("stream_options");
        }
        let exchange = self.bench.ask(self.case, &body, reply).await;
        Bench::check_secrecy(&exchange.answer)?;
        if exchange.received.is_none() {
            return Err(format!("no provider was asked: {}", exchange.answer.raw));
        }
        Ok(exchange)
    }

    /// Checks what went to the provider.
    fn request(&self, exchange: &Exchange) -> Result<String, String> {
        let received = exchange.received.as_ref().ok_or("no provider was asked")?;
        Bench::check_head(self.case, received)?;
        if let Some(dropped) = exchange.answer.header("x-llm-host-dropped") {
            return Err(format!("fields did not reach the provider: {dropped}"));
        }
        if !self.case.faithful_request {
            return Ok("head".to_owned());
        }
        let recorded = match self.case.api {
            Api::Azure => azure::meaning(self.case, self.case.recording.request()),
            _ => self.case.recording.request().clone(),
        };
        let meaning = match self.case.api {
            Api::OpenAi | Api::AnthropicCompatible | Api::Azure => gpt::meaning,
            Api::Anthropic => claude_request::meaning,
        };
        same("sent", &meaning(&received.json()), "recorded", &meaning(&recorded))?;
        self.betas(received)?;
        Ok("request".to_owned())
    }

    fn betas(&self, received: &Received) -> Result<(), String> {
        let sent: Vec<&str> = received
            .header("anthropic-beta")
            .unwrap_or_default()
            .split(',')
            .collect();
        for beta in claude_request::betas(self.case) {
            if !sent.contains(&beta.as_str()) {
                return Err(format!("anthropic-beta is {sent:?}, without {beta}"));
            }
        }
        Ok(())
    }

    fn expected(&self) -> Result<Value, String> {
        let recorded = match self.case.api {
            Api::OpenAi | Api::AnthropicCompatible | Api::Azure => gpt::completion(self.case)?,
            Api::Anthropic => claude::completion(&claude::message(self.case)?),
        };
        Ok(self.count(&recorded))
    }

    fn visible(&self, answer: &Answer) -> Result<Value, String> {
        Ok(self.count(&answer.completion()?))
    }

    fn count(&self, completion: &Value) -> Value {
        match self.case.api {
            Api::OpenAi | Api::AnthropicCompatible | Api::Azure => gpt::visible(completion),
            Api::Anthropic => claude::visible(completion),
        }
    }

    /// The answer as the provider would send it whole, and streamed; one of them is the recording.
    fn both(&self) -> Result<(Value, String), String> {
        let (whole, as_stream): (Value, fn(&Value) -> String) = match self.case.api {
            Api::OpenAi | Api::AnthropicCompatible | Api::Azure => (gpt::completion(self.case)?, gpt::as_stream),
            Api::Anthropic => (claude::message(self.case)?, claude::as_stream),
        };
        let stream = if self.case.is_stream() {
            self.case.body()
        } else {
            as_stream(&whole)
        };
        Ok((whole, stream))
    }

    /// A stream gives the same in whatever pieces it comes.
    async fn pieces(&self, stream: &str, seen: &Value) -> Result<String, String> {
        let single = (stream.len() <= SINGLE_BYTES).then_some(1);
        let sizes: Vec<usize> = single
            .into_iter()
            .chain(PIECES)
            .filter(|size| *size <= stream.len())
            .collect();
        for size in &sizes {
            let reply = Reply::of(200, "text/event-stream", stream.to_owned()).in_pieces(*size);
            let exchange = self.ask(reply, true).await?;
            let streamed = self.visible(&exchange.answer)?;
            same(&format!("in pieces of {size}"), &streamed, "in one", seen)?;
        }
        Ok(format!("pieces of {sizes:?}"))
    }

    /// Where the provider's terminal marker begins: a stream that ends before it is incomplete.
    fn terminal(&self, stream: &str) -> Option<usize> {
        match self.case.api {
            Api::OpenAi | Api::AnthropicCompatible | Api::Azure => stream.rfind("\"finish_reason\":\""),
            Api::Anthropic => stream.rfind("event: message_stop"),
        }
    }

    /// A stream that stops short is an error, never a success.
    async fn cuts(&self, stream: &str) -> Result<String, String> {
        let terminal = self
            .terminal(stream)
            .or_else(|| stream.rfind("finish_reason"))
            .ok_or("a stream has an end")?;
        for at in [0, terminal / 3, terminal / 2, terminal] {
            let at = (0..=at).rev().find(|&at| stream.is_char_boundary(at)).unwrap_or(0);
            for end in [End::Complete, End::Broken] {
                let reply = Reply::of(200, "text/event-stream", stream[..at].to_owned()).ending(end);
                let exchange = self.ask(reply, true).await?;
                let error = broken_off(&exchange.answer).map_err(|error| format!("cut at {at} ({end:?}): {error}"))?;
                let codes: &[&str] = match end {
                    End::Complete => &["stream_truncated"],
                    _ => &["stream_truncated", "provider_unreachable"],
                };
                if !codes.iter().any(|code| error["code"] == *code) {
                    return Err(format!("cut at {at} ({end:?}): the error is {error}"));
                }
            }
        }
        Ok("cuts".to_owned())
    }

    /// An error in the middle of a stream is what the caller gets as its end.
    async fn fails_inside(&self, stream: &str) -> Result<(), String> {
        let (event, message) = match self.case.api {
            Api::Anthropic => (
                "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
                "Overloaded",
            ),
            Api::OpenAi | Api::AnthropicCompatible | Api::Azure => (
                "data: {\"error\":{\"message\":\"The server had an error\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n",
                "The server had an error",
            ),
        };
        let middle = self.terminal(stream).unwrap_or(stream.len()) / 2;
        let mut ends = stream
            .match_indices("\n\n")
            .chain(stream.match_indices("\r\n\r\n"))
            .map(|(at, end)| at + end.len());
        let first = ends.next().ok_or("a stream has events")?;
        let at = ends.take_while(|at| *at <= middle).last().unwrap_or(first);
        let failing = format!("{}{event}", &stream[..at]);
        let exchange = self.ask(Reply::of(200, "text/event-stream", failing), true).await?;
        let error = broken_off(&exchange.answer)?;
        let code = if self.case.api == Api::Anthropic {
            "provider_overloaded"
        } else {
            "provider_error"
        };
        if error["message"] != message || error["code"] != code {
            return Err(format!("the error inside the stream came out as {error}"));
        }
        Ok(())
    }
}

/// The error that an answer ends with, as its status or inside.
fn broken_off(answer: &Answer) -> Result<Value, String> {
    if answer.status >= 400 {
        return Ok(answer.json()?["error"].clone());
    }
    match answer.chunks()? {
        (_, answer::End::Error(error)) => Ok(error),
        (_, end) => Err(format!("the answer ended with {end:?}")),
    }
}
