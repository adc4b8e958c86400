//! The plugin's settings.
//!
//! In: the JSON object that the operator wrote. Out: typed settings and a judgement on them. Never: a
//! secret; keys are credentials of the host.

use serde::Deserialize;

use crate::endpoint::{self, Variant};

/// Settings of this plugin.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The region that is asked unless a model's name or a request says another.
    pub region: String,
    /// Further regions that may be asked.
    pub regions: Vec<String>,
    /// Origin of `bedrock-runtime`, e.g. of a PrivateLink endpoint.
    pub endpoint: Option<String>,
    /// Origin of `bedrock`, where models are listed.
    pub control_endpoint: Option<String>,
    /// Use the FIPS endpoints.
    pub fips: bool,
    /// Use the endpoints for IPv4 and IPv6.
    pub dual_stack: bool,
    /// The slot whose credential signs.
    pub sign_in: Option<SignIn>,
    /// The guardrail of every request that does not name one.
    pub guardrail: Option<Guardrail>,
    /// What holds for models by their names; the first that fits counts.
    pub models: Vec<ModelRule>,
}

/// How requests are authenticated.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum SignIn {
    /// An AWS identity, by signature.
    Aws,
    /// A Bedrock API key.
    ApiKey,
}

/// A guardrail.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guardrail {
    /// Its id or ARN.
    pub identifier: String,
    /// A number, or `DRAFT`.
    pub version: String,
    /// `enabled`, `disabled`, `enabled_full`.
    #[serde(default)]
    pub trace: Option<String>,
    /// `sync` or `async`, for streams.
    #[serde(default)]
    pub stream_processing_mode: Option<String>,
}

/// The operation that carries a conversation.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// `Converse`, one form for all models.
    #[default]
    Converse,
    /// `InvokeModel`, the model's own form.
    Invoke,
    /// The OpenAI-compatible endpoint.
    ChatCompletions,
}

/// What holds for some models.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRule {
    /// Name or ARN, with `*` for any text.
    #[serde(rename = "match")]
    pub pattern: String,
    /// How they are asked.
    #[serde(default)]
    pub operation: Option<Operation>,
    /// The model behind an ARN that does not tell it, e.g. `anthropic.claude-sonnet-4-5`.
    #[serde(default)]
    pub base_model: Option<String>,
    /// Where they are asked.
    #[serde(default)]
    pub region: Option<String>,
}

impl Settings {
    /// Which endpoints are used.
    pub fn variant(&self) -> Variant {
        Variant {
            fips: self.fips,
            dual_stack: self.dual_stack,
        }
    }

    /// Whether a region may be asked.
    pub fn allows(&self, region: &str) -> bool {
        self.all_regions().any(|known| known == region)
    }

    /// The regions, the default one first, each once.
    pub fn all_regions(&self) -> impl Iterator<Item = &str> {
        let more = self.regions.iter().map(String::as_str);
        std::iter::once(self.region.as_str()).chain(more.filter(|region| *region != self.region))
    }

    /// The first rule for a model.
    pub fn rule(&self, model: &str) -> Option<&ModelRule> {
        self.models.iter().find(|rule| fits(&rule.pattern, model))
    }

    /// Checks what the schema cannot say. The error says what is wrong and how it should be.
    pub fn check(&self) -> Result<(), String> {
        let rules = self.models.iter().filter_map(|rule| rule.region.as_deref());
        let named = std::iter::once(self.region.as_str())
            .chain(self.regions.iter().map(String::as_str))
            .chain(rules);
        for region in named {
            if !endpoint::is_region(region) {
                return Err(format!(
                    "`{region}` is not the name of a region; write it as AWS does, e.g. `us-east-1`"
                ));
            }
            endpoint::origin("bedrock-runtime", region, self.variant())?;
        }
        for rule in &self.models {
            if rule.pattern.is_empty() {
                return Err(
                    "a rule in `models` has an empty `match`; write a model's name, with `*` for any text".to_owned(),
                );
            }
            if let Some(region) = rule.region.as_deref().filter(|region| !self.allows(region)) {
                return Err(format!(
                    "the rule for `{}` in `models` names region `{region}`; add it to `regions`",
                    rule.pattern
                ));
            }
        }
        for (name, url) in [
            ("endpoint", &self.endpoint),
            ("control_endpoint", &self.control_endpoint),
        ] {
            if let Some(url) = url {
                check_origin(name, url)?;
            }
        }
        if self.endpoint.is_some() && (self.fips || self.dual_stack) {
            return Err("`fips` and `dual_stack` choose among AWS's own endpoints; with `endpoint`, write the whole origin there".to_owned());
        }
        if self.endpoint.is_some() && self.all_regions().count() > 1 {
            return Err(
                "`endpoint` is one region's; with `regions`, give each its own plugin instance instead".to_owned(),
            );
        }
        if let Some(guardrail) = &self.guardrail
            && (guardrail.identifier.is_empty() || guardrail.version.is_empty())
        {
            return Err("`guardrail` needs `identifier` and `version`; the version is a number or `DRAFT`".to_owned());
        }
        Ok(())
    }
}

