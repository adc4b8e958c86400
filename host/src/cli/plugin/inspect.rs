//! `host plugin list` and `inspect`: what a component is and asks for.
//!
//! In: components on disk. Out: their manifests, interfaces and digests. Never: whether they may do
//! what they ask for; `host grant list` says that.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Value, json};

use super::Wishes;
use super::present::{Loader, Present};
use crate::cli::Session;
use crate::cli::output::{fields, table};
use crate::config::Config;
use crate::plugin::LoadedPlugin;
use crate::plugin::component::{digest, hex};
use crate::plugin::manifest::Manifest;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  host plugin inspect openai
  host plugin inspect ./target/my-adapter.wasm --json")]
pub(in crate::cli) struct Inspect {
    /// A plugin of the plugins directory by its id, or a `.wasm` file
    plugin: String,
}

pub(super) fn list(session: &Session) -> anyhow::Result<()> {
    let config = session.config()?;
    let present = Loader::new(&config)?.all()?;
    let listed: Vec<Value> = present.iter().map(|present| list_json(&config, present)).collect();
    session.output.show(&listed, |_| {
        if present.is_empty() {
            return format!(
                "no plugins in {}; `host plugin build` makes one",
                config.plugins.dir.display()
            );
        }
        let rows = present.iter().map(|Present { path, plugin }| {
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match plugin {
                Ok(plugin) => [
                    file,
                    format!("{} {}", plugin.manifest.id, plugin.manifest.version),
                    providers(&config, &plugin.manifest.id).join(", "),
                    plugin.interfaces.join(", "),
                    plugin.digest_hex().chars().take(12).collect(),
                    plugin
                        .signer
                        .map_or_else(|| "no".to_owned(), |signer| hex(&signer).chars().take(12).collect()),
                ],
                Err(_) => [
                    file,
                    "not loadable".to_owned(),
                    String::new(),
                    String::new(),
                    String::new(),
                    String::new(),
                ],
            }
        });
        let mut text = table(["file", "plugin", "providers", "interfaces", "digest", "signed"], rows);
        for error in present.iter().filter_map(|present| present.plugin.as_ref().err()) {
            text.push_str(&format!("\n\n{error:#}"));
        }
        text
    })
}

fn list_json(config: &Config, Present { path, plugin }: &Present) -> Value {
    match plugin {
        Ok(plugin) => json!({
            "file": path, "id": plugin.manifest.id, "version": plugin.manifest.version, "digest": plugin.digest_hex(),
            "signer": plugin.signer.map(|signer| hex(&signer)), "interfaces": plugin.interfaces,
            "providers": providers(config, &plugin.manifest.id), "error": null,
        }),
        Err(error) => json!({ "file": path, "error": format!("{error:#}") }),
    }
}

/// Names of the providers that a plugin serves.
fn providers(config: &Config, plugin: &str) -> Vec<String> {
    let all = config.providers_with([plugin]);
    all.into_iter()
        .filter(|(_, provider)| provider.plugin == plugin)
        .map(|(name, _)| name)
        .collect()
}

pub(super) fn inspect(session: &Session, command: &Inspect) -> anyhow::Result<()> {
    let config = session.config()?;
    let loader = Loader::new(&config)?;
    let named = PathBuf::from(&command.plugin);
    let path = if named.is_file() || named.extension().is_some_and(|extension| extension == "wasm") {
        named
    } else {
        loader.find(&command.plugin)?.path
    };
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let report = llm_provider_build::check(&bytes).with_context(|| path.display().to_string())?;
    let described = loader.load(&path);
    let value = json!({
        "file": path, "bytes": bytes.len(), "digest": hex(&digest(&bytes)),
        "signer": described.as_ref().ok().and_then(|plugin| plugin.signer).map(|signer| hex(&signer)),
        "component": report,
        "manifest": described.as_ref().ok().map(|plugin| manifest_json(&plugin.manifest)),
        "error": described.as_ref().err().map(|error| format!("{error:#}")),
    });
    session.output.show(&value, |_| {
        let imports: Vec<&str> = report.imports.iter().map(|import| import.name.as_str()).collect();
        let exports: Vec<&str> = report.exports.iter().map(|export| export.name.as_str()).collect();
        let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
        let mut text = vec![fields([
            ("file", format!("{} ({} bytes)", path.display(), bytes.len())),
            ("sha256", hex(&digest(&bytes))),
            ("exports", exports.join("\n")),
            ("imports", imports.join("\n")),
        ])];
        if !problems.is_empty() {
            text.push(format!("not a plugin for this host:\n{}", problems.join("\n")));
        }
        if let Ok(plugin) = &described {
            text.push(manifest_text(plugin));
        }
        text.join("\n\n")
    })?;
    match described {
        Ok(_) if report.is_plugin() => Ok(()),
        Ok(_) => bail!("{} is no plugin for this host", path.display()),
        Err(error) => Err(error),
    }
}

