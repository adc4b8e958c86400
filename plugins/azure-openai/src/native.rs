//! A resource's own API behind the host's credentials.
//!
//! In: the head of a caller's request below `/openai/` or `/models/`, perhaps behind the name of a
//! resource. Out: where it goes; and the usage of the answers that have one. Never: a look into a
//! request's body. The model that stands there is the deployment's own name.

use llm_openai_wire::native;
use llm_provider_sdk::Native;
use llm_provider_sdk::http::Body;
use llm_provider_sdk::native::{BodyMode, Forward, RequestHead};
use llm_provider_sdk::types::{Error, ErrorKind, Header, Usage};

use crate::settings::{Api, Settings};
use crate::target::Target;
use crate::{AzureOpenAi, identity};

/// Azure's own headers of a request that may go on.
const HEADERS: [&str; 5] = [
    "aoai-evals",
    "extra-parameters",
    "x-ms-client-request-id",
    "x-ms-oai-image-generation-deployment",
    "x-ms-useragent",
];

impl Native for AzureOpenAi {
    fn route(head: RequestHead) -> Result<Forward, Error> {
        let settings = Settings::of_host()?;
        let (target, path) = aim(&settings, &head.path)?;
        let mut url = format!("{}{path}", target.endpoint);
        let mut query = head.query.clone().filter(|query| !query.is_empty());
        if let Some(version) = missing_version(&path, query.as_deref(), &target) {
            let known = query.map(|query| query + "&").unwrap_or_default();
            query = Some(format!("{known}api-version={version}"));
        }
        if let Some(query) = query {
            url.push('?');
            url.push_str(&query);
        }
        Ok(Forward {
            url,
            headers: native::headers(&head.headers, &HEADERS),
            credential: Some(identity::slot(target.sign_in)?.to_owned()),
            request_body: BodyMode::Pass,
            response_body: native::response_body(&head),
        })
    }

    async fn read_usage(status: u16, headers: Vec<Header>, body: Body) -> Result<Option<Usage>, Error> {
        native::read_usage(status, &headers, body, &crate::target::PROFILE).await
    }
}

/// The resource that a path is for, and the path there. `/sweden/openai/v1/responses` is for the
/// resource `sweden`; a deployment in the path finds its own, as it does elsewhere.
fn aim(settings: &Settings, path: &str) -> Result<(Target, String), Error> {
    let unknown = || {
        let message = format!(
            "Azure OpenAI has no path `{path}`; its paths begin with /openai/ or /models/, or with the name of a resource \
             and then those"
        );
        Error::new(ErrorKind::NotFound, message)
    };
    let of_api = |path: &str| path.starts_with("/openai/") || path.starts_with("/models/");
    if !native::stays_below(path) {
        return Err(unknown());
    }
    if !of_api(path) {
        let (name, rest) = path.trim_start_matches('/').split_once('/').ok_or_else(unknown)?;
        let place = settings.place(name).ok_or_else(unknown)?;
        let rest = format!("/{rest}");
        return of_api(&rest).then(|| (place.target("any"), rest)).ok_or_else(unknown);
    }
    if let Some((deployment, operation)) = path
        .strip_prefix("/openai/deployments/")
        .and_then(|rest| rest.split_once('/'))
    {
        let target = settings.target(deployment)?;
        if !Api::Deployments.may_name(&target.deployment) {
            return Err(unknown());
        }
        let path = format!("/openai/deployments/{}/{operation}", target.deployment);
        return Ok((target, path));
    }
    let first = settings.places().first().copied();
    let first = first.ok_or_else(|| settings.target("any").err().unwrap_or_else(unknown))?;
    Ok((first.target("any"), path.to_owned()))
}

/// The version that a caller left out of a path that has to have one.
fn missing_version(path: &str, query: Option<&str>, target: &Target) -> Option<String> {
    let told = query.is_some_and(|query| query.split('&').any(|pair| pair.starts_with("api-version=")));
    let api = if path.starts_with("/openai/v1/") {
        Api::V1
    } else if path.starts_with("/models/") {
        Api::Inference
    } else {
        Api::Deployments
    };
    let set = target.api_version.clone().filter(|_| target.api == api);
    set.or_else(|| api.default_version().map(str::to_owned))
        .filter(|_| !told)
}

#[cfg(test)]
mod tests;
