//! From the neutral request to the body of `POST /v1/messages`.
//!
//! In: a neutral request and the operator's options. Out: the body, the beta headers it needs, and
//! what the decoder of the answer has to know. Never: a wish of the caller that is lost without an
//! entry in `dropped` or an error.
//!
//! Two kinds of wishes come in. Neutral fields (`reasoning`, `response-format`, `sampling`, …) are
//! fitted to what the model takes, and every change is reported. Fields in Anthropic's own words
//! (`thinking`, `output_config`, … in `extra`) are sent as they are: whoever writes them wants the
//! API's own answer, also when it is an error.

mod blocks;
mod cache;
mod extra;
mod format;
mod media;
mod messages;
mod thinking;
mod tools;
mod turn;

pub use self::format::{SCHEMA as ANSWER_SCHEMA, schema::fit as fit_schema};
pub use self::tools::input_schema;

use llm_provider_sdk::types::{ChatRequest, Error};

use self::extra::{Extra, Kinds};
use self::thinking::Plan;
use crate::error;
use crate::model::{Model, Sampling};
use crate::report::Report;
use crate::response::Context;
use crate::wire::Object;

/// The largest `max_tokens` that is set without being asked for: an answer that takes longer than
/// connections stay open is worth less than one that ends with `length`.
const DEFAULT_MAX_TOKENS: u32 = 32_000;

/// What the operator says about bodies.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Betas of every request, beside those that its fields need.
    pub betas: &'a [String],
    /// `max_tokens` of a request that does not say it. Default: the model's maximum, at most 32000.
    pub default_max_tokens: Option<u32>,
    /// Whether system messages in the middle of a conversation stay in their place. Default: by model.
    pub system_in_place: Option<bool>,
    /// Request fields that are sent on although this crate does not know them.
    pub extra_fields: &'a [String],
    /// Whether the adapter sends [`Encoded::headers`]: it speaks to the API itself.
    pub takes_headers: bool,
    /// Whether thoughts stay in the turn that the model goes on with although thinking is off. For an
    /// adapter that does not send these messages.
    pub keeps_thinking: bool,
}

