//! Short ways to make the values of the WIT package.
//!
//! In: what matters of a value. Out: the value, all else empty. Never: a default that means
//! something to a provider.

use crate::types::{
    ChatEvent, ChatRequest, Choice, DeltaContent, DroppedField, Finish, FinishReason, Media, MediaSource, Message,
    ModelInfo, Part, PartContent, PartDelta, ResponseStart, Role, Sampling, ToolCallDelta,
};
use crate::{CredentialSlot, Manifest, SDK, completions};

impl Manifest {
    /// A manifest without egress, credentials and settings; `sdk` is this crate.
    pub fn new(id: impl Into<String>, version: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            version: version.into(),
            title: title.into(),
            sdk: SDK.to_owned(),
            egress: Vec::new(),
            credentials: Vec::new(),
            config_schema: r#"{"type":"object","additionalProperties":false}"#.to_owned(),
            capabilities: Vec::new(),
        }
    }
}

impl CredentialSlot {
    /// A required slot for a bearer token (`Authorization: Bearer …`).
    pub fn bearer(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kinds: vec!["bearer".to_owned()],
            attach: r#"{"bearer":true}"#.to_owned(),
            required: true,
            description: description.into(),
        }
    }

    /// A required slot for a key in a header of its own. The header's name is taken as it is.
    pub fn header(name: impl Into<String>, header: &str, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kinds: vec!["header".to_owned()],
            attach: serde_json::json!({ "header": header }).to_string(),
            required: true,
            description: description.into(),
        }
    }
}

impl ChatRequest {
    /// A request with nothing but a model and messages.
    pub fn new(model: impl Into<String>, messages: Vec<Message>) -> Self {
        Self {
            model: model.into(),
            messages,
            sampling: Sampling::default(),
            tools: Vec::new(),
            tool_choice: None,
            parallel_tool_calls: None,
            response_format: None,
            reasoning: None,
            user: None,
            extra: Vec::new(),
        }
    }
}

impl completions::Request {
    /// A request with nothing but a model and one text to continue.
    pub fn new(model: impl Into<String>, prompt: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            prompts: vec![completions::Prompt::Text(prompt.into())],
            suffix: None,
            sampling: Sampling::default(),
            echo: false,
            logprobs: None,
            best_of: None,
            user: None,
            extra: Vec::new(),
        }
    }
}

impl Message {
    /// A message of these parts.
    pub fn new(role: Role, parts: Vec<Part>) -> Self {
        Self {
            role,
            name: None,
            parts,
            extra: Vec::new(),
        }
    }

    /// A message of one text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self::new(role, vec![Part::text(text)])
    }
}

impl Part {
    /// A part of this content.
    pub fn new(content: PartContent) -> Self {
        Self {
            content,
            state: None,
            cache: None,
            extra: Vec::new(),
        }
    }

    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(PartContent::Text(text.into()))
    }
}

impl Media {
    /// Media from this source; the type is empty when it is not known.
    pub fn new(media_type: impl Into<String>, source: MediaSource) -> Self {
        Self {
            media_type: media_type.into(),
            source,
            name: None,
            detail: None,
        }
    }
}

impl Choice {
    /// An answer of one text.
    pub fn text(index: u32, text: impl Into<String>, finish: FinishReason) -> Self {
        Self {
            index,
            message: Message::text(Role::Assistant, text),
            finish,
            finish_detail: None,
            logprobs: None,
            extra: Vec::new(),
        }
    }
}

impl DroppedField {
    /// What the adapter could not carry: where it stood, and why, in one sentence.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason: reason.into(),
        }
    }
}

impl ResponseStart {
    /// The start of an answer.
    pub fn new(id: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            model: model.into(),
            created: None,
            dropped: Vec::new(),
            extra: Vec::new(),
        }
    }
}

impl PartDelta {
    /// More of one part.
    pub fn new(choice: u32, part: u32, content: DeltaContent) -> Self {
        Self {
            choice,
            part,
            content,
            state: None,
            redacted: false,
            logprobs: None,
            extra: Vec::new(),
        }
    }

    /// More text.
    pub fn text(choice: u32, part: u32, text: impl Into<String>) -> Self {
        Self::new(choice, part, DeltaContent::Text(text.into()))
    }

    /// More reasoning.
    pub fn reasoning(choice: u32, part: u32, text: impl Into<String>) -> Self {
        Self::new(choice, part, DeltaContent::Reasoning(text.into()))
    }

    /// The beginning of a tool call, without arguments yet.
    pub fn tool_call(choice: u32, part: u32, id: impl Into<String>, name: impl Into<String>) -> Self {
        Self::new(
            choice,
            part,
            DeltaContent::ToolCall(ToolCallDelta {
                id: Some(id.into()),
                name: Some(name.into()),
                arguments: String::new(),
            }),
        )
    }

    /// More arguments of a tool call that has begun.
    pub fn arguments(choice: u32, part: u32, arguments: impl Into<String>) -> Self {
        Self::new(
            choice,
            part,
            DeltaContent::ToolCall(ToolCallDelta {
                id: None,
                name: None,
                arguments: arguments.into(),
            }),
        )
    }
}

impl Finish {
    /// A choice is complete.
    pub fn new(choice: u32, reason: FinishReason) -> Self {
        Self {
            choice,
            reason,
            detail: None,
            extra: Vec::new(),
        }
    }
}

impl ChatEvent {
    /// Whether nothing follows.
    pub fn is_last(&self) -> bool {
        matches!(self, ChatEvent::Done | ChatEvent::Error(_))
    }
}

impl ModelInfo {
    /// A model of which only the id is known.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: None,
            created: None,
            capabilities: Vec::new(),
            context_window: None,
            max_output_tokens: None,
            extra: Vec::new(),
        }
    }
}
