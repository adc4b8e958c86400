//! What is known of each generation of Claude models.
//!
//! In: a model's name. Out: which request fields its generation takes. Never: a decision on a
//! request; `request` fits the caller's wishes to these facts and reports every change.
//!
//! The facts are from Anthropic's pages on errors, adaptive and extended thinking, effort,
//! structured outputs, mid-conversation system messages and the Messages reference. A name that is
//! newer than this table is taken for the current generation: its interface has only narrowed.

/// How a model can be told to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinking {
    /// It cannot.
    Never,
    /// `{"type":"enabled","budget_tokens":N}`.
    Budget,
    /// Either form; the budget is deprecated.
    BudgetOrAdaptive,
    /// `{"type":"adaptive"}` with `output_config.effort`; a budget is refused.
    Adaptive,
}

/// Which of `temperature`, `top_p` and `top_k` a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// All of them together.
    Any,
    /// Not `temperature` and `top_p` in one request.
    TemperatureOrTopP,
    /// None, apart from values that say nothing (`temperature` 1, `top_p` from 0.99).
    Fixed,
}

/// What one model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// The forms of `thinking`.
    pub thinking: Thinking,
    /// It thinks when the request does not say otherwise.
    pub thinks_by_default: bool,
    /// `{"type":"disabled"}` is refused.
    pub always_thinks: bool,
    /// The words that `output_config.effort` takes, from least to most; empty when it takes none.
    pub efforts: &'static [&'static str],
    /// The sampling parameters.
    pub sampling: Sampling,
    /// `tool_choice` may be `any` or `tool`.
    pub forced_tools: bool,
    /// `messages` may hold the role `system` after the first user turn.
    pub system_in_place: bool,
    /// `output_config.format` holds the answer to a schema.
    pub structured_output: bool,
    /// The largest `max_tokens`.
    pub max_output_tokens: u32,
}

const EFFORTS_4_5: &[&str] = &["low", "medium", "high"];
const EFFORTS_4_6: &[&str] = &["low", "medium", "high", "max"];
const EFFORTS_ALL: &[&str] = &["low", "medium", "high", "xhigh", "max"];

/// A model of an Anthropic-compatible service that is not Claude: it gets what the caller asked,
/// in the form that all of them know.
const FOREIGN: Model = Model {
    thinking: Thinking::Budget,
    thinks_by_default: false,
    always_thinks: false,
    efforts: &[],
    sampling: Sampling::Any,
    forced_tools: true,
    system_in_place: false,
    structured_output: false,
    max_output_tokens: 8_192,
};

const CURRENT: Model = Model {
    thinking: Thinking::Adaptive,
    thinks_by_default: true,
    always_thinks: false,
    efforts: EFFORTS_ALL,
    sampling: Sampling::Fixed,
    forced_tools: true,
    system_in_place: false,
    structured_output: true,
    max_output_tokens: 128_000,
};

impl Model {
    /// The facts for a model's name, with or without a date, a vendor's prefix or suffix
    /// (`claude-sonnet-4-5-20250929`, `us.anthropic.claude-opus-4-6-v1:0`, `claude-sonnet-4@20250514`).
    pub fn named(name: &str) -> Self {
        let Some(id) = Id::parse(name) else { return FOREIGN };
        match id.version {
            None if id.family == "mythos" => Model {
                thinking: Thinking::BudgetOrAdaptive,
                always_thinks: true,
                ..CURRENT
            },
            None => CURRENT,
            Some(version) => Self::of_version(&id.family, version),
        }
    }

    /// Whether the name is of a Claude model.
    pub fn is_claude(name: &str) -> bool {
        Id::parse(name).is_some()
    }

    fn of_version(family: &str, version: (u32, u32)) -> Self {
        let frontier = matches!(family, "fable" | "mythos");
        match version {
            (0..=2, _) => Model {
                thinking: Thinking::Never,
                max_output_tokens: 4_096,
                ..FOREIGN
            },
            (3, 0..=4) => Model {
                thinking: Thinking::Never,
                max_output_tokens: 4_096,
                ..FOREIGN
            },
            (3, 5..=6) => Model {
                thinking: Thinking::Never,
                ..FOREIGN
            },
            (3, _) => Model {
                max_output_tokens: 64_000,
                ..FOREIGN
            },
            (4, 0) => Model {
                max_output_tokens: if family == "opus" { 32_000 } else { 64_000 },
                ..FOREIGN
            },
            (4, 1..=4) => Model {
                sampling: Sampling::TemperatureOrTopP,
                structured_output: true,
                max_output_tokens: 32_000,
                ..FOREIGN
            },
            (4, 5) => Model {
                sampling: Sampling::TemperatureOrTopP,
                structured_output: true,
                efforts: if family == "opus" { EFFORTS_4_5 } else { &[] },
                max_output_tokens: 64_000,
                ..FOREIGN
            },
            (4, 6) => Model {
                thinking: Thinking::BudgetOrAdaptive,
                thinks_by_default: false,
                efforts: EFFORTS_4_6,
                sampling: Sampling::TemperatureOrTopP,
                ..CURRENT
            },
            (4, minor) => Model {
                thinks_by_default: false,
                system_in_place: family == "opus" && minor >= 8,
                ..CURRENT
            },
            (5, minor) => Model {
                always_thinks: frontier || minor == 5,
                forced_tools: !(minor == 5 || frontier && minor >= 1),
                system_in_place: frontier || family == "opus" || minor >= 5,
                ..CURRENT
            },
            _ => CURRENT,
        }
    }

    /// Whether `thinking` can be switched off with `{"type":"disabled"}`.
    pub fn can_stop_thinking(&self) -> bool {
        self.thinking != Thinking::Never && !self.always_thinks
    }
}

