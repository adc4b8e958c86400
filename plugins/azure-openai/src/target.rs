//! Which deployment of which resource a model stands for, and its addresses.
//!
//! In: a caller's name of a model, and the settings. Out: a [`Target`]. Never: a guess between two
//! resources; a name that could be either is an error that says how to write it.

use llm_openai_wire::Profile;
use llm_openai_wire::profile::{Known, MaxTokens};
use llm_provider_sdk::http::Request;
use llm_provider_sdk::types::{Error, ErrorKind};

use crate::identity;
use crate::settings::{Api, Deployment, Resource, Settings, SignIn, TokenLimit};

/// Azure's way of speaking the format. It takes what OpenAI takes and more (`data_sources`, other
/// makers' parameters), so whatever a caller sends goes on, for the service to judge.
pub(crate) const PROFILE: Profile = Profile {
    name: "Azure OpenAI",
    id: "azure-openai",
    request_fields: Known::Any,
    message_fields: Known::Any,
    part_fields: Known::Any,
    part_kinds: Known::Any,
    function_fields: Known::Any,
    tool_kinds: Known::Any,
    verdicts: &["content_filter_results"],
    ..Profile::OPENAI
};

/// A resource as the settings have it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'s> {
    settings: &'s Settings,
    /// Nothing for the one at the top of the settings.
    named: Option<(&'s str, &'s Resource)>,
}

/// Where a call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// What the resource is called in messages.
    pub(crate) resource: String,
    pub(crate) region: Option<String>,
    /// Without a slash at the end.
    pub(crate) endpoint: String,
    pub(crate) deployment: String,
    pub(crate) api: Api,
    pub(crate) api_version: Option<String>,
    pub(crate) sign_in: Option<SignIn>,
    token_limit: Option<TokenLimit>,
}

impl Settings {
    /// All resources, that at the top first.
    pub(crate) fn places(&self) -> Vec<Place<'_>> {
        let top = self.endpoint.iter().map(|_| Place {
            settings: self,
            named: None,
        });
        let named = self.resources.iter().map(|(name, resource)| Place {
            settings: self,
            named: Some((name, resource)),
        });
        top.chain(named).collect()
    }

    /// The resource of this name.
    pub(crate) fn place(&self, name: &str) -> Option<Place<'_>> {
        self.places().into_iter().find(|place| place.name() == Some(name))
    }

    /// The target of a caller's model: one of `models`, `deployment@resource`, a deployment that a
    /// resource lists, or any deployment of the only resource or that at the top.
    ///
    /// # Errors
    /// Kind `not-found`, with the names there are.
    pub(crate) fn target(&self, model: &str) -> Result<Target, Error> {
        let target = self.meant(self.models.get(model).map_or(model, String::as_str))?;
        if target.api.may_name(&target.deployment) {
            return Ok(target);
        }
        let deployment = &target.deployment;
        Err(not_found(format!(
            "`{deployment}` is no name of a deployment: it has letters, digits, `-`, `_` and `.` only"
        )))
    }

    /// The target of a name that is none of `models`, whatever the deployment is called.
    ///
    /// # Errors
    /// Kind `not-found`, with the names there are.
    pub(crate) fn meant(&self, meant: &str) -> Result<Target, Error> {
        let (deployment, resource) = match meant.rsplit_once('@') {
            Some((deployment, resource)) => (deployment, Some(resource)),
            None => (meant, None),
        };
        let places = self.places();
        let place = match resource {
            Some(name) => places.into_iter().find(|place| place.name() == Some(name)),
            None => {
                let lists = |place: &&Place<'_>| place.lists(deployment);
                let fallback = || {
                    places
                        .first()
                        .filter(|place| places.len() == 1 || place.named.is_none())
                };
                places.iter().find(lists).or_else(fallback).copied()
            }
        };
        let place = place.ok_or_else(|| not_found(self.unknown(meant, resource)))?;
        Ok(place.target(deployment))
    }

    fn unknown(&self, model: &str, resource: Option<&str>) -> String {
        let names: Vec<&str> = self.resources.keys().map(String::as_str).collect();
        match (resource, names.as_slice()) {
            (_, []) => {
                "the provider has no resource yet: set `endpoint`, the address of an Azure OpenAI resource, in its \
                        settings"
                    .to_owned()
            }
            (Some(resource), names) => format!("there is no resource `{resource}`; there are {}", names.join(", ")),
            (None, names) => format!(
                "no resource lists a deployment `{model}`; say which resource, as `{model}@NAME` with NAME one of {}, or \
                 list it in the settings",
                names.join(", ")
            ),
        }
    }
}

fn not_found(message: String) -> Error {
    Error::new(ErrorKind::NotFound, message)
        .with_param("model")
        .with_code("DeploymentNotFound")
}

