//! Which model a name means, where it is, and how it is asked.
//!
//! In: the model's name or ARN, what the request says under `bedrock`, and the settings. Out: the id
//! for the path, the region, the family and the operation. Never: a region that the settings do not
//! name; no egress would be granted for it.

use llm_provider_sdk::types::{Error, ErrorKind};

use crate::endpoint::{self, is_region};
use crate::request::Wish;
use crate::settings::{Operation, Settings};

/// Whose model it is, as far as requests and answers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Anthropic.
    Claude,
    /// Amazon's older text models.
    Titan,
    /// Amazon's newer models.
    Nova,
    /// Meta.
    Llama,
    /// Cohere's `command`.
    Command,
    /// Cohere's `command-r` and later.
    CommandR,
    /// AI21's older models.
    Jurassic,
    /// AI21's newer models.
    Jamba,
    /// Mistral.
    Mistral,
    /// Models whose own form is OpenAI's: gpt-oss, Qwen, DeepSeek, …
    OpenAi,
    /// A model that nothing is known of, or an ARN that does not tell.
    Other,
}

/// Vendors whose models take OpenAI's form natively.
const OPENAI_FORM: &[&str] = &[
    "openai",
    "qwen",
    "deepseek",
    "moonshot",
    "moonshotai",
    "minimax",
    "zai",
    "google",
    "nvidia",
    "writer",
];

impl Family {
    /// The family of a model's id, of its name in an ARN, or of a hint in the settings.
    pub fn of(id: &str) -> Self {
        let name = id.rsplit('/').next().unwrap_or(id);
        let has = |word: &str| name.contains(word);
        let vendor = |vendor: &str| name.split('.').any(|word| word == vendor);
        if has("claude") {
            Self::Claude
        } else if has("titan") {
            Self::Titan
        } else if vendor("amazon") && has("nova") {
            Self::Nova
        } else if has("llama") {
            Self::Llama
        } else if has("command-r") || has("command-a") {
            Self::CommandR
        } else if vendor("cohere") && has("command") {
            Self::Command
        } else if has("jamba") {
            Self::Jamba
        } else if vendor("ai21") {
            Self::Jurassic
        } else if vendor("mistral") {
            Self::Mistral
        } else if OPENAI_FORM.iter().any(|known| vendor(known)) {
            Self::OpenAi
        } else {
            Self::Other
        }
    }
}

/// A model to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its id or ARN, as the API takes it.
    pub id: String,
    /// The name that tells what it is: the id, or the base model of an opaque ARN.
    pub base: String,
    /// Where it is asked.
    pub region: String,
    /// What it is.
    pub family: Family,
    /// How it is asked.
    pub operation: Operation,
}

impl Target {
    /// The model that a name means. `wish` is what the request says under `bedrock`.
    ///
    /// Errors: `invalid-request` for a region that the settings do not allow.
    pub fn resolve(model: &str, wish: &Wish, settings: &Settings) -> Result<Self, Error> {
        let (named, id) = match model.split_once('/') {
            Some((region, rest)) if is_region(region) => (Some(region), rest),
            _ => (None, model),
        };
        let rule = settings.rule(id);
        let region = arn_region(id)
            .or(named)
            .or(wish.region.as_deref())
            .or_else(|| rule.and_then(|rule| rule.region.as_deref()))
            .unwrap_or(&settings.region);
        if !settings.allows(region) {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!(
                    "region {region} is not among those that this provider may ask ({}). The operator can add it to `regions` and grant its egress.",
                    settings.all_regions().collect::<Vec<_>>().join(", ")
                ),
            )
            .with_param("model"));
        }
        let base = rule.and_then(|rule| rule.base_model.as_deref()).unwrap_or(id);
        let family = match Family::of(base) {
            // A router's name does not tell which of its models answers.
            Family::Claude if base.contains("prompt-router/") => Family::Other,
            family => family,
        };
        let operation = wish
            .operation
            .or_else(|| rule.and_then(|rule| rule.operation))
            .unwrap_or_else(|| default_operation(id, family));
        Ok(Self {
            id: id.to_owned(),
            base: base.to_owned(),
            region: region.to_owned(),
            family,
            operation,
        })
    }

    /// Whether it is a prompt that is kept at Bedrock, with its model, instructions and parameters.
    pub fn is_prompt(&self) -> bool {
        self.id.starts_with("arn:") && self.id.contains(":prompt/")
    }

    /// Whether it is one of OpenAI's newer models, which are not those with open weights.
    pub fn is_gpt(&self) -> bool {
        self.base.contains("openai.gpt-") && !self.base.contains("gpt-oss")
    }

    /// Whether it is one of these models.
    pub fn is_one_of(&self, models: &[&str]) -> bool {
        models.iter().any(|model| self.base.contains(model))
    }

    /// The origin of `bedrock-runtime` for it.
    pub fn origin(&self, settings: &Settings) -> Result<String, Error> {
        runtime_origin(&self.region, settings)
    }
}

/// The origin of `bedrock-runtime` in a region.
pub fn runtime_origin(region: &str, settings: &Settings) -> Result<String, Error> {
    match &settings.endpoint {
        Some(origin) => Ok(origin.trim_end_matches('/').to_owned()),
        None => endpoint::origin("bedrock-runtime", region, settings.variant()).map_err(Error::internal),
    }
}

/// The origin of `bedrock`, where models are listed, in a region.
pub fn control_origin(region: &str, settings: &Settings) -> Result<String, Error> {
    match &settings.control_endpoint {
        Some(origin) => Ok(origin.trim_end_matches('/').to_owned()),
        None => endpoint::origin("bedrock", region, settings.variant()).map_err(Error::internal),
    }
}

