//! One exchange to try.
//!
//! In: a recording, or a file of `cases` in the same shape. Out: what was asked, what was
//! answered, and how far the file can be trusted. Never: a file left out without a reason.

use std::path::Path;

use llm_host_tests::places;
use llm_host_tests::recording::Recording;
use serde_json::Value;

/// Recordings that are not tried, with the reason.
const SKIPPED: &[(&str, &str)] = &[(
    "openai/chat-unknown-tool-call-725595",
    "reads a stored answer's messages by GET; no chat",
)];

/// Recordings whose request has no form in OpenAI's dialect, with the reason. Their answers are tried
/// with a simple request.
const UNSAYABLE: &[(&str, &str)] = &[
    ("anthropic/messages-claude-3-400-b17984", "its messages are strings"),
    (
        "azure/chat-gpt-4o-stream-400-vision-bb468c",
        "its picture is no base64, which the host refuses itself",
    ),
];

/// The API that an exchange is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    /// OpenAI's chat completions, at OpenAI.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
    /// Anthropic's endpoint in OpenAI's form, served by the adapter of that form.
    AnthropicCompatible,
    /// Deployments of Azure OpenAI.
    Azure,
}

/// What an exchange asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// An answer in a conversation.
    Chat,
    /// Vectors of texts.
    Embeddings,
    /// Continuations of texts.
    Completions,
    /// New pictures.
    Pictures,
    /// A text spoken.
    Speech,
    /// Something that the host has no dialect for: it passes through.
    Native,
}

/// One exchange.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) api: Api,
    /// Whether the recorded request was sent as it stands, so that what the host sends can be
    /// held against it.
    pub(crate) faithful_request: bool,
    pub(crate) recording: Recording,
}

impl Case {
    fn read(path: &Path) -> Option<Self> {
        let recording = Recording::read(path);
        let json = &recording.json;
        let api = match (json["provider"].as_str()?, json["operation"].as_str()?) {
            ("openai", "chat") => Api::OpenAi,
            ("openai", "embeddings" | "completions" | "responses" | "image-generation" | "audio-speech")
                if json["request"]["method"] == "POST" =>
            {
                Api::OpenAi
            }
            ("anthropic", "messages") => Api::Anthropic,
            ("anthropic", "chat") => Api::AnthropicCompatible,
            ("azure", _) => Api::Azure,
            _ => return None,
        };
        let provenance = json["provenance"].as_str().unwrap_or_default();
        let tagged = |tag: &str| {
            json["tags"]
                .as_array()
                .is_some_and(|tags| tags.iter().any(|known| known == tag))
        };
        let sdk_level = provenance.contains("SDK-object level") || tagged("sdk-reserialized");
        let fixture = provenance.contains("__fixtures__");
        let folder = path.parent()?.file_name()?.to_string_lossy();
        Some(Self {
            faithful_request: json["request"]["body"].is_object() && !sdk_level && !fixture,
            name: format!("{folder}/{}", recording.name()),
            api,
            recording,
        })
        .map(|case| Self {
            faithful_request: case.faithful_request && !case.unsayable(),
            ..case
        })
    }

    fn read_all(dir: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
        paths.sort();
        paths.iter().filter_map(|path| Self::read(path)).collect()
    }

    /// The cases of our own.
    pub(crate) fn own() -> Vec<Self> {
        Self::read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/cases"))
    }

    /// The recordings; none, and a line that says so, when there are none on this machine.
    pub(crate) fn recorded() -> Vec<Self> {
        let Some(root) = places::recordings() else {
            return Vec::new();
        };
        ["openai", "anthropic", "azure"]
            .iter()
            .flat_map(|provider| Self::read_all(&root.join(provider)))
            .collect()
    }

    /// Why it is not tried, if so.
    pub(crate) fn skipped(&self) -> Option<&'static str> {
        SKIPPED
            .iter()
            .find(|(name, _)| *name == self.name)
            .map(|(_, reason)| *reason)
    }

    /// What it asks for.
    pub(crate) fn operation(&self) -> Operation {
        match self.recording.json["operation"].as_str() {
            Some("embeddings") => Operation::Embeddings,
            Some("completions") => Operation::Completions,
            Some("responses") => Operation::Native,
            Some("image-generation") => Operation::Pictures,
            Some("audio-speech") => Operation::Speech,
            _ => Operation::Chat,
        }
    }

    /// The status that the provider means, and its error: some write one into an answer of status 200.
    pub(crate) fn failure(&self) -> Option<(u16, Value)> {
        let status = self.recording.status();
        let inside = &self.recording.json["response"]["body"]["error"];
        if status < 400 && !inside.is_object() {
            return None;
        }
        let own = inside["status"].as_u64().and_then(|own| u16::try_from(own).ok());
        let body = serde_json::from_str(&self.body()).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        Some((own.unwrap_or(status), body))
    }

    /// Whether its request cannot be said in OpenAI's dialect.
    pub(crate) fn unsayable(&self) -> bool {
        UNSAYABLE.iter().any(|(name, _)| *name == self.name)
    }

    /// The recorded answer.
    pub(crate) fn body(&self) -> String {
        String::from_utf8(self.recording.body()).unwrap_or_else(|_| panic!("{}: the answer is text", self.name))
    }

    /// Whether the recorded answer is a stream.
    pub(crate) fn is_stream(&self) -> bool {
        self.recording.json["response"]["body"].is_null() && self.body().contains("data:")
    }

    /// Whether a stream was asked for.
    pub(crate) fn asks_stream(&self) -> bool {
        self.is_stream() || self.recording.request()["stream"] == true
    }
}
