//! What differs between the providers that speak the OpenAI chat wire format, as data.
//!
//! In: nothing. Out: a [`Profile`], which the rest of this crate reads wherever two providers
//! part ways. Never: code of one provider; a difference that cannot be told as a value here
//! belongs into that provider's own crate.

/// Names that a provider understands at one place of a request.
#[derive(Clone, Copy, Debug)]
pub enum Known {
    /// Whatever the caller sends is passed on, for the provider to judge.
    Any,
    /// These are passed on; others are reported as dropped.
    Only(&'static [&'static str]),
}

impl Known {
    /// Whether `name` may be sent.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(names) => names.contains(&name),
        }
    }
}

/// The member that limits the length of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxTokens {
    /// `max_completion_tokens`: reasoning counts. OpenAI's reasoning models take nothing else.
    MaxCompletionTokens,
    /// `max_tokens`: the older name, which most other providers kept.
    MaxTokens,
}

/// How the model's reasoning of earlier turns goes back to the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasoningBack {
    /// It does not; it is reported as dropped.
    No,
    /// As text in the member of this name.
    Text(&'static str),
    /// As `reasoning_details`, with its state.
    Details,
}

/// How the caller's wishes on reasoning are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasoningWish {
    /// `reasoning_effort`; a token budget has no place.
    Effort,
    /// `reasoning: { effort, max_tokens, exclude }`.
    Object,
}

/// When a stream without `[DONE]` is complete all the same. The body must have closed cleanly,
/// and every choice must have its `finish_reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// When the usage came too: it is the last thing before the marker, so nothing is missing.
    Usage,
    /// At once: the provider does not always send the marker.
    Finish,
}

/// How a provider counts the tokens of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasoningTokens {
    /// `completion_tokens` holds them.
    Included,
    /// They come on top of `completion_tokens`.
    Apart,
}

/// One provider's way of speaking the format.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Its name for people, used in messages.
    pub name: &'static str,
    /// Its name in provider state that does not say whose it is.
    pub id: &'static str,
    /// The member that limits the answer's length.
    pub max_tokens: MaxTokens,
    /// Whether it has the role `developer`; else such messages are sent as `system`.
    pub developer_role: bool,
    /// Whether it takes `top_k`.
    pub top_k: bool,
    /// How it is told how much to think.
    pub reasoning_wish: ReasoningWish,
    /// How earlier reasoning goes back.
    pub reasoning_back: ReasoningBack,
    /// Formats of provider state that it takes back.
    pub state_formats: Known,
    /// Whether it takes `cache_control` marks.
    pub cache_control: bool,
    /// Members of a request, besides those that have a neutral form.
    pub request_fields: Known,
    /// Members of a message, besides those that have a neutral form.
    pub message_fields: Known,
    /// Members of a content part, besides those that have a neutral form.
    pub part_fields: Known,
    /// Types of content parts, besides those that have a neutral form.
    pub part_kinds: Known,
    /// Members of a function, besides those that have a neutral form.
    pub function_fields: Known,
    /// Types of tools besides `function`.
    pub tool_kinds: Known,
    /// Whether messages of every role may hold images, documents and sound, or only the user's.
    /// In the latter case those of a tool's result move into a user message behind it.
    pub media_anywhere: bool,
    /// Whether it takes `stream_options.include_usage`.
    pub stream_usage: bool,
    /// Whether vectors can be asked for as base64, a quarter of the length of numbers; else they come
    /// as the provider likes.
    pub base64_vectors: bool,
    /// Members of an answer that hold reasoning text, the likeliest first.
    pub reasoning_fields: &'static [&'static str],
    /// How it counts reasoning.
    pub reasoning_tokens: ReasoningTokens,
    /// Members of an answer that may hold `usage` when the answer itself does not.
    pub usage_inside: &'static [&'static str],
    /// Members of a choice that hold a filter's findings by category. A stream tells them anew with
    /// each piece of text; of each category the severest is kept, as the whole answer has it.
    pub verdicts: &'static [&'static str],
    /// Members of a chunk that only pad it, against attackers who measure its length.
    pub padding: &'static [&'static str],
    /// When a stream without `[DONE]` is complete.
    pub ending: Ending,
}

impl Profile {
    /// OpenAI itself, by its `CreateChatCompletionRequest` and `CreateChatCompletionResponse`.
    pub const OPENAI: Self = Self {
        name: "OpenAI",
        id: "openai",
        max_tokens: MaxTokens::MaxCompletionTokens,
        developer_role: true,
        top_k: false,
        reasoning_wish: ReasoningWish::Effort,
        reasoning_back: ReasoningBack::No,
        state_formats: Known::Only(&[]),
        cache_control: false,
        request_fields: Known::Only(&[
            "audio",
            "function_call",
            "functions",
            "logit_bias",
            "logprobs",
            "metadata",
            "modalities",
            "moderation",
            "prediction",
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
            "safety_identifier",
            "service_tier",
            "store",
            "top_logprobs",
            "verbosity",
            "web_search_options",
        ]),
        message_fields: Known::Only(&["annotations", "audio"]),
        part_fields: Known::Only(&["prompt_cache_breakpoint"]),
        part_kinds: Known::Only(&[]),
        function_fields: Known::Only(&[]),
        tool_kinds: Known::Only(&["custom"]),
        media_anywhere: false,
        stream_usage: true,
        base64_vectors: true,
        reasoning_fields: &["reasoning_content", "reasoning"],
        reasoning_tokens: ReasoningTokens::Included,
        usage_inside: &[],
        verdicts: &[],
        padding: &["obfuscation"],
        ending: Ending::Usage,
    };

    /// A provider of which nothing is known but that it speaks the format: passes on whatever it
    /// is given, with the older names, and takes whatever it gets.
    pub const COMPATIBLE: Self = Self {
        name: "the provider",
        id: "openai-compatible",
        max_tokens: MaxTokens::MaxTokens,
        developer_role: false,
        top_k: true,
        reasoning_wish: ReasoningWish::Effort,
        reasoning_back: ReasoningBack::Text("reasoning_content"),
        state_formats: Known::Only(&[]),
        cache_control: false,
        request_fields: Known::Any,
        message_fields: Known::Any,
        part_fields: Known::Any,
        part_kinds: Known::Any,
        function_fields: Known::Any,
        tool_kinds: Known::Any,
        media_anywhere: false,
        stream_usage: true,
        base64_vectors: false,
        reasoning_fields: &["reasoning_content", "reasoning"],
        reasoning_tokens: ReasoningTokens::Included,
        usage_inside: &["x_groq"],
        verdicts: &["content_filter_results"],
        padding: &["obfuscation", "p"],
        ending: Ending::Finish,
    };
}
