//! What an admin may set.
//!
//! In: the plugin's section of the configuration. Out: resources, their deployments, and names of
//! models. Never: a secret; keys and identities are the vault's.

mod schema;

use std::collections::BTreeMap;

use llm_provider_sdk::types::Error;
use serde::Deserialize;

pub(crate) use schema::SCHEMA;

/// A form of the API; each has addresses of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Api {
    /// `/openai/deployments/{deployment}/…?api-version=2024-10-21`.
    Deployments,
    /// `/openai/v1/…`, the deployment named in the body.
    V1,
    /// `/models/…?api-version=2024-05-01-preview`: model inference of an AI Foundry resource, the
    /// deployment named in the body.
    Inference,
}

impl Api {
    /// The version where the settings name none.
    pub(crate) fn default_version(self) -> Option<&'static str> {
        match self {
            Self::Deployments => Some("2024-10-21"),
            Self::V1 => None,
            Self::Inference => Some("2024-05-01-preview"),
        }
    }

    /// Whether a deployment can have this name. Where it stands in the body, a gateway may give any.
    pub(crate) fn may_name(self, deployment: &str) -> bool {
        match self {
            Self::Deployments => is_name(deployment),
            Self::V1 | Self::Inference => !deployment.is_empty() && !deployment.chars().any(char::is_control),
        }
    }

    /// Whether this form of the API can have such a version: the older forms are dated, the newer
    /// one has words.
    fn may_have(self, version: &str) -> bool {
        match self {
            Self::V1 => matches!(version, "preview" | "latest" | "v1"),
            _ => is_dated(version),
        }
    }
}

/// What identifies the host at a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SignIn {
    /// The resource's key.
    ApiKey,
    /// A token of Microsoft Entra ID.
    Entra,
}

/// The member that limits an answer's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TokenLimit {
    /// What newer API versions and all reasoning models take.
    MaxCompletionTokens,
    /// What API versions before September 2024 and some models of other makers take.
    MaxTokens,
}

/// Where the list of models comes from, beside what the settings name.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Discover {
    /// The resource's deployments.
    #[default]
    Deployments,
    /// The models that the resource may use, deployed or not.
    Models,
    /// Nothing else.
    Off,
}

/// What may be set for one deployment.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deployment {
    pub(crate) api: Option<Api>,
    pub(crate) api_version: Option<String>,
    pub(crate) token_limit: Option<TokenLimit>,
    /// The model that is deployed, for the list.
    pub(crate) model: Option<String>,
}

/// Deployments: their names, or what is set for each.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Deployments {
    Names(Vec<String>),
    Table(BTreeMap<String, Deployment>),
}

impl Default for Deployments {
    fn default() -> Self {
        Self::Names(Vec::new())
    }
}

impl Deployments {
    /// Their names, in the order they are written where that is known.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Self::Names(names) => names.iter().map(String::as_str).collect(),
            Self::Table(table) => table.keys().map(String::as_str).collect(),
        }
    }

    /// What is set for one of them.
    pub(crate) fn get(&self, name: &str) -> Option<&Deployment> {
        match self {
            Self::Names(_) => None,
            Self::Table(table) => table.get(name),
        }
    }
}

/// A resource beside the first.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resource {
    pub(crate) endpoint: String,
    pub(crate) region: Option<String>,
    pub(crate) api: Option<Api>,
    pub(crate) api_version: Option<String>,
    pub(crate) sign_in: Option<SignIn>,
    pub(crate) token_limit: Option<TokenLimit>,
    #[serde(default)]
    pub(crate) deployments: Deployments,
}

/// The settings.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The first resource's endpoint. What else stands at this level is the first resource's and, but
    /// for `region` and `deployments`, the default of the others.
    pub(crate) endpoint: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) api: Option<Api>,
    pub(crate) api_version: Option<String>,
    pub(crate) sign_in: Option<SignIn>,
    pub(crate) token_limit: Option<TokenLimit>,
    #[serde(default)]
    pub(crate) deployments: Deployments,
    #[serde(default)]
    pub(crate) resources: BTreeMap<String, Resource>,
    /// Names of models: `deployment` or `deployment@resource`.
    #[serde(default)]
    pub(crate) models: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) discover: Discover,
}

impl Settings {
    /// The settings as the host has them.
    pub(crate) fn of_host() -> Result<Self, Error> {
        llm_provider_sdk::host::config()
    }

