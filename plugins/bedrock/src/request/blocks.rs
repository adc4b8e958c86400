//! Parts of messages as content blocks.
//!
//! In: one part, and whose turn it stands in. Out: its blocks, with a cache point behind them where one
//! is asked for; or none and a reason. Never: reasoning of another provider.

use aws_sdk_bedrockruntime::types::{
    CachePointBlock, CachePointType, CacheTtl, ContentBlock, ConversationRole, ReasoningContentBlock,
    ReasoningTextBlock, SystemContentBlock, ToolResultBlock, ToolResultContentBlock, ToolResultStatus, ToolUseBlock,
};
use aws_smithy_types::Blob;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_provider_sdk::types::{
    Annotated, CacheHint, Error, Extras, Part, PartContent, ProviderState, Reasoning, ResultContent, ToolCall,
    ToolResult,
};
use serde_json::{Value, json};

use super::{BEDROCK_STATE, CLAUDE_STATE, built, media, names};
use crate::report::Report;
use crate::target::{Family, Target};
use crate::wire::Splice;

/// Lifetime of cache entries from which the longer one is meant, in seconds.
const FIVE_MINUTES: u32 = 300;

/// Claude models that have no prompt cache: the service refuses the whole request for a point.
const WITHOUT_CACHE: &[&str] = &[
    "claude-v",
    "claude-2",
    "claude-instant",
    "claude-3-haiku",
    "claude-3-sonnet",
    "claude-3-opus",
    "claude-3-5-sonnet-20240620",
];

/// Claude models that keep a prompt for five minutes only.
const SHORT_CACHE: &[&str] = &[
    "claude-3-",
    "claude-sonnet-4-2025",
    "claude-opus-4-2025",
    "claude-opus-4-1",
];

/// Blocks that are sent as they are, with their JSON under their name.
const OWN_BLOCKS: &[&str] = &[
    "audio",
    "cachePoint",
    "citationsContent",
    "document",
    "guardContent",
    "image",
    "reasoningContent",
    "searchResult",
    "text",
    "toolAddition",
    "toolRemoval",
    "toolResult",
    "toolUse",
    "video",
];

/// Writes the parts of one request.
#[derive(Debug)]
pub(super) struct Encoder<'a> {
    pub(super) target: &'a Target,
    pub(super) family: Family,
    pub(super) splice: &'a mut Splice,
    pub(super) report: &'a mut Report,
    /// Names of documents so far: no two may be alike.
    pub(super) documents: Vec<String>,
}

