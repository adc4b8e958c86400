//! The deployments that may be asked.
//!
//! In: the settings, and what the resources tell of themselves. Out: the list of models, each under
//! a name that leads back to it. Never: a failure because a resource does not let its list be read,
//! as long as the settings name a model.

use llm_openai_wire::call;
use llm_provider_sdk::host::{self, Level};
use llm_provider_sdk::http::Request;
use llm_provider_sdk::types::{Error, Extras, ModelInfo};

use crate::error;
use crate::identity;
use crate::settings::{Discover, Settings};
use crate::target::{Place, Target};

/// The last version in which a resource lists its deployments without the control plane.
const DEPLOYMENTS: &str = "/openai/deployments?api-version=2022-12-01";
const MODELS: &str = "/openai/v1/models";

/// What the settings name, and what the resources list.
pub(crate) async fn models(settings: &Settings) -> Result<Vec<ModelInfo>, Error> {
    let mut models = Vec::new();
    for name in settings.models.keys() {
        if let Ok(target) = settings.target(name) {
            add(&mut models, entry(name.clone(), &target, None));
        }
    }
    for place in settings.places() {
        for deployment in place.deployments() {
            let target = place.target(deployment);
            let model = place.deployment(deployment).and_then(|own| own.model.as_deref());
            add(&mut models, entry(name_of(settings, &place, &target), &target, model));
        }
    }
    let mut failure = None;
    for place in settings.places() {
        match discovered(settings, &place).await {
            Ok(found) => found.into_iter().for_each(|model| add(&mut models, model)),
            Err(error) => {
                host::log(
                    Level::Info,
                    format!("the list of deployments cannot be read: {}", error.message),
                );
                failure = Some(error);
            }
        }
    }
    match failure {
        Some(error) if models.is_empty() => Err(error),
        _ => Ok(models),
    }
}

fn add(models: &mut Vec<ModelInfo>, model: ModelInfo) {
    if models.iter().all(|known| known.id != model.id) {
        models.push(model);
    }
}

/// A name that leads to the target: the deployment's own, where no other resource takes it.
fn name_of(settings: &Settings, place: &Place<'_>, target: &Target) -> String {
    match place.name() {
        Some(resource) if settings.target(&target.deployment).as_ref() != Ok(target) => {
            format!("{}@{resource}", target.deployment)
        }
        _ => target.deployment.clone(),
    }
}

fn entry(id: String, target: &Target, model: Option<&str>) -> ModelInfo {
    ModelInfo {
        extra: facts(target, model),
        ..ModelInfo::new(id)
    }
}

/// Where a model is. The first member's name is OpenAI's, whose clients read it.
fn facts(target: &Target, model: Option<&str>) -> Extras {
    let members = [
        ("owned_by", Some(target.resource.as_str())),
        ("deployment", Some(target.deployment.as_str())),
        ("region", target.region.as_deref()),
        ("base_model", model),
    ];
    let told = members.into_iter().filter_map(|(name, value)| Some((name, value?)));
    told.map(|(name, value)| (name.to_owned(), serde_json::Value::from(value).to_string()))
        .collect()
}

/// What a resource lists of itself.
async fn discovered(settings: &Settings, place: &Place<'_>) -> Result<Vec<ModelInfo>, Error> {
    let path = match settings.discover {
        Discover::Deployments => DEPLOYMENTS,
        Discover::Models => MODELS,
        Discover::Off => return Ok(Vec::new()),
    };
    // Not one deployment's, but errors speak of the resource all the same.
    let any = place.target("any");
    let request = Request::get(format!("{}{path}", any.endpoint)).credential(identity::slot(any.sign_in)?);
    let listed = call::list_models(request, &any.profile()).await;
    let listed = listed.map_err(|failed| error::explain(failed, &any))?;
    Ok(listed
        .into_iter()
        .filter(is_ready)
        .map(|mut model| {
            let target = place.target(&model.id);
            let base = take_text(&mut model.extra, "model");
            let mut extra = facts(&target, base.as_deref());
            let own = |name: &str| extra.iter().any(|(known, _)| known == name);
            model.extra.retain(|(name, _)| !own(name));
            extra.append(&mut model.extra);
            let created = take_count(&mut extra, "created_at");
            ModelInfo {
                id: name_of(settings, place, &target),
                created: model.created.or(created),
                extra,
                ..model
            }
        })
        .collect())
}

/// Whether a deployment can be asked: one that is being made, or failed, cannot.
fn is_ready(model: &ModelInfo) -> bool {
    let status = model.extra.iter().find(|(name, _)| name == "status");
    status.is_none_or(|(_, status)| status == "\"succeeded\"")
}

fn take(extra: &mut Extras, name: &str) -> Option<String> {
    let at = extra.iter().position(|(known, _)| known == name)?;
    Some(extra.remove(at).1)
}

fn take_text(extra: &mut Extras, name: &str) -> Option<String> {
    serde_json::from_str(&take(extra, name)?).ok()
}

fn take_count(extra: &mut Extras, name: &str) -> Option<u64> {
    serde_json::from_str(&take(extra, name)?).ok()
}