impl<'s> Place<'s> {
    /// Its name; that at the top has none.
    pub(crate) fn name(&self) -> Option<&'s str> {
        self.named.map(|(name, _)| name)
    }

    /// The deployments that the settings list.
    pub(crate) fn deployments(&self) -> Vec<&'s str> {
        match self.named {
            Some((_, resource)) => resource.deployments.names(),
            None => self.settings.deployments.names(),
        }
    }

    /// What is set for a deployment.
    pub(crate) fn deployment(&self, name: &str) -> Option<&'s Deployment> {
        match self.named {
            Some((_, resource)) => resource.deployments.get(name),
            None => self.settings.deployments.get(name),
        }
    }

    fn lists(&self, deployment: &str) -> bool {
        self.deployments().contains(&deployment)
    }

    /// A deployment of this resource. What is set nearest to it counts; a version only where it was
    /// set for the same form of the API.
    pub(crate) fn target(&self, deployment: &str) -> Target {
        let (settings, own) = (self.settings, self.deployment(deployment));
        let resource = self.named.map(|(_, resource)| resource);
        let top_api = settings.api.unwrap_or(Api::Deployments);
        let resource_api = resource.and_then(|r| r.api).unwrap_or(top_api);
        let api = own.and_then(|d| d.api).unwrap_or(resource_api);
        let versions = [
            (api, own.and_then(|d| d.api_version.as_ref())),
            (resource_api, resource.and_then(|r| r.api_version.as_ref())),
            (top_api, settings.api_version.as_ref()),
        ];
        let version = versions
            .into_iter()
            .find_map(|(of, version)| version.filter(|_| of == api));
        let endpoint = resource.map_or(settings.endpoint.as_deref(), |r| Some(&r.endpoint));
        let endpoint = endpoint.unwrap_or_default().trim_end_matches('/').to_owned();
        Target {
            resource: self.name().unwrap_or_else(|| label(&endpoint)).to_owned(),
            region: resource.map_or(&settings.region, |r| &r.region).clone(),
            endpoint,
            deployment: deployment.to_owned(),
            api,
            api_version: version.cloned().or_else(|| api.default_version().map(str::to_owned)),
            sign_in: resource.and_then(|r| r.sign_in).or(settings.sign_in),
            token_limit: own
                .and_then(|d| d.token_limit)
                .or_else(|| resource.and_then(|r| r.token_limit))
                .or(settings.token_limit),
        }
    }
}

/// The first label of an address's host: Azure's own name of the resource.
fn label(endpoint: &str) -> &str {
    let host = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    host.split(['.', ':', '/']).next().unwrap_or(host)
}

impl Target {
    /// The address of one of the deployment's operations, e.g. `/chat/completions`.
    pub(crate) fn url(&self, path: &str) -> String {
        let (endpoint, deployment) = (&self.endpoint, &self.deployment);
        let mut url = match self.api {
            Api::Deployments => format!("{endpoint}/openai/deployments/{deployment}{path}"),
            Api::V1 => format!("{endpoint}/openai/v1{path}"),
            Api::Inference => format!("{endpoint}/models{path}"),
        };
        if let Some(version) = &self.api_version {
            url.push_str("?api-version=");
            url.push_str(version);
        }
        url
    }

    /// A request to one of the deployment's operations, with the slot that signs in.
    ///
    /// # Errors
    /// As [`identity::slot`].
    pub(crate) fn post(&self, path: &str) -> Result<Request, Error> {
        let request = Request::post(self.url(path)).credential(identity::slot(self.sign_in)?);
        Ok(match self.api {
            // Else this form refuses parameters that it does not know, the model's own among them.
            Api::Inference => request.header("extra-parameters", "pass-through"),
            _ => request,
        })
    }

    /// How this deployment speaks the format, as far as the version of its API tells.
    pub(crate) fn profile(&self) -> Profile {
        let version = self.api_version.as_deref().unwrap_or_default();
        let before = |date: &str| self.api == Api::Deployments && version < date;
        let older_limit = before("2024-09-01") || self.api == Api::Inference;
        Profile {
            max_tokens: match self.token_limit {
                Some(TokenLimit::MaxTokens) => MaxTokens::MaxTokens,
                Some(TokenLimit::MaxCompletionTokens) => MaxTokens::MaxCompletionTokens,
                None if older_limit => MaxTokens::MaxTokens,
                None => MaxTokens::MaxCompletionTokens,
            },
            stream_usage: !before("2024-09-01"),
            developer_role: !before("2024-12-01"),
            // Models of other makers refuse a form of vectors that they do not have.
            base64_vectors: self.api != Api::Inference,
            ..PROFILE
        }
    }
}

#[cfg(test)]
mod tests;
