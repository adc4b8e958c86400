//! The definitions of the providers' APIs.
//!
//! In: the directory of specifications (`LLM_HOST_SPECS`, default: `../shared/specs` beside the
//! workspace). Out: a definition. Never: a copy of one here: where there is none, a line says so, and
//! small ones of our own (`own.json`) stand in.

use std::path::Path;

use llm_host_tests::places;
use serde_json::{Value, json};

/// A definition, and what its references lead into.
pub(crate) struct Definition {
    pub(crate) root: Value,
    pub(crate) schema: Value,
}

impl Definition {
    /// A component of OpenAI's description of its API.
    pub(crate) fn openai(name: &str) -> Self {
        let read = places::specs().map(|specs| read(&specs.join("openai/openapi.json")));
        read.map_or_else(
            || Self::own(name),
            |root| Self {
                root,
                schema: json!({"$ref": format!("#/components/schemas/{name}")}),
            },
        )
    }

    /// A type of Anthropic's Python package.
    pub(crate) fn anthropic(name: &str) -> Self {
        let read = places::specs().map(|specs| read(&specs.join("sdk-types/anthropic.schema.json")));
        read.map_or_else(
            || Self::own(name),
            |file| {
                let root = file["types"][name].clone();
                assert!(root.is_object(), "there is no type {name}");
                Self {
                    schema: root.clone(),
                    root,
                }
            },
        )
    }

    fn own(name: &str) -> Self {
        let root: Value = serde_json::from_str(include_str!("own.json")).expect("own.json is JSON");
        Self {
            schema: json!({"$ref": format!("#/{name}")}),
            root,
        }
    }
}

fn read(path: &Path) -> Value {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
