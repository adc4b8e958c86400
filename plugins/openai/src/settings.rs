//! What an admin may set.
//!
//! In: the plugin's section of the configuration. Out: addresses and headers. Never: a secret; the
//! key is the vault's.

use llm_openai_wire::Profile;
use llm_provider_sdk::http::Request;
use llm_provider_sdk::types::Error;
use serde::Deserialize;

/// OpenAI's public API.
pub(crate) const ORIGIN: &str = "https://api.openai.com";

/// The settings' JSON Schema.
pub(crate) const SCHEMA: &str = r#"{
  "type": "object",
  "properties": {
    "base_url": {
      "type": "string",
      "format": "uri",
      "default": "https://api.openai.com",
      "description": "Origin of the API, where it is not the public one, e.g. https://eu.api.openai.com"
    },
    "base_path": {
      "type": "string",
      "default": "/v1",
      "description": "Path of the API below its origin"
    },
    "organization": {
      "type": "string",
      "description": "Organization that the requests count for, e.g. org-…; else the key's default"
    },
    "project": {
      "type": "string",
      "description": "Project that the requests count for, e.g. proj_…; else the key's default"
    },
    "compatible": {
      "type": "boolean",
      "default": false,
      "description": "Whether another maker's server answers at base_url (vLLM, Ollama, llama.cpp, a gateway): it is asked by the format's older names, and every parameter goes on, for it to judge"
    },
    "pass": {
      "type": "array",
      "items": { "type": "string" },
      "description": "Names of further request parameters to send on: ones that are newer than this plugin"
    }
  },
  "additionalProperties": false
}"#;

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    #[serde(default = "origin")]
    base_url: String,
    #[serde(default = "path")]
    base_path: String,
    organization: Option<String>,
    project: Option<String>,
    /// Another maker's server answers.
    #[serde(default)]
    compatible: bool,
    /// Names of further request parameters to send on.
    #[serde(default)]
    pub(crate) pass: Vec<String>,
}

fn origin() -> String {
    ORIGIN.to_owned()
}

fn path() -> String {
    "/v1".to_owned()
}

impl Settings {
    /// The settings as the host has them.
    pub(crate) fn of_host() -> Result<Self, Error> {
        llm_provider_sdk::host::config()
    }

    /// Checks what the schema cannot say.
    pub(crate) fn check(config: &str) -> Result<(), String> {
        let settings: Self = serde_json::from_str(config).map_err(|error| error.to_string())?;
        let url = &settings.base_url;
        let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let Some(host) = host.filter(|host| !host.is_empty()) else {
            return Err(format!(
                "base_url has to begin with https:// (or http://), and is `{url}`"
            ));
        };
        if host.contains(['/', '?', '#', '@']) {
            return Err(format!(
                "base_url is an origin, like {ORIGIN}, and is `{url}`; a path belongs into base_path"
            ));
        }
        let path = &settings.base_path;
        if !(path.is_empty() || path.starts_with('/')) || path.ends_with('/') || path.contains(['?', '#']) {
            return Err(format!(
                "base_path begins with `/` and ends without one, like /v1 (or is empty), and is `{path}`"
            ));
        }
        if settings.compatible && settings.base_url == ORIGIN {
            return Err("compatible is for another maker's server: set base_url to its origin".to_owned());
        }
        for (name, value) in [("organization", &settings.organization), ("project", &settings.project)] {
            if value
                .as_ref()
                .is_some_and(|v| v.is_empty() || !v.bytes().all(|b| b.is_ascii_graphic()))
            {
                return Err(format!(
                    "{name} goes into a header: letters, digits and signs without spaces"
                ));
            }
        }
        Ok(())
    }

    /// How the server speaks the format.
    pub(crate) fn profile(&self) -> &'static Profile {
        if self.compatible {
            &Profile::COMPATIBLE
        } else {
            &Profile::OPENAI
        }
    }

    /// An address below the API's path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{}{path}", self.base_url, self.base_path)
    }

    /// The request with the headers that say whom it counts for.
    pub(crate) fn address(&self, request: Request) -> Request {
        self.headers()
            .fold(request, |request, (name, value)| request.header(name, value))
    }

    /// The headers that say whom a request counts for.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let organization = ("openai-organization", self.organization.as_deref());
        let project = ("openai-project", self.project.as_deref());
        [organization, project]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked_and_the_reason_names_the_setting() {
        for (config, fault) in [
            ("{}", None),
            (r#"{"base_url":"https://eu.api.openai.com","base_path":""}"#, None),
            (r#"{"base_url":"http://127.0.0.1:8000","base_path":"/openai/v1"}"#, None),
            (r#"{"organization":"org-1","project":"proj_1","pass":["x"]}"#, None),
            (r#"{"base_url":"https://api.openai.com/v1"}"#, Some("base_url")),
            (r#"{"base_url":"https://key@api.openai.com"}"#, Some("base_url")),
            (r#"{"base_url":"api.openai.com"}"#, Some("base_url")),
            (r#"{"base_url":"https://"}"#, Some("base_url")),
            (r#"{"base_path":"v1"}"#, Some("base_path")),
            (r#"{"base_path":"/v1/"}"#, Some("base_path")),
            (r#"{"organization":"a\nb"}"#, Some("organization")),
            (r#"{"project":""}"#, Some("project")),
            (r#"{"base_url":"http://127.0.0.1:11434","compatible":true}"#, None),
            (r#"{"compatible":true}"#, Some("base_url")),
            (r#"{"api_key":"sk"}"#, Some("api_key")),
        ] {
            let checked = Settings::check(config);
            match fault {
                None => assert_eq!(checked, Ok(()), "{config}"),
                Some(name) => assert!(checked.unwrap_err().contains(name), "{config}"),
            }
        }
    }

    #[test]
    fn the_schema_names_the_same_settings() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        let names: Vec<&str> = schema["properties"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(
            names,
            ["base_url", "base_path", "organization", "project", "compatible", "pass"]
        );
        assert_eq!(schema["properties"]["base_url"]["default"], origin());
        assert_eq!(schema["properties"]["base_path"]["default"], path());
    }
}
