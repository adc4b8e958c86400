//! What Converse has members for and InvokeModel headers.
//!
//! In: the further fields of a request, what it says under `bedrock`, and the settings. Out: the values
//! of the headers. Never: a wish that is lost without a word.

use aws_sdk_bedrockruntime::types::{PerformanceConfigLatency, ServiceTierType, Trace};
use llm_provider_sdk::json;
use llm_provider_sdk::types::{ChatRequest, DroppedField, Error};
use serde_json::{Map, Value};

use crate::request::{self, Wish};
use crate::settings::{Guardrail, Settings};
use crate::target::Family;

/// The headers of one call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Riders {
    pub(super) guardrail: Option<Guardrail>,
    latency: Option<String>,
    tier: Option<String>,
    metadata: Option<String>,
    /// What has no header.
    pub(super) dropped: Vec<DroppedField>,
}

impl Riders {
    /// Takes them out of a request. What the model's own form needs stays.
    ///
    /// Errors: `invalid-request` when one is not of its form.
    pub(super) fn take(
        req: &mut ChatRequest,
        wish: &mut Wish,
        family: Family,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let mut out = Self::default();
        let mut named = Map::new();
        for name in request::OWN {
            let of_request: Option<Value> = json::take_extra(&mut req.extra, name)?;
            if let Some(value) = wish.fields.shift_remove(*name).or(of_request) {
                named.insert((*name).to_owned(), value);
            }
        }
        if let Some(fields) = named.shift_remove("additionalModelRequestFields") {
            wish.fields.insert("additionalModelRequestFields".to_owned(), fields);
        }
        let text = |value: Option<Value>, inner: &str| {
            let value = value?;
            Some(value.get(inner)?.as_str()?.to_owned())
        };
        out.latency = text(named.shift_remove("performanceConfig"), "latency");
        out.tier = text(named.shift_remove("serviceTier"), "type").or(request::tier(&mut req.extra)?);
        let of_member = named.shift_remove("guardrailConfig").map(|config| Guardrail {
            identifier: text(Some(config.clone()), "guardrailIdentifier").unwrap_or_default(),
            version: text(Some(config.clone()), "guardrailVersion").unwrap_or_default(),
            trace: text(Some(config), "trace"),
            stream_processing_mode: None,
        });
        out.guardrail = of_member
            .or_else(|| wish.guardrail.clone())
            .or_else(|| settings.guardrail.clone());
        let metadata = match named.shift_remove("requestMetadata") {
            Some(value) => Some(value),
            // Anthropic has a member of that name itself.
            None if family == Family::Claude => None,
            None => request::metadata(&mut req.extra, &mut out.dropped)?,
        };
        out.metadata = metadata.map(|value| value.to_string());
        let own = wish
            .fields
            .keys()
            .filter(|name| *name != "additionalModelRequestFields");
        for name in named.keys().chain(own) {
            let reason = "InvokeModel has no such header, and the model's own form takes it under `additionalModelRequestFields`";
            out.dropped.push(DroppedField::new(name.as_str(), reason));
        }
        wish.fields.retain(|name, _| name == "additionalModelRequestFields");
        Ok(out)
    }

    pub(super) fn guardrail_identifier(&self) -> Option<String> {
        self.guardrail.as_ref().map(|guardrail| guardrail.identifier.clone())
    }

    pub(super) fn guardrail_version(&self) -> Option<String> {
        self.guardrail.as_ref().map(|guardrail| guardrail.version.clone())
    }

    pub(super) fn trace(&self) -> Option<Trace> {
        let word = self.guardrail.as_ref()?.trace.as_deref()?;
        Some(Trace::from(word.to_ascii_uppercase().as_str()))
    }

    pub(super) fn latency(&self) -> Option<PerformanceConfigLatency> {
        self.latency.as_deref().map(PerformanceConfigLatency::from)
    }

    pub(super) fn tier(&self) -> Option<ServiceTierType> {
        self.tier.as_deref().map(ServiceTierType::from)
    }

    pub(super) fn metadata(&self) -> Option<String> {
        self.metadata.clone()
    }
}