fn manifest_json(manifest: &Manifest) -> Value {
    let about = |name: &str| manifest.slot(name).map(|slot| slot.description.clone());
    let wishes = Wishes::of(manifest);
    let slots: Vec<Value> = wishes
        .slots
        .iter()
        .map(|slot| {
            let attach: Value = serde_json::from_str(&slot.attach).unwrap_or_default();
            json!({
                "name": slot.name, "kinds": slot.kinds, "attach": attach, "required": slot.required,
                "description": about(&slot.name),
            })
        })
        .collect();
    json!({
        "id": manifest.id, "version": manifest.version, "title": manifest.title, "sdk": manifest.sdk,
        "egress": manifest.egress, "credentials": slots, "capabilities": manifest.capabilities,
        "config_schema": manifest.config_schema,
    })
}

fn manifest_text(plugin: &LoadedPlugin) -> String {
    let manifest = &plugin.manifest;
    let slots = manifest.slots.iter().map(|slot| {
        let need = if slot.required { "required" } else { "optional" };
        format!(
            "{} ({}; {need}): {}",
            slot.name,
            slot.kinds.join(", "),
            slot.description
        )
    });
    let slots: Vec<String> = slots.collect();
    fields([
        (
            "plugin",
            format!("{} {} – {}", manifest.id, manifest.version, manifest.title),
        ),
        ("built with", manifest.sdk.clone()),
        (
            "signed by",
            plugin
                .signer
                .map_or_else(|| "nobody who is trusted".to_owned(), |signer| hex(&signer)),
        ),
        ("wants to reach", or_nothing(&manifest.egress)),
        ("credentials", or_nothing(&slots)),
        ("capabilities", or_nothing(&manifest.capabilities)),
        ("settings", or_nothing(&settings(&manifest.config_schema))),
    ])
}

/// The settings that a schema names, one a line.
fn settings(schema: &Value) -> Vec<String> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return Vec::new();
    };
    let required = schema.get("required").and_then(Value::as_array);
    let line = |(name, property): (&String, &Value)| {
        let text = |key: &str| property.get(key).and_then(Value::as_str);
        let needed = required.is_some_and(|names| names.iter().any(|other| other.as_str() == Some(name)));
        let kind = text("type").unwrap_or("any");
        let needed = if needed { ", required" } else { "" };
        format!("{name} ({kind}{needed}): {}", text("description").unwrap_or_default())
            .trim_end_matches(": ")
            .to_owned()
    };
    properties.iter().map(line).collect()
}

fn or_nothing(lines: &[String]) -> String {
    if lines.is_empty() {
        "nothing".to_owned()
    } else {
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_from_the_schema() {
        let schema = json!({
            "type": "object", "required": ["resource"],
            "properties": {
                "resource": { "type": "string", "description": "Name of the resource." },
                "base_url": { "type": "string" }
            }
        });
        assert_eq!(
            settings(&schema),
            [
                "resource (string, required): Name of the resource.",
                "base_url (string)"
            ]
        );
        assert!(settings(&json!({})).is_empty());
    }
}