/// Whether a name fits a pattern in which `*` stands for any text.
fn fits(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(pieces.next().unwrap_or_default()) else {
        return false;
    };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        match rest.find(piece) {
            Some(at) => rest = rest.get(at + piece.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

fn check_origin(name: &str, url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.map(|rest| rest.trim_end_matches('/'));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']) => Ok(()),
        _ => Err(format!(
            "`{name}` is `{url}`; it has to be an origin such as `https://vpce-0a1b-c2d3.bedrock-runtime.us-east-1.vpce.amazonaws.com`"
        )),
    }
}

/// JSON Schema of the settings.
pub fn schema() -> String {
    let operations = serde_json::json!(["converse", "invoke", "chat-completions"]);
    serde_json::json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["region"],
        "properties": {
            "region": { "type": "string", "description": "The region that is asked, e.g. `us-east-1`, unless the model's ARN or name, a rule, or the request says another." },
            "regions": { "type": "array", "items": { "type": "string" }, "default": [], "description": "Further regions that may be asked. Each needs its own grant of egress." },
            "endpoint": { "type": "string", "description": "Origin of `bedrock-runtime` instead of AWS's public one: a PrivateLink endpoint, a proxy. Has to be granted as egress." },
            "control_endpoint": { "type": "string", "description": "Origin of `bedrock` (the list of models) instead of AWS's public one." },
            "fips": { "type": "boolean", "default": false, "description": "Use the endpoints with validated cryptography." },
            "dual_stack": { "type": "boolean", "default": false, "description": "Use the endpoints for IPv4 and IPv6." },
            "sign_in": { "enum": ["aws", "api-key"], "description": "The slot whose credential is used. Default: the one that is granted; `aws` when both are." },
            "guardrail": {
                "type": "object",
                "additionalProperties": false,
                "required": ["identifier", "version"],
                "description": "The guardrail of every request that does not name one.",
                "properties": {
                    "identifier": { "type": "string" },
                    "version": { "type": "string" },
                    "trace": { "enum": ["enabled", "disabled", "enabled_full"] },
                    "stream_processing_mode": { "enum": ["sync", "async"] }
                }
            },
            "models": {
                "type": "array",
                "default": [],
                "description": "What holds for models by their names; the first rule that fits counts.",
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["match"],
                    "properties": {
                        "match": { "type": "string", "description": "A model's name or ARN, with `*` for any text." },
                        "operation": { "enum": operations, "description": "How it is asked: `converse`, `invoke` (the model's own form), or `chat-completions` (the OpenAI-compatible endpoint). Default: `converse` where the model has it." },
                        "base_model": { "type": "string", "description": "The model behind an ARN that does not tell it, e.g. `anthropic.claude-sonnet-4-5`." },
                        "region": { "type": "string", "description": "Where it is asked; one of `region` and `regions`." }
                    }
                }
            }
        }
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(value: serde_json::Value) -> Settings {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn patterns() {
        let cases = [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*", "", true),
            ("*.claude-*", "us.anthropic.claude-v2", true),
            ("*.claude", "anthropic.claude-v2", false),
            (
                "arn:*/abc",
                "arn:aws:bedrock:x:1:application-inference-profile/abc",
                true,
            ),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxcyyb", false),
        ];
        for (pattern, name, fit) in cases {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            (json!({}), "name of a region"),
            (json!({"region": "useast"}), "name of a region"),
            (json!({"region": "us-east-1", "regions": ["x"]}), "name of a region"),
            (json!({"region": "us-east-1", "endpoint": "vpce.example"}), "origin"),
            (
                json!({"region": "us-east-1", "endpoint": "https://a.example/b"}),
                "origin",
            ),
            (
                json!({"region": "us-east-1", "regions": ["us-west-2"], "endpoint": "https://a.example"}),
                "one region",
            ),
            (
                json!({"region": "us-east-1", "endpoint": "https://a.example", "fips": true}),
                "whole origin",
            ),
            (
                json!({"region": "us-east-1", "models": [{"match": ""}]}),
                "empty `match`",
            ),
            (
                json!({"region": "us-east-1", "models": [{"match": "a", "region": "eu-west-1"}]}),
                "add it to `regions`",
            ),
            (
                json!({"region": "us-east-1", "guardrail": {"identifier": "", "version": "1"}}),
                "identifier",
            ),
        ];
        for (value, word) in cases {
            let error = settings(value.clone()).check().unwrap_err();
            assert!(error.contains(word), "{value}: {error}");
        }
        assert_eq!(
            settings(json!({"region": "us-east-1", "regions": ["us-west-2", "us-east-1"]})).check(),
            Ok(())
        );
    }

    #[test]
    fn the_schema_names_every_setting() {
        let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
        let all = json!({"region": "us-east-1", "regions": [], "endpoint": "https://a.example", "control_endpoint": "https://b.example",
            "fips": true, "dual_stack": false, "sign_in": "api-key", "guardrail": {"identifier": "a", "version": "1"}, "models": []});
        assert_eq!(settings(all.clone()).sign_in, Some(SignIn::ApiKey));
        let named: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(named, all.as_object().unwrap().keys().collect::<Vec<_>>());
    }
}