/// `arn:aws:bedrock:eu-west-1:111122223333:inference-profile/…`
fn arn_region(id: &str) -> Option<&str> {
    let mut fields = id.strip_prefix("arn:")?.split(':');
    fields.nth(2).filter(|region| is_region(region))
}

/// Converse carries all but the oldest models and those that were imported.
fn default_operation(id: &str, family: Family) -> Operation {
    let is_imported = id.starts_with("arn:") && id.contains(":imported-model/");
    if is_imported || family == Family::Jurassic {
        Operation::Invoke
    } else {
        Operation::Converse
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings() -> Settings {
        serde_json::from_value(
            json!({"region": "us-east-1", "regions": ["eu-west-1", "us-west-2"], "models": [
            {"match": "arn:*/app1", "base_model": "anthropic.claude-sonnet-4-5"},
            {"match": "meta.*", "operation": "invoke", "region": "us-west-2"}]}),
        )
        .unwrap()
    }

    #[test]
    fn families() {
        use Family::*;
        let cases = [
            ("anthropic.claude-v2:1", Claude),
            ("us.anthropic.claude-haiku-4-5-20251001-v1:0", Claude),
            (
                "arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.claude-sonnet-5",
                Claude,
            ),
            ("amazon.titan-text-lite-v1", Titan),
            ("us.amazon.nova-2-lite-v1:0", Nova),
            ("meta.llama3-8b-instruct-v1:0", Llama),
            ("us.meta.llama4-maverick-17b-instruct-v1:0", Llama),
            ("cohere.command-text-v14", Command),
            ("cohere.command-r-plus-v1:0", CommandR),
            ("ai21.j2-mid-v1", Jurassic),
            ("ai21.jamba-1-5-mini-v1:0", Jamba),
            ("us.mistral.pixtral-large-2502-v1:0", Mistral),
            ("openai.gpt-oss-20b-1:0", OpenAi),
            ("qwen.qwen3-32b-v1:0", OpenAi),
            ("us.deepseek.r1-v1:0", OpenAi),
            ("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", Other),
        ];
        for (id, family) in cases {
            assert_eq!(Family::of(id), family, "{id}");
        }
    }

    #[test]
    fn names_lead_to_a_region_and_an_operation() {
        let wish = |value| serde_json::from_value::<Wish>(value).unwrap();
        let arn = "arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/app1";
        let imported = "arn:aws:bedrock:us-west-2:111122223333:imported-model/m";
        let cases = [
            (
                "amazon.nova-lite-v1:0",
                json!({}),
                "amazon.nova-lite-v1:0",
                "us-east-1",
                Operation::Converse,
            ),
            (
                "eu-west-1/amazon.nova-lite-v1:0",
                json!({}),
                "amazon.nova-lite-v1:0",
                "eu-west-1",
                Operation::Converse,
            ),
            (
                "amazon.nova-lite-v1:0",
                json!({"region": "us-west-2"}),
                "amazon.nova-lite-v1:0",
                "us-west-2",
                Operation::Converse,
            ),
            (
                arn,
                json!({"region": "us-west-2"}),
                arn,
                "eu-west-1",
                Operation::Converse,
            ),
            (
                "meta.llama3-8b-instruct-v1:0",
                json!({}),
                "meta.llama3-8b-instruct-v1:0",
                "us-west-2",
                Operation::Invoke,
            ),
            (
                "meta.llama3-8b-instruct-v1:0",
                json!({"operation": "converse"}),
                "meta.llama3-8b-instruct-v1:0",
                "us-west-2",
                Operation::Converse,
            ),
            (
                "ai21.j2-mid-v1",
                json!({}),
                "ai21.j2-mid-v1",
                "us-east-1",
                Operation::Invoke,
            ),
            (imported, json!({}), imported, "us-west-2", Operation::Invoke),
        ];
        for (model, asked, id, region, operation) in cases {
            let target = Target::resolve(model, &wish(asked), &settings()).unwrap();
            assert_eq!(
                (target.id.as_str(), target.region.as_str(), target.operation),
                (id, region, operation),
                "{model}"
            );
        }
        let target = Target::resolve(arn, &Wish::default(), &settings()).unwrap();
        assert_eq!(target.family, Family::Claude, "the rule tells the base model");
        let router = "arn:aws:bedrock:us-east-1:111122223333:default-prompt-router/anthropic.claude:1";
        let target = Target::resolve(router, &Wish::default(), &settings()).unwrap();
        assert_eq!((target.family, target.operation), (Family::Other, Operation::Converse));
    }

    #[test]
    fn a_region_that_is_not_allowed_is_the_callers_error() {
        let error = Target::resolve("ap-south-1/amazon.nova-lite-v1:0", &Wish::default(), &settings()).unwrap_err();
        assert_eq!(
            (error.kind, error.param.as_deref()),
            (ErrorKind::InvalidRequest, Some("model"))
        );
        assert!(
            error.message.contains("us-east-1, eu-west-1, us-west-2"),
            "{}",
            error.message
        );
    }

    #[test]
    fn an_endpoint_of_the_operators_counts() {
        let settings: Settings =
            serde_json::from_value(json!({"region": "us-east-1", "endpoint": "https://vpce.example/"})).unwrap();
        let target = Target::resolve("m", &Wish::default(), &settings).unwrap();
        assert_eq!(target.origin(&settings).unwrap(), "https://vpce.example");
        assert_eq!(
            control_origin("us-east-1", &settings).unwrap(),
            "https://bedrock.us-east-1.amazonaws.com"
        );
    }
}
