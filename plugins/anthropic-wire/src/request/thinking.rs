//! How much the model is to think, and how much it may write.
//!
//! In: the neutral wish in words or tokens, or Anthropic's own `thinking`. Out: `thinking`,
//! `output_config.effort` and `max_tokens`. Never: a combination that the API refuses, unless the
//! caller wrote it in Anthropic's own words.
//!
//! | model takes | a word | a number of tokens |
//! |---|---|---|
//! | adaptive thinking (from 4.6) | `adaptive` and the word as `effort` | from 4.7: `adaptive` and the effort nearest to it |
//! | a budget (3.7 to 4.6) | (to 4.5) the budget of [`budget_of`] | `enabled` with it as `budget_tokens` |
//!
//! `none` becomes `disabled`.

use llm_provider_sdk::types::{ChatRequest, ReasoningOptions};

use crate::model::{Model, Thinking};
use crate::report::Report;
use crate::wire::Object;

/// The least that `budget_tokens` may be.
const LEAST_BUDGET: u32 = 1_024;

/// What a request says about thinking, and what its other fields allow.
pub(super) struct Wish<'a> {
    pub(super) request: &'a ChatRequest,
    pub(super) model: &'a Model,
    /// `thinking` in Anthropic's own words.
    pub(super) own: Option<Object>,
    /// `output_config.effort` was given in Anthropic's own words.
    pub(super) own_effort: bool,
    /// `tool_choice` is `any` or `tool`.
    pub(super) forces_tool: bool,
    /// The last assistant turn waits for tool results and does not begin with thinking.
    pub(super) open_turn: bool,
    /// `max_tokens` of a request without one.
    pub(super) default_max_tokens: u32,
}

/// What is sent.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) thinking: Option<Object>,
    pub(super) effort: Option<String>,
    pub(super) max_tokens: u32,
}

impl Plan {
    pub(super) fn make(wish: &Wish<'_>, report: &mut Report) -> Self {
        let mut plan = Self {
            max_tokens: wish
                .request
                .sampling
                .max_output_tokens
                .unwrap_or(wish.default_max_tokens),
            ..Self::default()
        };
        match (&wish.own, &wish.request.reasoning) {
            (Some(own), neutral) => plan.keep_own(own, neutral.as_ref(), wish, report),
            (None, Some(neutral)) => plan.fit(neutral, wish, report),
            (None, None) => {}
        }
        plan
    }

    /// Whether this request switches thinking on.
    pub(super) fn is_on(&self) -> bool {
        let kind: Option<String> = self.thinking.as_ref().and_then(|thinking| thinking.read("type"));
        kind.is_some_and(|kind| kind != "disabled")
    }

    /// Whether the model does not think in this request. `thinking` may hold other things alone, e.g.
    /// `block_binding`.
    pub(super) fn is_off(&self, model: &Model) -> bool {
        match self
            .thinking
            .as_ref()
            .and_then(|thinking| thinking.read::<String>("type"))
        {
            Some(kind) => kind == "disabled",
            None => !model.thinks_by_default,
        }
    }

    fn keep_own(&mut self, own: &Object, neutral: Option<&ReasoningOptions>, wish: &Wish<'_>, report: &mut Report) {
        self.thinking = Some(own.clone());
        if let (Some(budget), None) = (own.read("budget_tokens"), wish.request.sampling.max_output_tokens) {
            self.make_room(budget, wish);
        }
        let Some(neutral) = neutral else { return };
        if neutral.max_tokens.is_some() || neutral.include_text.is_some() {
            report.add("reasoning", "`thinking` was given too, and counts");
        }
        if let Some(effort) = &neutral.effort {
            self.word(effort, wish, report);
        }
    }

    fn fit(&mut self, neutral: &ReasoningOptions, wish: &Wish<'_>, report: &mut Report) {
        let model = wish.model;
        if model.thinking == Thinking::Never {
            let asks = neutral.max_tokens.is_some() || neutral.effort.as_deref().is_some_and(|word| word != "none");
            if asks {
                report.add("reasoning", "this model cannot think before it answers");
            }
            return;
        }
        if neutral.effort.as_deref() == Some("none") {
            self.switch_off(model, report);
            return;
        }
        match (model.thinking, neutral.max_tokens) {
            (Thinking::Budget | Thinking::BudgetOrAdaptive, Some(tokens)) => {
                if neutral.effort.is_some() {
                    report.add("reasoning_effort", "`reasoning.max_tokens` was given too, and counts");
                }
                self.budget(tokens, true, neutral, wish, report);
            }
            (Thinking::Budget, None) => match neutral.effort.as_deref() {
                Some(word) => self.budget(budget_of(word), false, neutral, wish, report),
                None if neutral.include_text == Some(true) => report.add(
                    "reasoning",
                    "this model thinks only when it is told how much: give `reasoning_effort` or `reasoning.max_tokens`",
                ),
                None => {}
            },
            (_, tokens) => self.adaptive(tokens, neutral, wish, report),
        }
    }