/// A request, ready to be sent.
#[derive(Debug)]
pub struct Encoded {
    /// The body.
    pub body: Object,
    /// Values of the header `anthropic-beta`.
    pub betas: Vec<String>,
    /// Further headers, for parameters that travel in one.
    pub headers: Vec<(&'static str, String)>,
    /// For the decoder of the answer.
    pub context: Context,
}

/// Writes the body.
///
/// Errors: `unsupported` for what would make the answer another one if it were left out (several
/// answers, sound).
pub fn encode(mut request: ChatRequest, options: Options<'_>, stream: bool) -> Result<Encoded, Error> {
    one_answer(&request)?;
    let mut report = Report::default();
    let model = Model::named(&request.model);
    let mut extra = Extra::sort(&request.extra, options, &mut report);
    let in_place = options.system_in_place.unwrap_or(model.system_in_place);
    let mut conversation = messages::encode(std::mem::take(&mut request.messages), in_place, &mut report)?;
    let mut offer = tools::encode(&request, &model, &mut report);
    let answer_tool = format::apply(&request, &model, &mut offer, &mut extra.output_config, &mut report);
    let plan = Plan::make(
        &thinking::Wish {
            request: &request,
            model: &model,
            own: extra.thinking.take(),
            own_effort: extra.output_config.has("effort"),
            forces_tool: offer.forces_tool(),
            open_turn: conversation.continues_without_thinking(),
            default_max_tokens: options
                .default_max_tokens
                .unwrap_or(model.max_output_tokens.min(DEFAULT_MAX_TOKENS)),
        },
        &mut report,
    );

    if plan.is_off(&model) && !options.keeps_thinking && Model::is_claude(&request.model) {
        conversation.forget_open_thinking(&mut report);
    }
    cache::fit(
        &mut offer,
        &mut conversation,
        extra.automatic_cache().as_ref(),
        &mut report,
    );
    let mut body = Object::new()
        .with("model", &request.model)
        .with("max_tokens", plan.max_tokens);
    let kinds = Kinds {
        files: conversation.needs_files,
        tools: offer.kinds(),
        blocks: conversation.kinds(),
        fields: conversation.fields(),
    };
    conversation.write(&mut body);
    offer.write(&mut body);
    if let Some(thinking) = &plan.thinking {
        body.put("thinking", thinking);
    }
    if let Some(effort) = &plan.effort {
        extra.output_config.set("effort", effort);
    }
    if !extra.output_config.is_empty() {
        body.put("output_config", &extra.output_config);
    }
    sampling(&request, &model, &plan, &mut body, &mut report);
    extra.write(request.user.as_deref(), &mut body, &mut report);
    if stream {
        body.put("stream", true);
    }
    let betas = extra::betas(extra.betas, &body, &kinds);
    Ok(Encoded {
        body,
        betas,
        headers: extra.headers,
        context: Context {
            model: request.model,
            dropped: report.into_dropped(),
            answer_tool,
        },
    })
}

/// Fewer answers than asked for would look like a whole result, so they are an error.
fn one_answer(request: &ChatRequest) -> Result<(), Error> {
    match request.sampling.n {
        None | Some(1) => Ok(()),
        Some(n) => Err(error::unsupported(
            "n",
            format!("Anthropic makes one answer per request, not {n}. Leave `n` out and ask several times."),
        )),
    }
}

fn sampling(request: &ChatRequest, model: &Model, plan: &Plan, body: &mut Object, report: &mut Report) {
    let wish = &request.sampling;
    let stops: Vec<&String> = wish.stop.iter().filter(|stop| !stop.trim().is_empty()).collect();
    if stops.len() < wish.stop.len() {
        report.add(
            "stop",
            "Anthropic refuses stop sequences of white space; those were left out",
        );
    }
    if !stops.is_empty() {
        body.put("stop_sequences", stops);
    }
    let temperature = temperature(wish.temperature, model, plan, report);
    if let Some(temperature) = temperature {
        body.put("temperature", temperature);
    }
    if let Some(top_p) = top_p(wish.top_p, temperature.is_some(), model, plan, report) {
        body.put("top_p", top_p);
    }
    match wish.top_k {
        Some(_) if model.sampling == Sampling::Fixed => report.add("top_k", "this model takes no `top_k`"),
        Some(_) if plan.is_on() => report.add("top_k", "Anthropic takes no `top_k` while the model thinks"),
        Some(top_k) => body.put("top_k", top_k),
        None => {}
    }
    let penalties = [
        ("frequency_penalty", wish.frequency_penalty),
        ("presence_penalty", wish.presence_penalty),
    ];
    for (name, value) in penalties {
        if value.is_some_and(|value| value != 0.0) {
            report.add(name, "Anthropic has no penalties on repeated tokens");
        }
    }
    if wish.seed.is_some() {
        report.add("seed", "Anthropic cannot repeat an answer from a seed");
    }
}

fn temperature(wish: Option<f64>, model: &Model, plan: &Plan, report: &mut Report) -> Option<f64> {
    let wish = wish?;
    if wish == 1.0 {
        return Some(wish);
    }
    if model.sampling == Sampling::Fixed {
        report.add("temperature", "this model takes no `temperature` other than 1");
        return None;
    }
    if plan.is_on() {
        report.add(
            "temperature",
            "Anthropic takes no `temperature` other than 1 while the model thinks",
        );
        return None;
    }
    if wish > 1.0 {
        report.add(
            "temperature",
            format!("Anthropic's range is 0 to 1; 1 was sent instead of {wish}"),
        );
        return Some(1.0);
    }
    Some(wish)
}

fn top_p(wish: Option<f64>, has_temperature: bool, model: &Model, plan: &Plan, report: &mut Report) -> Option<f64> {
    let wish = wish?;
    let reason = match model.sampling {
        Sampling::Fixed if wish < 0.99 => "this model takes no `top_p` below 0.99",
        Sampling::TemperatureOrTopP if has_temperature => "this model takes `temperature` or `top_p`, not both",
        _ if plan.is_on() && wish < 0.95 => "Anthropic takes no `top_p` below 0.95 while the model thinks",
        _ => return Some(wish),
    };
    report.add("top_p", reason);
    None
}

#[cfg(test)]
mod tests;
