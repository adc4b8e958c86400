//! Streams that break their contract.

use llm_provider_sdk::bindings::chat::wit_stream;
use llm_provider_sdk::types::{ChatEvent, Error, Finish, FinishReason, PartDelta, ResponseStart};
use wit_bindgen::{StreamReader, StreamWriter};

use crate::answers;

/// Opens the stream that the model's name says; by default one that is sound and says what `answer` does.
pub(crate) async fn stream(model: &str, asked: String) -> Result<StreamReader<ChatEvent>, Error> {
    let Some(then) = after_start(model) else {
        let events = match events(model) {
            Some(events) => events,
            None => vec![
                start(),
                text(&answers::answer(model, &asked).await?),
                finish(),
                ChatEvent::Done,
            ],
        };
        let (mut writer, reader) = wit_stream::new();
        wit_bindgen::spawn_local(async move { drop(writer.write_all(events).await) });
        return Ok(reader);
    };
    let (mut writer, reader) = wit_stream::new();
    wit_bindgen::spawn_local(async move {
        let left = writer.write_all(vec![start(), text("begun")]).await;
        if left.is_empty() {
            run(then, writer, asked).await;
        }
    });
    Ok(reader)
}

/// What comes after a sound beginning.
#[derive(Clone, Copy)]
enum Then {
    Spin,
    Bomb,
    Panic,
    Silence,
    Flood,
    Giant,
    NotUtf8,
    Words,
}

fn after_start(model: &str) -> Option<Then> {
    Some(match model {
        "then-spin" => Then::Spin,
        "then-bomb" => Then::Bomb,
        "then-panic" => Then::Panic,
        "then-silence" => Then::Silence,
        "then-flood" => Then::Flood,
        "then-giant" => Then::Giant,
        "then-not-utf8" => Then::NotUtf8,
        "words" => Then::Words,
        _ => return None,
    })
}

async fn run(then: Then, mut writer: StreamWriter<ChatEvent>, asked: String) {
    match then {
        Then::Spin => answers::spin(),
        Then::Bomb => answers::bomb(),
        Then::Panic => panic!("on purpose: {asked}"),
        Then::Silence => answers::silence(),
        // Goes on until the host says that nobody listens.
        Then::Flood => while writer.write_all(vec![text("more "); 64]).await.is_empty() {},
        Then::Giant => drop(writer.write_all(vec![text(&"x".repeat(4 << 20))]).await),
        Then::NotUtf8 => drop(writer.write_all(vec![text(&answers::not_utf8())]).await),
        Then::Words => {
            for word in asked.split_inclusive(' ') {
                if !writer.write_all(vec![text(word)]).await.is_empty() {
                    return;
                }
            }
            drop(writer.write_all(vec![finish(), ChatEvent::Done]).await);
        }
    }
}

fn events(model: &str) -> Option<Vec<ChatEvent>> {
    Some(match model {
        "no-events" => vec![],
        "no-start" => vec![text("x"), finish(), ChatEvent::Done],
        "two-starts" => vec![start(), start(), finish(), ChatEvent::Done],
        "two-finishes" => vec![start(), text("x"), finish(), finish(), ChatEvent::Done],
        "no-finish" => vec![start(), text("x"), ChatEvent::Done],
        "no-end" => vec![start(), text("x"), finish()],
        "after-finish" => vec![start(), finish(), text("too late"), ChatEvent::Done],
        "after-done" => vec![start(), text("x"), finish(), ChatEvent::Done, text("too late"), start()],
        _ => return None,
    })
}

fn start() -> ChatEvent {
    ChatEvent::Start(ResponseStart::new("hostile", "hostile"))
}

fn text(text: &str) -> ChatEvent {
    ChatEvent::Delta(PartDelta::text(0, 0, text))
}

fn finish() -> ChatEvent {
    ChatEvent::Finish(Finish::new(0, FinishReason::Stop))
}
