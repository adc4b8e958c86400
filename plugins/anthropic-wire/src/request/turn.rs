//! One turn of a conversation.
//!
//! In: the blocks of its messages. Out: a member of `messages`, and what stands in it. Never: a block
//! of another speaker.

use crate::wire::Object;

/// Members that an instruction in the middle of a conversation may have beside its content.
pub(super) const SYSTEM_FIELDS: &[&str] = &["clear_at", "output_config"];

/// One turn.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) role: &'static str,
    /// Where its first message stands.
    pub(super) at: usize,
    pub(super) content: Vec<Object>,
    /// Of [`SYSTEM_FIELDS`], those that it has.
    pub(super) fields: Object,
}

impl Turn {
    /// A turn with content alone.
    pub(super) fn new(role: &'static str, at: usize, content: Vec<Object>) -> Self {
        Self {
            role,
            at,
            content,
            fields: Object::new(),
        }
    }

    /// The `type`s of its blocks.
    pub(super) fn kinds(&self) -> impl Iterator<Item = String> {
        self.content.iter().filter_map(kind_of)
    }

    pub(super) fn is_of_results(&self) -> bool {
        self.role == "user" && self.content.first().and_then(kind_of).as_deref() == Some("tool_result")
    }

    pub(super) fn begins_with_thinking(&self) -> bool {
        self.role == "assistant" && self.content.first().is_some_and(is_thinking)
    }

    /// Whether it ends with something that the provider's own tools did.
    pub(super) fn ends_in_server_tool(&self) -> bool {
        let kind = self.content.last().and_then(kind_of);
        kind.is_some_and(|kind| kind == "server_tool_use" || kind.ends_with("_tool_result"))
    }

    /// Takes the thoughts out. Gives whether there were any.
    pub(super) fn forget_thinking(&mut self) -> bool {
        let before = self.content.len();
        self.content.retain(|block| !is_thinking(block));
        self.content.len() < before
    }

    /// Takes white space off the end of a text that the model is to go on with. Gives whether there
    /// was any.
    pub(super) fn trim_end(&mut self) -> bool {
        let Some(last) = self.content.last_mut().filter(|_| self.role == "assistant") else {
            return false;
        };
        let text: Option<String> = last.read("text");
        match text {
            Some(text) if text.ends_with(char::is_whitespace) => {
                last.set("text", text.trim_end());
                true
            }
            _ => false,
        }
    }

    /// Tool results have to come before everything else in their turn. The order among them, and
    /// among the rest, stays.
    pub(super) fn results_first(&mut self) {
        if self.role == "user" {
            self.content
                .sort_by_key(|block| kind_of(block).as_deref() != Some("tool_result"));
        }
    }

    /// The member of `messages`.
    pub(super) fn write(self) -> Object {
        let mut out = Object::new().with("role", self.role);
        if !self.content.is_empty() {
            out.put_list("content", self.content);
        }
        for (name, value) in self.fields.members() {
            out.put(name, value);
        }
        out
    }
}

/// The `type` of a block.
pub(super) fn kind_of(block: &Object) -> Option<String> {
    block.read("type")
}

fn is_thinking(block: &Object) -> bool {
    matches!(kind_of(block).as_deref(), Some("thinking" | "redacted_thinking"))
}