    /// Checks what the schema cannot say.
    pub(crate) fn check(config: &str) -> Result<(), String> {
        let settings: Self = serde_json::from_str(config).map_err(|error| error.to_string())?;
        let top = settings.api.unwrap_or(Api::Deployments);
        if let Some(endpoint) = &settings.endpoint {
            check_endpoint("endpoint", endpoint)?;
        } else if !settings.deployments.names().is_empty() {
            return Err("deployments belong to a resource: set endpoint, or put them into resources.NAME".to_owned());
        }
        check_version("api_version", top, settings.api_version.as_deref())?;
        check_deployments("deployments", top, &settings.deployments)?;
        for (name, resource) in &settings.resources {
            let at = format!("resources.{name}");
            if !is_name(name) {
                return Err(format!(
                    "{at}: a resource's name has letters, digits, `-`, `_` and `.` only"
                ));
            }
            let api = resource.api.unwrap_or(top);
            check_endpoint(&format!("{at}.endpoint"), &resource.endpoint)?;
            check_version(&format!("{at}.api_version"), api, resource.api_version.as_deref())?;
            check_deployments(&format!("{at}.deployments"), api, &resource.deployments)?;
        }
        for (name, target) in &settings.models {
            settings.check_model(name, target)?;
        }
        Ok(())
    }

    fn check_model(&self, name: &str, target: &str) -> Result<(), String> {
        let (deployment, resource) = match target.rsplit_once('@') {
            Some((deployment, resource)) => (deployment, Some(resource)),
            None => (target, None),
        };
        let api = self.meant(target).map_or(Api::Deployments, |target| target.api);
        if !api.may_name(deployment) {
            return Err(format!(
                "models.{name} is the name of a deployment, or deployment@resource, and is `{target}`"
            ));
        }
        if let Some(resource) = resource.filter(|resource| !self.resources.contains_key(*resource)) {
            return Err(format!("models.{name}: there is no resources.{resource}"));
        }
        Ok(())
    }
}

/// Whether a text can be the name of a resource, or of a deployment that stands in a path: what Azure
/// allows, so that it needs no encoding.
pub(crate) fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text.bytes().all(allowed) && !text.bytes().all(|byte| byte == b'.')
}

/// Whether a version is a date, perhaps of a preview.
fn is_dated(version: &str) -> bool {
    let date = version.strip_suffix("-preview").unwrap_or(version);
    let digits = |part: &str, count: usize| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
    match date.split('-').collect::<Vec<_>>().as_slice() {
        [year, month, day] => digits(year, 4) && digits(month, 2) && digits(day, 2),
        _ => false,
    }
}

fn check_deployments(at: &str, outer: Api, deployments: &Deployments) -> Result<(), String> {
    for name in deployments.names() {
        let own = deployments.get(name);
        let api = own.and_then(|own| own.api).unwrap_or(outer);
        if !api.may_name(name) {
            return Err(format!(
                "{at}: a deployment's name has letters, digits, `-`, `_` and `.` only, and this is `{name}`"
            ));
        }
        if let Some(own) = own {
            check_version(&format!("{at}.{name}.api_version"), api, own.api_version.as_deref())?;
        }
    }
    Ok(())
}

fn check_version(at: &str, api: Api, version: Option<&str>) -> Result<(), String> {
    match (version, api) {
        (Some(version), _) if api.may_have(version) => Ok(()),
        (Some(version), Api::V1) => Err(format!(
            "{at} of the api \"v1\" is `preview` or left out, and is `{version}`"
        )),
        (Some(version), _) => Err(format!(
            "{at} is a date like 2024-10-21 or 2025-04-01-preview, and is `{version}`"
        )),
        (None, _) => Ok(()),
    }
}

fn check_endpoint(at: &str, url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let example = "https://my-resource.openai.azure.com";
    let Some(rest) = rest else {
        return Err(format!(
            "{at} has to begin with https://, like {example}, and is `{url}`"
        ));
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if host.is_empty() || rest.contains(['?', '#', '@', ' ']) {
        return Err(format!("{at} is an address like {example}, and is `{url}`"));
    }
    // The portal shows addresses of single operations, too.
    let of_api = |part: &str| matches!(part, "openai" | "deployments" | "completions");
    if path.split('/').any(of_api) || path.trim_end_matches('/').ends_with("models") {
        return Err(format!(
            "{at} is the resource's address without the path of the API, like {example}, and is `{url}`"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