    fn switch_off(&mut self, model: &Model, report: &mut Report) {
        if model.can_stop_thinking() {
            self.thinking = Some(Object::of_type("disabled"));
        } else {
            report.add("reasoning_effort", "this model always thinks; `none` was left out");
        }
    }

    fn adaptive(&mut self, tokens: Option<u32>, neutral: &ReasoningOptions, wish: &Wish<'_>, report: &mut Report) {
        let word = match (neutral.effort.as_deref(), tokens) {
            (None, Some(tokens)) => {
                let word = effort_of(tokens);
                report.add(
                    "reasoning.max_tokens",
                    format!("this model decides itself how many tokens it thinks; effort `{word}` was sent instead"),
                );
                Some(word)
            }
            (word, Some(_)) => {
                report.add(
                    "reasoning.max_tokens",
                    "this model decides itself how many tokens it thinks; `reasoning_effort` counts",
                );
                word
            }
            (word, None) => word,
        };
        // Without a word there is only the wish to see the text or not: nothing to hide where the
        // model would not think.
        if word.is_none() && neutral.include_text != Some(true) && !wish.model.thinks_by_default {
            return;
        }
        let mut thinking = Object::of_type("adaptive");
        if let Some(include) = neutral.include_text {
            thinking.put("display", if include { "summarized" } else { "omitted" });
        }
        self.thinking = Some(thinking);
        if let Some(word) = word {
            self.word(word, wish, report);
        }
    }

    /// Sends a word as `output_config.effort`, the nearest one where the model does not know it.
    fn word(&mut self, word: &str, wish: &Wish<'_>, report: &mut Report) {
        let known = wish.model.efforts;
        if wish.own_effort {
            report.add("reasoning_effort", "`output_config.effort` was given too, and counts");
            return;
        }
        let (Some(least), Some(most)) = (known.first(), known.last()) else {
            report.add("reasoning_effort", "this model takes no effort beside `thinking`");
            return;
        };
        let sent = match word {
            "minimal" => least,
            "xhigh" if !known.contains(&"xhigh") => most,
            "max" if !known.contains(&"max") => most,
            // A word that is not known here may be known to the API.
            word => {
                self.effort = Some(word.to_owned());
                return;
            }
        };
        report.add(
            "reasoning_effort",
            format!("this model has no effort `{word}`; `{sent}` was sent instead"),
        );
        self.effort = Some((*sent).to_owned());
    }

    /// Raises a `max_tokens` that nobody asked for, so that the answer keeps its room beside the
    /// budget.
    fn make_room(&mut self, budget: u32, wish: &Wish<'_>) {
        self.max_tokens = budget.saturating_add(self.max_tokens).min(wish.model.max_output_tokens);
    }

    /// Switches on thinking with a budget. It has to be below `max_tokens`; where the caller set
    /// none, the answer keeps its room beside it.
    fn budget(&mut self, tokens: u32, exact: bool, neutral: &ReasoningOptions, wish: &Wish<'_>, report: &mut Report) {
        let field = if exact {
            "reasoning.max_tokens"
        } else {
            "reasoning_effort"
        };
        if wish.forces_tool {
            report.add(
                field,
                "Anthropic does not let this model think while `tool_choice` forces a tool",
            );
            return;
        }
        if wish.open_turn {
            report.add(
                field,
                "the turn that waits for tool results began without thinking, so it has to end without",
            );
            return;
        }
        let wanted = tokens.max(LEAST_BUDGET);
        let budget = match wish.request.sampling.max_output_tokens {
            Some(max) if max <= LEAST_BUDGET => {
                report.add(
                    field,
                    format!("`max_tokens` is {max}; thinking takes at least {LEAST_BUDGET} of them"),
                );
                return;
            }
            Some(max) if wanted >= max => (max - max / 4).max(LEAST_BUDGET).min(max - 1),
            Some(_) => wanted,
            None => {
                self.make_room(wanted, wish);
                wanted.min(self.max_tokens.saturating_sub(1))
            }
        };
        if exact && budget != tokens {
            report.add(
                field,
                format!(
                    "it has to be at least {LEAST_BUDGET} and below `max_tokens`; {budget} was sent instead of {tokens}"
                ),
            );
        }
        let mut thinking = Object::of_type("enabled").with("budget_tokens", budget);
        if neutral.include_text == Some(false) {
            thinking.put("display", "omitted");
        }
        self.thinking = Some(thinking);
    }
}

/// The budget for a word, on models that take no words.
pub(super) fn budget_of(word: &str) -> u32 {
    match word {
        "minimal" => LEAST_BUDGET,
        "low" => 2_048,
        "high" => 16_384,
        "xhigh" | "max" => 32_768,
        _ => 8_192,
    }
}

/// The word for a budget, on models that take no budget.
pub(super) fn effort_of(tokens: u32) -> &'static str {
    match tokens {
        0..=4_096 => "low",
        4_097..=12_288 => "medium",
        12_289..=24_576 => "high",
        _ => "xhigh",
    }
}