/// A Claude model's name, taken apart.
struct Id {
    family: String,
    version: Option<(u32, u32)>,
}

impl Id {
    /// `None` when the name is not of a Claude model.
    fn parse(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let (_, rest) = name.split_once("claude")?;
        let mut family = String::new();
        let mut numbers: Vec<u32> = Vec::new();
        let mut numbers_over = false;
        for word in rest
            .split(['-', '.', '@', ':', '_', '/'])
            .filter(|word| !word.is_empty())
        {
            let revision = word.strip_prefix('v');
            let digits = revision.unwrap_or(word);
            match digits.parse::<u32>() {
                // A date (`20250929`) is no version, nor is a revision (`v1:0`) that follows one.
                Ok(_) if digits.len() > 2 => numbers_over = true,
                Ok(_) if revision.is_some() && !numbers.is_empty() => numbers_over = true,
                Ok(number) if !numbers_over && numbers.len() < 2 => numbers.push(number),
                Ok(_) => {}
                Err(_) => {
                    numbers_over |= !numbers.is_empty();
                    if family.is_empty() {
                        family = word.to_owned();
                    }
                }
            }
        }
        let version = match numbers.as_slice() {
            [] if family == "instant" => Some((1, 0)),
            [] => None,
            [major] => Some((*major, 0)),
            [major, minor, ..] => Some((*major, *minor)),
        };
        Some(Self { family, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let cases = [
            ("claude-sonnet-4-5-20250929", "sonnet", Some((4, 5))),
            ("claude-opus-4-20250514", "opus", Some((4, 0))),
            ("claude-sonnet-4@20250514", "sonnet", Some((4, 0))),
            ("claude-3-5-sonnet-20241022", "sonnet", Some((3, 5))),
            ("claude-3-haiku-20240307", "haiku", Some((3, 0))),
            ("claude-3-7-sonnet-latest", "sonnet", Some((3, 7))),
            ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "haiku", Some((4, 5))),
            ("us.anthropic.claude-opus-4-6-v1", "opus", Some((4, 6))),
            ("anthropic/claude-haiku-4.5", "haiku", Some((4, 5))),
            ("claude-opus-5", "opus", Some((5, 0))),
            ("claude-fable-5-1", "fable", Some((5, 1))),
            ("claude-mythos-preview", "mythos", None),
            ("claude-instant-1.2", "instant", Some((1, 2))),
            ("claude-2.1", "", Some((2, 1))),
            ("anthropic.claude-v2:1", "", Some((2, 1))),
            ("claude-future-9", "future", Some((9, 0))),
        ];
        for (name, family, version) in cases {
            let id = Id::parse(name).unwrap();
            assert_eq!((id.family.as_str(), id.version), (family, version), "{name}");
        }
        assert!(Id::parse("deepseek-chat").is_none());
    }

    #[test]
    fn generations_take_what_anthropic_documents() {
        use Sampling::{Any, Fixed, TemperatureOrTopP};
        use Thinking::{Adaptive, Budget, BudgetOrAdaptive, Never};
        // name, thinking, always, sampling, forced tools, system in place, structured, max
        #[rustfmt::skip]
        let cases = [
            ("claude-2.1",                 Never,            false, Any,               true,  false, false, 4_096),
            ("claude-3-opus-20240229",     Never,            false, Any,               true,  false, false, 4_096),
            ("claude-3-5-haiku-latest",    Never,            false, Any,               true,  false, false, 8_192),
            ("claude-3-7-sonnet-20250219", Budget,           false, Any,               true,  false, false, 64_000),
            ("claude-opus-4-0",            Budget,           false, Any,               true,  false, false, 32_000),
            ("claude-sonnet-4-20250514",   Budget,           false, Any,               true,  false, false, 64_000),
            ("claude-opus-4-1-20250805",   Budget,           false, TemperatureOrTopP, true,  false, true,  32_000),
            ("claude-haiku-4-5",           Budget,           false, TemperatureOrTopP, true,  false, true,  64_000),
            ("claude-sonnet-4-6",          BudgetOrAdaptive, false, TemperatureOrTopP, true,  false, true,  128_000),
            ("claude-opus-4-7",            Adaptive,         false, Fixed,             true,  false, true,  128_000),
            ("claude-opus-4-8",            Adaptive,         false, Fixed,             true,  true,  true,  128_000),
            ("claude-sonnet-5",            Adaptive,         false, Fixed,             true,  false, true,  128_000),
            ("claude-opus-5",              Adaptive,         false, Fixed,             true,  true,  true,  128_000),
            ("claude-opus-5-5",            Adaptive,         true,  Fixed,             false, true,  true,  128_000),
            ("claude-fable-5",             Adaptive,         true,  Fixed,             true,  true,  true,  128_000),
            ("claude-fable-5-1",           Adaptive,         true,  Fixed,             false, true,  true,  128_000),
            ("claude-mythos-preview",      BudgetOrAdaptive, true,  Fixed,             true,  false, true,  128_000),
            ("claude-future-9",            Adaptive,         false, Fixed,             true,  false, true,  128_000),
            ("deepseek-chat",              Budget,           false, Any,               true,  false, false, 8_192),
        ];
        for (name, thinking, always, sampling, forced, in_place, structured, max) in cases {
            let model = Model::named(name);
            let got = (
                model.thinking,
                model.always_thinks,
                model.sampling,
                model.forced_tools,
                model.system_in_place,
                model.structured_output,
                model.max_output_tokens,
            );
            assert_eq!(
                got,
                (thinking, always, sampling, forced, in_place, structured, max),
                "{name}"
            );
        }
    }
}
