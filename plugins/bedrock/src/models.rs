//! The models that may be asked, by region.
//!
//! In: ListFoundationModels and ListInferenceProfiles of every region of the settings. Out: what a
//! request may name, with the regions that have it. Never: a model that only a profile reaches, under
//! its bare name; the profile is listed instead.
//!
//! A region that refuses the list does not take the others' away. The adapter keeps nothing between
//! calls; who asks often keeps the list.

use std::collections::BTreeMap;

use llm_provider_sdk::host::{self, Level};
use llm_provider_sdk::types::{Error, ModelInfo};
use llm_provider_sdk::{http, json};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::error::Asked;
use crate::settings::Settings;
use crate::target::control_origin;
use crate::{together, transport};

/// Pages of profiles that are read at most, of 1000 each.
const MAX_PAGES: usize = 20;

#[derive(Debug, Deserialize)]
struct Models {
    #[serde(rename = "modelSummaries", default, deserialize_with = "or_none")]
    models: Vec<Model>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Model {
    model_id: String,
    model_name: Option<String>,
    provider_name: Option<String>,
    #[serde(deserialize_with = "or_none")]
    input_modalities: Vec<String>,
    #[serde(deserialize_with = "or_none")]
    output_modalities: Vec<String>,
    response_streaming_supported: Option<bool>,
    #[serde(deserialize_with = "or_none")]
    inference_types_supported: Vec<String>,
    model_lifecycle: Option<Lifecycle>,
    converse: Option<Limits>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Lifecycle {
    status: String,
    #[serde(rename = "endOfLifeTime")]
    end_of_life: Option<Value>,
}

/// What the service says of a model's answers, beyond its published model.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Limits {
    #[serde(rename = "maxTokensMaximum")]
    max_tokens: Option<u64>,
    #[serde(rename = "reasoningSupported")]
    reasoning: Option<Value>,
    #[serde(rename = "userDocumentTypesSupported")]
    documents: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct Profiles {
    #[serde(rename = "inferenceProfileSummaries", default, deserialize_with = "or_none")]
    profiles: Vec<Profile>,
    #[serde(rename = "nextToken")]
    next: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Profile {
    #[serde(rename = "inferenceProfileId")]
    id: String,
    #[serde(rename = "inferenceProfileArn")]
    arn: String,
    #[serde(rename = "inferenceProfileName")]
    name: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(deserialize_with = "or_none")]
    models: Vec<Behind>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Behind {
    #[serde(rename = "modelArn")]
    arn: String,
}

/// A list that may be `null`.
fn or_none<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Option::<Vec<T>>::deserialize(from).map(Option::unwrap_or_default)
}

/// Lists the models of all regions.
///
/// Errors: that of the default region when every region refuses.
pub async fn list(settings: &Settings) -> Result<Vec<ModelInfo>, Error> {
    let slot = transport::slot(settings);
    let regions: Vec<&str> = settings.all_regions().collect();
    let answers = together::all(regions.iter().map(|region| of_region(region, slot, settings))).await;
    let mut known: BTreeMap<String, (ModelInfo, Vec<String>)> = BTreeMap::new();
    let mut failure = None;
    for (region, answer) in regions.into_iter().zip(answers) {
        match answer {
            Ok(models) => {
                for model in models {
                    let entry = known.entry(model.id.clone()).or_insert_with(|| (model, Vec::new()));
                    entry.1.push(region.to_owned());
                }
            }
            Err(error) => {
                host::log(Level::Warn, format!("no list of models of {region}: {}", error.message));
                failure = failure.or(Some(error));
            }
        }
    }
    match failure {
        Some(error) if known.is_empty() => Err(error),
        _ => Ok(known
            .into_values()
            .map(|(model, regions)| placed(model, regions, settings))
            .collect()),
    }
}

/// A model with where it is. One that the default region lacks is named with a region that has it.
fn placed(mut model: ModelInfo, regions: Vec<String>, settings: &Settings) -> ModelInfo {
    if let (false, Some(first)) = (regions.contains(&settings.region), regions.first())
        && !model.id.starts_with("arn:")
    {
        model.id = format!("{first}/{}", model.id);
    }
    model
        .extra
        .push(("regions".to_owned(), Value::from(regions).to_string()));
    model
}

async fn of_region(region: &str, slot: &str, settings: &Settings) -> Result<Vec<ModelInfo>, Error> {
    let origin = control_origin(region, settings)?;
    let asked = Asked {
        permission: "bedrock:ListFoundationModels",
        model: "",
        region,
    };
    let request = http::Request::get(format!("{origin}/foundation-models"));
    let answer = transport::exchange(request, slot, &asked).await?;
    let models: Models = json::parse(&transport::body(answer).await?)?;
    let profiles = match profiles(&origin, region, slot).await {
        Ok(profiles) => profiles,
        Err(error) => {
            // The permission for it is another one; models can be asked without profiles.
            host::log(
                Level::Warn,
                format!("no list of inference profiles of {region}: {}", error.message),
            );
            Vec::new()
        }
    };
    let on_demand = |model: &&Model| {
        model.inference_types_supported.is_empty()
            || model.inference_types_supported.iter().any(|kind| kind == "ON_DEMAND")
    };
    let bare = models
        .models
        .iter()
        .filter(on_demand)
        .map(|model| info(model, &model.model_id));
    let profiles = profiles
        .iter()
        .filter(|profile| profile.status.is_empty() || profile.status == "ACTIVE");
    let profiles: Vec<ModelInfo> = profiles.map(|profile| of_profile(profile, &models.models)).collect();
    Ok(bare.chain(profiles).collect())
}

async fn profiles(origin: &str, region: &str, slot: &str) -> Result<Vec<Profile>, Error> {
    let asked = Asked {
        permission: "bedrock:ListInferenceProfiles",
        model: "",
        region,
    };
    let mut all = Vec::new();
    let mut token: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let mut url = format!("{origin}/inference-profiles?maxResults=1000");
        if let Some(token) = &token {
            url.push_str("&nextToken=");
            url.push_str(&in_query(token));
        }
        let answer = transport::exchange(http::Request::get(url), slot, &asked).await?;
        let page: Profiles = json::parse(&transport::body(answer).await?)?;
        all.extend(page.profiles);
        if page.next.is_none() || page.next == token {
            break;
        }
        token = page.next;
    }
    Ok(all)
}

fn info(model: &Model, id: &str) -> ModelInfo {
    let mut info = ModelInfo::new(id);
    info.name.clone_from(&model.model_name);
    info.capabilities = capabilities(model);
    info.max_output_tokens = model.converse.as_ref().and_then(|limits| limits.max_tokens);
    let text = |value: &str| Value::from(value).to_string();
    if let Some(owner) = &model.provider_name {
        info.extra.push(("owned_by".to_owned(), text(owner)));
    }
    if let Some(lifecycle) = model
        .model_lifecycle
        .as_ref()
        .filter(|lifecycle| lifecycle.status != "ACTIVE")
    {
        let value = json!({"status": lifecycle.status, "end_of_life": lifecycle.end_of_life});
        info.extra.push(("lifecycle".to_owned(), value.to_string()));
    }
    info
}

fn of_profile(profile: &Profile, models: &[Model]) -> ModelInfo {
    let behind = profile
        .models
        .first()
        .map(|behind| behind.arn.rsplit('/').next().unwrap_or_default());
    let model = models.iter().find(|model| Some(model.model_id.as_str()) == behind);
    // An application's profile is asked by its ARN; its id alone is nobody's model.
    let id = if profile.kind == "APPLICATION" {
        &profile.arn
    } else {
        &profile.id
    };
    let mut info = match model {
        Some(model) => info(model, id),
        None => ModelInfo::new(id),
    };
    info.name = profile.name.clone().or(info.name);
    let kind = profile.kind.to_ascii_lowercase();
    info.extra
        .push(("inference_profile".to_owned(), Value::from(kind).to_string()));
    if let Some(behind) = behind {
        info.extra
            .push(("base_model".to_owned(), Value::from(behind).to_string()));
    }
    info
}

fn capabilities(model: &Model) -> Vec<String> {
    let out = |kind: &str| model.output_modalities.iter().any(|known| known == kind);
    let takes = |kind: &str| model.input_modalities.iter().any(|known| known == kind);
    let limits = model.converse.clone().unwrap_or_default();
    let all = [
        ("chat", out("TEXT")),
        ("embeddings", out("EMBEDDING")),
        ("images", out("IMAGE")),
        ("vision", out("TEXT") && takes("IMAGE")),
        ("video", out("TEXT") && takes("VIDEO")),
        ("documents", limits.documents.is_some_and(|kinds| !kinds.is_empty())),
        (
            "reasoning",
            limits.reasoning.is_some_and(|reasoning| !reasoning.is_null()),
        ),
        ("streaming", model.response_streaming_supported == Some(true)),
    ];
    all.iter()
        .filter(|(_, has)| *has)
        .map(|(name, _)| (*name).to_owned())
        .collect()
}

/// A text as a value in a query, percent-encoded by RFC 3986.
fn in_query(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_provider_sdk::testing::{Recording, Reply, block_on};
    use llm_provider_sdk::types::ErrorKind;

    fn models(ids: &[(&str, &str)]) -> Reply {
        let summary = |(id, kind): &(&str, &str)| {
            json!({"modelId": id, "modelName": "N", "providerName": "P", "inputModalities": ["TEXT", "IMAGE"],
                "outputModalities": ["TEXT"], "responseStreamingSupported": true, "inferenceTypesSupported": [kind],
                "modelLifecycle": {"status": "LEGACY"}})
        };
        let all: Vec<Value> = ids.iter().map(summary).collect();
        Reply::json(200, json!({ "modelSummaries": all }).to_string())
    }

    fn settings(regions: &[&str]) -> Settings {
        serde_json::from_value(json!({"region": "us-east-1", "regions": regions})).unwrap()
    }

    #[test]
    fn models_and_profiles_by_region() {
        let profiles = json!({"inferenceProfileSummaries": [
            {"inferenceProfileId": "us.a.m2", "inferenceProfileArn": "arn:aws:bedrock:us-east-1:1:inference-profile/us.a.m2",
             "inferenceProfileName": "US M2", "type": "SYSTEM_DEFINED", "status": "ACTIVE",
             "models": [{"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/a.m2"}]}], "nextToken": "a+b"});
        let more = json!({"inferenceProfileSummaries": [
            {"inferenceProfileId": "x1", "inferenceProfileArn": "arn:aws:bedrock:us-east-1:1:application-inference-profile/x1",
             "type": "APPLICATION", "status": "ACTIVE", "models": []}]});
        let host = Recording::new()
            .reply(models(&[("a.m1", "ON_DEMAND"), ("a.m2", "INFERENCE_PROFILE")]))
            .reply(Reply::json(200, profiles.to_string()))
            .reply(Reply::json(200, more.to_string()))
            .install();
        let got = block_on(list(&settings(&[]))).unwrap();
        let ids: Vec<&str> = got.iter().map(|model| model.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "a.m1",
                "arn:aws:bedrock:us-east-1:1:application-inference-profile/x1",
                "us.a.m2"
            ]
        );
        assert_eq!(got[0].capabilities, ["chat", "vision", "streaming"]);
        assert_eq!(got[2].capabilities, got[0].capabilities, "a profile has its model's");
        assert!(got[2].extra.contains(&("base_model".to_owned(), "\"a.m2\"".to_owned())));
        assert!(
            got[0]
                .extra
                .contains(&("regions".to_owned(), "[\"us-east-1\"]".to_owned()))
        );
        let urls: Vec<String> = host.requests().iter().map(|sent| sent.url.clone()).collect();
        assert_eq!(
            urls,
            [
                "https://bedrock.us-east-1.amazonaws.com/foundation-models",
                "https://bedrock.us-east-1.amazonaws.com/inference-profiles?maxResults=1000",
                "https://bedrock.us-east-1.amazonaws.com/inference-profiles?maxResults=1000&nextToken=a%2Bb",
            ]
        );
    }

