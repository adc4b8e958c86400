//! The plugin's settings.
//!
//! In: the JSON object that the operator wrote. Out: typed settings and a judgement on them. Never: a
//! secret; the key is a credential of the host.

use llm_anthropic_wire::Options;
use serde::Deserialize;

/// The API's version that this adapter is written for.
pub const API_VERSION: &str = "2023-06-01";

/// Where the API is unless `base_url` says otherwise.
pub const DEFAULT_ORIGIN: &str = "https://api.anthropic.com";

/// Settings of this plugin. All of them have a default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Origin of the API, or of a service that offers the same one.
    pub base_url: Option<String>,
    /// What stands before `/v1` on that origin, e.g. `/anthropic`.
    pub base_path: Option<String>,
    /// Value of the header `anthropic-version`.
    pub version: Option<String>,
    /// Values of the header `anthropic-beta` for every request.
    pub betas: Vec<String>,
    /// `max_tokens` of a request that does not say it.
    pub default_max_tokens: Option<u32>,
    /// Whether system messages in the middle of a conversation stay in their place.
    pub system_in_place: Option<bool>,
    /// Request fields that are sent on although this adapter does not know them.
    pub extra_fields: Vec<String>,
}

impl Settings {
    /// The address of an endpoint: `/v1/messages` becomes the whole of it.
    pub fn url(&self, endpoint: &str) -> String {
        let origin = self.base_url.as_deref().unwrap_or(DEFAULT_ORIGIN);
        let path = self.base_path.as_deref().unwrap_or("");
        format!(
            "{}{}{endpoint}",
            origin.trim_end_matches('/'),
            path.trim_end_matches('/')
        )
    }

    /// What they say about bodies.
    pub fn options(&self) -> Options<'_> {
        Options {
            betas: &self.betas,
            default_max_tokens: self.default_max_tokens,
            system_in_place: self.system_in_place,
            extra_fields: &self.extra_fields,
            takes_headers: true,
            keeps_thinking: false,
        }
    }

    /// The value of `anthropic-version`.
    pub fn version(&self) -> &str {
        self.version.as_deref().unwrap_or(API_VERSION)
    }

    /// Checks what the schema cannot say. The error says what is wrong and how it should be.
    pub fn check(&self) -> Result<(), String> {
        if let Some(url) = &self.base_url {
            check_origin(url)?;
        }
        if let Some(path) = &self.base_path {
            let fits = path.starts_with('/') && !path.contains(['?', '#', ' ']);
            if !fits {
                return Err(format!(
                    "`base_path` is `{path}`; it has to begin with `/` and hold neither `?` nor `#`, e.g. `/anthropic`"
                ));
            }
            if path.trim_end_matches('/').ends_with("/v1") {
                return Err(format!("`base_path` is `{path}`; leave `/v1` out, the adapter adds it"));
            }
        }
        if self.default_max_tokens == Some(0) {
            return Err("`default_max_tokens` is 0; it has to be at least 1".to_owned());
        }
        for beta in &self.betas {
            if beta.is_empty() || !beta.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',') {
                return Err(format!(
                    "`betas` holds `{beta}`; each entry is one name without comma or space, e.g. `files-api-2025-04-14`"
                ));
            }
        }
        Ok(())
    }
}

fn check_origin(url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.map(|rest| rest.trim_end_matches('/'));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']) => Ok(()),
        Some(host) if host.contains('/') => Err(format!(
            "`base_url` is `{url}`; it has to be an origin such as `{DEFAULT_ORIGIN}`, and a path belongs into `base_path`"
        )),
        _ => Err(format!(
            "`base_url` is `{url}`; it has to be an origin such as `{DEFAULT_ORIGIN}`"
        )),
    }
}

/// JSON Schema of the settings.
pub fn schema() -> String {
    serde_json::json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "base_url": {
                "type": "string",
                "default": DEFAULT_ORIGIN,
                "description": "Origin of the API, or of a service that offers the same one. Has to be granted as egress."
            },
            "base_path": {
                "type": "string",
                "description": "What stands before `/v1` on that origin, e.g. `/anthropic`."
            },
            "version": {
                "type": "string",
                "default": API_VERSION,
                "description": "Value of the header `anthropic-version`."
            },
            "betas": {
                "type": "array",
                "items": { "type": "string" },
                "default": [],
                "description": "Values of the header `anthropic-beta` for every request."
            },
            "default_max_tokens": {
                "type": "integer",
                "minimum": 1,
                "description": "`max_tokens` of a request that does not say it. Default: the model's maximum, at most 32000."
            },
            "system_in_place": {
                "type": "boolean",
                "description": "Whether system messages in the middle of a conversation stay in their place (true) or move to `system` (false). Default: in place for the models that take them there."
            },
            "extra_fields": {
                "type": "array",
                "items": { "type": "string" },
                "default": [],
                "description": "Request fields that are sent on although this adapter does not know them, e.g. of a newer API."
            }
        }
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let cases = [
            ("{}", "https://api.anthropic.com/v1/messages"),
            (
                r#"{"base_url":"https://gw.example.com/"}"#,
                "https://gw.example.com/v1/messages",
            ),
            (
                r#"{"base_url":"http://127.0.0.1:8080","base_path":"/anthropic/"}"#,
                "http://127.0.0.1:8080/anthropic/v1/messages",
            ),
        ];
        for (json, url) in cases {
            let settings: Settings = serde_json::from_str(json).unwrap();
            assert_eq!(settings.check(), Ok(()));
            assert_eq!(settings.url("/v1/messages"), url);
        }
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            (r#"{"base_url":"api.anthropic.com"}"#, "origin"),
            (r#"{"base_url":"https://h.example/anthropic"}"#, "base_path"),
            (r#"{"base_url":"https://u:p@h.example"}"#, "origin"),
            (r#"{"base_path":"anthropic"}"#, "begin with `/`"),
            (r#"{"base_path":"/x/v1"}"#, "/v1"),
            (r#"{"default_max_tokens":0}"#, "at least 1"),
            (r#"{"betas":["a,b"]}"#, "comma"),
        ];
        for (json, word) in cases {
            let settings: Settings = serde_json::from_str(json).unwrap();
            let error = settings.check().unwrap_err();
            assert!(error.contains(word), "{json}: {error}");
        }
    }

    #[test]
    fn the_schema_names_every_setting() {
        let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
        let all = serde_json::json!({"base_url":"https://a.example","base_path":"/a","version":"v","betas":[],"default_max_tokens":1,"system_in_place":true,"extra_fields":[]});
        assert!(serde_json::from_value::<Settings>(all.clone()).is_ok());
        let named: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(named, all.as_object().unwrap().keys().collect::<Vec<_>>());
    }
}
