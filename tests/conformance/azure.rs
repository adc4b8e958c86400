//! Azure OpenAI: where a recorded call went, and how the host has to be asked for the same.
//!
//! In: an exchange's address. Out: the resource, the deployment and the path there. Never: a name
//! of a resource as it was recorded; every one leads to the provider of the test.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::case::{Api, Case};

/// Where a call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The form of the API, as the settings name it.
    api: &'static str,
    version: Option<String>,
    /// The deployment.
    pub(crate) deployment: String,
    /// Path and query, with a single slash where a client put two.
    pub(crate) target: String,
}

impl Place {
    /// The place of a case.
    pub(crate) fn of(case: &Case) -> Self {
        let url = case.recording.json["request"]["url"].as_str().unwrap_or_default();
        let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
        let path = path.map_or("", |(_, path)| path).trim_start_matches('/');
        let (below, query) = path.split_once('?').unwrap_or((path, ""));
        let model = case.recording.request()["model"].as_str().unwrap_or("any");
        let (api, deployment) = match below.strip_prefix("openai/deployments/") {
            Some(rest) => ("deployments", rest.split('/').next().unwrap_or("any")),
            None if below.starts_with("models/") => ("inference", model),
            None => ("v1", model),
        };
        Self {
            api,
            version: query.strip_prefix("api-version=").map(str::to_owned),
            deployment: deployment.to_owned(),
            // One recording asked at an address that is none; it is asked where it should have.
            target: if below.starts_with("openai/") || below.starts_with("models/") {
                format!("/{path}")
            } else {
                format!("/openai/v1/{path}")
            },
        }
    }

    /// What the resource is called in the settings.
    fn resource(&self) -> String {
        match &self.version {
            Some(version) => format!("{}-{version}", self.api),
            None => self.api.to_owned(),
        }
    }

    /// The address below the host by which the call passes through.
    pub(crate) fn native(&self) -> String {
        format!("/providers/azure-openai/{}{}", self.resource(), self.target)
    }

    /// The model as a caller names it.
    pub(crate) fn model(&self) -> String {
        format!("{}@{}", self.deployment, self.resource())
    }
}

/// The settings of a provider that has a resource for each form and version in the cases.
pub(crate) fn settings(cases: &[Case], origin: &str) -> String {
    let places = cases.iter().filter(|case| case.api == Api::Azure).map(Place::of);
    let resources: BTreeMap<String, Place> = places.map(|place| (place.resource(), place)).collect();
    let mut toml = String::new();
    for (name, place) in resources {
        let version = place.version.map(|version| format!("api_version = \"{version}\"\n"));
        toml.push_str(&format!(
            "[providers.azure-openai.settings.resources.\"{name}\"]\nendpoint = \"{origin}\"\napi = \"{}\"\n{}",
            place.api,
            version.unwrap_or_default()
        ));
    }
    toml
}

/// What a request says, with the deployment for the model that the caller wrote.
pub(crate) fn meaning(case: &Case, recorded: &Value) -> Value {
    let mut recorded = recorded.clone();
    recorded["model"] = Place::of(case).deployment.into();
    recorded
}