    #[test]
    fn lists_may_be_null() {
        let one = json!({"modelId": "a.m1", "modelName": null, "inputModalities": null, "outputModalities": ["TEXT"],
            "inferenceTypesSupported": null, "responseStreamingSupported": null, "modelLifecycle": null});
        let _host = Recording::new()
            .reply(Reply::json(200, json!({ "modelSummaries": [one] }).to_string()))
            .reply(Reply::json(
                200,
                r#"{"inferenceProfileSummaries":null,"nextToken":null}"#,
            ))
            .install();
        let got = block_on(list(&settings(&[]))).unwrap();
        assert_eq!(
            (got.len(), got[0].capabilities.as_slice()),
            (1, &["chat".to_owned()][..])
        );
    }

    #[test]
    fn a_region_that_refuses_does_not_take_the_others_away() {
        let denied = || Reply::json(403, r#"{"message":"no"}"#).header("x-amzn-errortype", "AccessDeniedException");
        let host = Recording::new()
            .reply(denied())
            .reply(models(&[("a.m1", "ON_DEMAND")]))
            .reply(denied())
            .install();
        let got = block_on(list(&settings(&["eu-west-1"]))).unwrap();
        assert_eq!(got.len(), 1);
        assert_eq!(got[0].id, "eu-west-1/a.m1", "the default region lacks it");
        assert_eq!(host.log().len(), 2);
        let _host = Recording::new().reply(denied()).install();
        let error = block_on(list(&settings(&[]))).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Permission);
        assert!(
            error.message.contains("bedrock:ListFoundationModels"),
            "{}",
            error.message
        );
    }
}