impl Encoder<'_> {
    /// Adds the blocks of a part of the system prompt.
    pub(super) fn system(&mut self, part: Part, at: &str, out: &mut Vec<SystemContentBlock>) -> Result<(), Error> {
        match part.content {
            PartContent::Text(text) => {
                let Some(text) = self.text(text, at) else { return Ok(()) };
                self.unknown(&part.extra, &[], at);
                out.push(SystemContentBlock::Text(text));
            }
            PartContent::Other(own) => match self.own(&own, at) {
                Some(text) => out.push(SystemContentBlock::Text(text)),
                None => return Ok(()),
            },
            _ => {
                self.report.add(at, "Bedrock takes only text in the system prompt");
                return Ok(());
            }
        }
        if let Some(point) = self.cache_point(part.cache.as_ref(), at)? {
            out.push(SystemContentBlock::CachePoint(point));
        }
        Ok(())
    }

    /// Adds the blocks of a part.
    ///
    /// Errors: `unsupported` for media that cannot reach the model.
    pub(super) fn part(
        &mut self,
        part: Part,
        role: &ConversationRole,
        at: &str,
        out: &mut Vec<ContentBlock>,
    ) -> Result<(), Error> {
        let of_assistant = *role == ConversationRole::Assistant;
        let takes_cache = !matches!(part.content, PartContent::Reasoning(_));
        let block = match part.content {
            PartContent::Text(text) | PartContent::Refusal(text) => {
                self.unknown(&part.extra, &["citations"], at);
                let citations = part.extra.iter().find(|(name, _)| name == "citations");
                match (self.text(text, at), citations) {
                    (Some(text), Some((_, citations))) if of_assistant => self.cited(&text, citations, at),
                    (text, _) => text.map(ContentBlock::Text),
                }
            }
            PartContent::Reasoning(_) if !of_assistant => {
                self.report.add(at, "only the assistant's turns can hold it");
                None
            }
            PartContent::Reasoning(thought) => self.reasoning(thought, part.state.as_ref(), at)?,
            PartContent::ToolCall(call) => {
                self.unknown(&part.extra, &[], at);
                Some(self.call(call, at)?)
            }
            PartContent::ToolResult(result) => {
                self.unknown(&part.extra, &[], at);
                Some(ContentBlock::ToolResult(self.result(result, at)?))
            }
            PartContent::Media(media) => Some(media::block(media, &part.extra, at, self)?),
            PartContent::Other(own) => self.own(&own, at).map(ContentBlock::Text),
        };
        let Some(block) = block else { return Ok(()) };
        out.push(block);
        if !takes_cache {
            if part.cache.is_some() {
                self.report.add(
                    format!("{at}.cache_control"),
                    "reasoning cannot be the end of what is cached",
                );
            }
            return Ok(());
        }
        if let Some(point) = self.cache_point(part.cache.as_ref(), at)? {
            out.push(ContentBlock::CachePoint(point));
        }
        Ok(())
    }

    /// Bedrock refuses text blocks that say nothing.
    fn text(&mut self, text: String, at: &str) -> Option<String> {
        if text.trim().is_empty() {
            if !text.is_empty() {
                self.report.add(at, "Bedrock refuses text that is only white space");
            }
            return None;
        }
        Some(text)
    }

    fn cited(&mut self, text: &str, citations: &str, at: &str) -> Option<ContentBlock> {
        let Ok(citations) = serde_json::from_str::<Value>(citations) else {
            self.report.add(format!("{at}.citations"), "it is not JSON");
            return Some(ContentBlock::Text(text.to_owned()));
        };
        let block = json!({"citationsContent": {"content": [{"text": text}], "citations": citations}});
        Some(ContentBlock::Text(self.splice.block(block.to_string())))
    }

    /// A block of Bedrock's own, as the text of a block that stands for it.
    pub(super) fn own(&mut self, own: &Annotated, at: &str) -> Option<String> {
        if !OWN_BLOCKS.contains(&own.kind.as_str()) || serde_json::from_str::<Value>(&own.value).is_err() {
            self.report
                .add(at, format!("Bedrock has no block of type `{}`", own.kind));
            return None;
        }
        let name = Value::String(own.kind.clone());
        Some(self.splice.block(format!("{{{name}:{}}}", own.value.trim())))
    }

    fn reasoning(
        &mut self,
        thought: Reasoning,
        state: Option<&ProviderState>,
        at: &str,
    ) -> Result<Option<ContentBlock>, Error> {
        let is_claude = self.family == Family::Claude;
        let state = match state {
            Some(state) if state.format == BEDROCK_STATE || is_claude && state.format == CLAUDE_STATE => state,
            Some(state) => {
                let reason = format!("it is reasoning of another provider (`{}`)", state.format);
                self.report.add(at, reason);
                return Ok(None);
            }
            None => {
                self.report.add(
                    at,
                    "the model takes reasoning back only with its own signature, and this has none",
                );
                return Ok(None);
            }
        };
        let Ok(data) = std::str::from_utf8(&state.data) else {
            self.report
                .add(at, "its signature is not text, so it is not one of Bedrock's");
            return Ok(None);
        };
        let block = if thought.redacted {
            let Ok(bytes) = STANDARD.decode(data) else {
                self.report.add(at, "its data is not base64, so it is not Bedrock's");
                return Ok(None);
            };
            ReasoningContentBlock::RedactedContent(Blob::new(bytes))
        } else {
            let text = ReasoningTextBlock::builder().text(thought.text).signature(data).build();
            ReasoningContentBlock::ReasoningText(built(text)?)
        };
        Ok(Some(ContentBlock::ReasoningContent(block)))
    }

    fn call(&mut self, call: ToolCall, at: &str) -> Result<ContentBlock, Error> {
        let is_object = serde_json::from_str::<serde_json::Map<String, Value>>(&call.arguments).is_ok();
        let input = if is_object {
            call.arguments
        } else if call.arguments.trim().is_empty() {
            "{}".to_owned()
        } else {
            self.report.add(
                format!("{at}.arguments"),
                "Bedrock takes only a JSON object; the text was sent in one, under `arguments`",
            );
            json!({ "arguments": call.arguments }).to_string()
        };
        let block = ToolUseBlock::builder()
            .tool_use_id(names::call(&call.id, self.target))
            .name(names::tool(&call.name))
            .input(self.splice.document(input))
            .build();
        Ok(ContentBlock::ToolUse(built(block)?))
    }

    fn result(&mut self, result: ToolResult, at: &str) -> Result<ToolResultBlock, Error> {
        let mut content = Vec::with_capacity(result.content.len());
        for (index, piece) in result.content.into_iter().enumerate() {
            let at = format!("{at}.content[{index}]");
            match piece {
                ResultContent::Text(text) => content.extend(self.text(text, &at).map(ToolResultContentBlock::Text)),
                ResultContent::Media(media) => content.push(media::result(media, &at, self)?),
                ResultContent::Other(own) if own.kind == "json" => content.push(self.json(own.value)),
                ResultContent::Other(own) => {
                    content.extend(self.own(&own, &at).map(ToolResultContentBlock::Text));
                }
            }
        }
        if content.is_empty() && result.is_error {
            self.report.add(
                at,
                "Bedrock refuses a failure that says nothing; it was sent with the word `error`",
            );
            content.push(ToolResultContentBlock::Text("error".to_owned()));
        }
        // Only some families take a status, and a result is good unless it says otherwise.
        let takes_status = !self.target.base.contains("writer.");
        if result.is_error && !takes_status {
            self.report.add(
                at,
                "this model is not told that a tool has failed; its result says so or not",
            );
        }
        let status = (result.is_error && takes_status).then_some(ToolResultStatus::Error);
        let block = ToolResultBlock::builder()
            .tool_use_id(names::call(&result.call_id, self.target))
            .set_content(Some(content))
            .set_status(status)
            .build();
        built(block)
    }

    /// The service takes only an object as JSON; anything else says the same as a text.
    fn json(&mut self, value: String) -> ToolResultContentBlock {
        if value.trim_start().starts_with('{') {
            ToolResultContentBlock::Json(self.splice.document(value))
        } else {
            ToolResultContentBlock::Text(value)
        }
    }

    /// The point up to which the prompt is to be cached.
    pub(super) fn cache_point(&mut self, hint: Option<&CacheHint>, at: &str) -> Result<Option<CachePointBlock>, Error> {
        let Some(hint) = hint else { return Ok(None) };
        let at = format!("{at}.cache_control");
        cache_point(hint, self.target, false, &at, self.report)
    }

    pub(super) fn unknown(&mut self, extra: &Extras, known: &[&str], at: &str) {
        for (name, _) in extra.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
            self.report
                .add(format!("{at}.{name}"), "Bedrock's blocks have no such member");
        }
    }
}

/// A cache point, for the families that have one.
pub(super) fn cache_point(
    hint: &CacheHint,
    target: &Target,
    of_tool: bool,
    at: &str,
    report: &mut Report,
) -> Result<Option<CachePointBlock>, Error> {
    // An opaque ARN may lead to a model that caches; the service judges then.
    let caches = match target.family {
        Family::Claude => !target.is_one_of(WITHOUT_CACHE),
        // Nova caches what was said, but no tools.
        Family::Nova => !of_tool,
        family => family == Family::Other,
    };
    if !caches {
        report.add(at, "this model has no prompt cache for it");
        return Ok(None);
    }
    let long = target.family == Family::Claude && !target.is_one_of(SHORT_CACHE);
    let ttl = match hint.ttl_seconds {
        Some(seconds) if seconds > FIVE_MINUTES && long => Some(CacheTtl::OneHour),
        Some(seconds) if seconds > FIVE_MINUTES => {
            report.add(format!("{at}.ttl"), "this model keeps a prompt for 5 minutes");
            None
        }
        _ => None,
    };
    let block = CachePointBlock::builder()
        .r#type(CachePointType::Default)
        .set_ttl(ttl)
        .build();
    built(block).map(Some)
}
