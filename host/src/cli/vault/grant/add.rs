//! `host grant add`: a new grant.
//!
//! In: the plugin's component, its manifest, the credential. Out: a grant of what was said, or, where
//! nothing was said, of what the plugin asks for as far as the credential may go there. Never: a grant
//! that could not work; that is said instead.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use llm_host_vault::{Entry, Grant, Vault};
use serde_json::Map;
use time::OffsetDateTime;

use super::listing::{self, Bytes};
use super::origins::{canonical, covers, intersection};
use crate::cli::plugin::{Loader, Wishes};
use crate::cli::vault::{entry, opening};
use crate::cli::{Session, Usage};
use crate::config::Config;
use crate::config::keys::nearest;
use crate::egress::address::{self, AddressClass, AddressKind};
use crate::egress::credential::{CredentialFacts, kind_fits, plan};
use crate::egress::target;
use crate::plugin::LoadedPlugin;
use crate::plugin::manifest::Slot;

#[derive(Debug, Args)]
#[command(after_help = "\
Without --origin the grant is for the origins that the plugin asks for and the credential may be sent to. It is pinned \
to the component's bytes, or with --signer to whoever signed it: other bytes wait for `host grant approve`.

Examples:
  host grant add openai --slot api-key --credential openai
  host grant add openai --credential openai --expires 90d --rate 600 --method POST --path '/v1/chat/*'
  host grant add local --private-origin http://127.0.0.1:11434")]
pub(in crate::cli) struct Add {
    /// The plugin's id, or the name of a configured provider
    plugin: String,
    /// Only for this configured provider [default: all that the plugin serves]
    #[arg(long)]
    provider: Option<String>,
    /// The plugin's slot for the credential [default: its only one]
    #[arg(long, requires = "credential")]
    slot: Option<String>,
    /// The credential that goes into the slot
    #[arg(long)]
    credential: Option<String>,
    /// Where requests may go: `https://api.example.com` or `https://*.example.com`; may be repeated
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    /// As --origin, for one that is on this machine or a private network, or speaks plain http
    #[arg(long = "private-origin", value_name = "ORIGIN")]
    private_origins: Vec<String>,
    /// An HTTP method; may be repeated [default: all]
    #[arg(long = "method", value_name = "METHOD")]
    methods: Vec<String>,
    /// A path, `*` standing for any text; may be repeated [default: all]
    #[arg(long = "path", value_name = "GLOB")]
    paths: Vec<String>,
    /// Requests a minute, at most
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// For how long, such as 90d [default: until it is revoked]
    #[arg(long, value_name = "DURATION")]
    expires: Option<String>,
    /// How the credential is attached, as JSON [default: as the plugin asks, where that fits the credential]
    #[arg(long, value_name = "JSON")]
    attach: Option<String>,
    /// Pin the grant to whoever signed the component, instead of its bytes
    #[arg(long)]
    signer: bool,
    /// The component [default: the one in the plugins directory]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(super) fn add(session: &Session, command: &Add) -> anyhow::Result<()> {
    if let Some(path) = command.paths.iter().find(|path| !path.starts_with(['/', '*'])) {
        return Err(Usage(format!("--path {path:?} fits no path; those begin with `/`")).into());
    }
    let config = session.config()?;
    let (id, provider) = who(&config, command)?;
    let loader = Loader::new(&config)?;
    let plugin = match &command.file {
        Some(file) => loader.load(file)?,
        None => loader.find(&id)?,
    };
    if plugin.manifest.id != id {
        bail!(
            "{} is plugin {:?}, not {id:?}",
            plugin.path.display(),
            plugin.manifest.id
        );
    }
    let mut vault = opening::open(session, &config.vault)?;
    let now = OffsetDateTime::now_utc();
    let credential = credential(command, &plugin, &vault)?;
    let asked = asked_origins(&config, &plugin, provider.as_deref())?;
    let (origins, private_origins) = origins(command, &plugin, credential.map(|(_, entry)| entry), &asked)?;
    let grant = Grant {
        provider,
        slot: credential.map(|(slot, _)| slot.name.clone()),
        credential: credential.map(|(_, entry)| entry.name.clone()),
        methods: command.methods.iter().map(|method| method.to_uppercase()).collect(),
        paths: command.paths.clone(),
        attach: command.attach.clone(),
        rate_per_minute: command.rate,
        expires: super::expiry(command.expires.as_ref(), now)?,
        approved_manifest: Wishes::of(&plugin.manifest).to_json()?,
        origins,
        private_origins,
        ..Grant::new(id, super::pin(&plugin, command.signer)?, now)
    };
    for warning in unreachable(&grant, credential.map(|(_, entry)| entry), &asked) {
        session.output.warn(&warning);
    }
    let touched: Vec<String> = grant.credential.iter().cloned().collect();
    let touched: Vec<&str> = touched.iter().map(String::as_str).collect();
    let (id, _) = opening::edit(&mut vault, &touched, |draft| draft.add_grant(grant))?;
    let grant = vault.grant(&id).context("the grant is not in the vault")?;
    let bytes = Bytes::of(&config);
    if let (false, Some(file)) = (bytes.has(&grant.pin), &command.file) {
        session.output.note(&format!(
            "it counts as soon as {} is in {}",
            file.display(),
            config.plugins.dir.display()
        ));
    }
    session.output.show(&listing::grant_json(grant, &bytes, now), |_| {
        format!("granted\n\n{}", listing::grant_text(grant, &bytes, now))
    })
}

/// The plugin's id, and the provider that the grant is confined to.
fn who(config: &Config, command: &Add) -> anyhow::Result<(String, Option<String>)> {
    let named = &command.plugin;
    let (plugin, provider) = match config.providers.get(named).filter(|provider| provider.plugin != *named) {
        Some(provider) => (provider.plugin.clone(), Some(named.clone())),
        None => (named.clone(), command.provider.clone()),
    };
    if let (Some(here), Some(there)) = (&provider, &command.provider)
        && here != there
    {
        return Err(Usage(format!(
            "{named:?} is a provider itself; --provider {there} contradicts that"
        ))
        .into());
    }
    if let Some(name) = &provider {
        let all = config.providers_with([plugin.as_str()]);
        match all.get(name) {
            Some(found) if found.plugin == plugin => {}
            Some(found) => bail!(
                "provider {name:?} is served by plugin {:?}, not {plugin:?}",
                found.plugin
            ),
            None => bail!("there is no provider {name:?} in the configuration"),
        }
    }
    Ok((plugin, provider))
}

/// The slot and what goes into it.
fn credential<'v>(
    command: &Add,
    plugin: &'v LoadedPlugin,
    vault: &'v Vault,
) -> anyhow::Result<Option<(&'v Slot, &'v Entry)>> {
    let Some(name) = &command.credential else {
        return Ok(None);
    };
    let entry = vault.entry(name).ok_or_else(|| entry::unknown_entry(vault, name))?;
    let slots = &plugin.manifest.slots;
    let names: Vec<&str> = slots.iter().map(|slot| slot.name.as_str()).collect();
    let id = &plugin.manifest.id;
    let slot = match (&command.slot, slots.as_slice()) {
        (_, []) => bail!("plugin {id:?} asks for no credential; leave --credential out"),
        (None, [only]) => only,
        (None, _) => {
            return Err(Usage(format!(
                "which slot of {id:?}? Name one with --slot: {}",
                names.join(", ")
            ))
            .into());
        }
        (Some(wanted), _) => {
            plugin
                .manifest
                .slot(wanted)
                .with_context(|| match nearest(wanted, names.iter().copied()) {
                    Some(near) => format!("plugin {id:?} has no slot {wanted:?}; did you mean {near:?}?"),
                    None => format!("plugin {id:?} has no slot {wanted:?}; it has {}", names.join(", ")),
                })?
        }
    };
    let facts = CredentialFacts::of(entry, Vec::new());
    match &command.attach {
        Some(rule) => {
            plan(Some(rule), None, &facts).map_err(|error| Usage(format!("--attach: {error}")))?;
        }
        None => {
            if !kind_fits(&entry.kind, &slot.kinds) {
                bail!(
                    "slot {} of {id:?} takes {}, and {name:?} is of kind {:?}; say how to attach it with --attach, or \
                     set a credential of such a kind",
                    slot.name,
                    slot.kinds.join(" or "),
                    entry.kind
                );
            }
            plan(None, Some(&slot.attach), &facts).map_err(|error| {
                anyhow::anyhow!("{error}").context(format!(
                    "{name:?} cannot be attached as {id:?} asks ({}); say how with --attach",
                    slot.attach
                ))
            })?;
        }
    }
    Ok(Some((slot, entry)))
}

/// The origins that the plugin asks for, with the settings of the providers the grant is for.
fn asked_origins(config: &Config, plugin: &LoadedPlugin, provider: Option<&str>) -> anyhow::Result<Vec<String>> {
    let id = plugin.manifest.id.as_str();
    let mut asked = Vec::new();
    let all = config.providers_with([id]);
    let served = all.iter().filter(|(name, config)| match provider {
        Some(provider) => name.as_str() == provider,
        None => config.plugin == id,
    });
    for (name, served) in served {
        let origins = plugin.manifest.origins(&served.settings);
        let origins = origins.map_err(|message| anyhow::anyhow!("the settings of provider {name:?}: {message}"))?;
        asked.extend(
            origins
                .into_iter()
                .filter(|origin| !asked.contains(origin))
                .collect::<Vec<_>>(),
        );
    }
    if all.is_empty() {
        asked = plugin.manifest.origins(&Map::new()).map_err(anyhow::Error::msg)?;
    }
    Ok(asked)
}

/// Where the grant allows requests to go.
fn origins(
    command: &Add,
    plugin: &LoadedPlugin,
    credential: Option<&Entry>,
    asked: &[String],
) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let written = |list: &[String]| {
        list.iter()
            .map(|text| canonical(text))
            .collect::<anyhow::Result<Vec<_>>>()
    };
    let (origins, private) = (written(&command.origins)?, written(&command.private_origins)?);
    if !origins.is_empty() || !private.is_empty() {
        check_written(&origins, &private)?;
        return Ok((origins, private));
    }
    let id = &plugin.manifest.id;
    if asked.is_empty() {
        bail!(
            "plugin {id:?} asks for no origin{}; name one with --origin",
            if plugin.manifest.egress.is_empty() {
                ""
            } else {
                " until its settings say which"
            }
        );
    }
    let origins = match credential {
        Some(entry) => intersection(asked, &entry.hosts),
        None => written(asked)?,
    };
    if let (true, Some(entry)) = (origins.is_empty(), credential) {
        bail!(
            "plugin {id:?} asks to reach {}, and {:?} may be sent to {} only; widen it with\n  host vault set {} --add-host {}",
            asked.join(", "),
            entry.name,
            entry.hosts.join(", "),
            entry.name,
            asked.first().map(String::as_str).unwrap_or("ORIGIN")
        );
    }
    let (plain, origins): (Vec<String>, Vec<String>) =
        origins.into_iter().partition(|origin| origin.starts_with("http://"));
    if !plain.is_empty() {
        bail!(
            "plugin {id:?} asks to reach {} without TLS; allow it with --private-origin",
            plain.join(", ")
        );
    }
    Ok((origins, Vec::new()))
}

/// Refuses origins that no request could be let through to.
fn check_written(origins: &[String], private: &[String]) -> Result<(), Usage> {
    for origin in origins {
        if origin.starts_with("http://") {
            return Err(Usage(format!(
                "{origin} is without TLS; allow it with --private-origin {origin}"
            )));
        }
        if let Some(kind) = refused(origin, AddressClass::Public) {
            return Err(Usage(match refused(origin, AddressClass::Private) {
                None => format!("{origin} is {kind}; allow it with --private-origin {origin}"),
                Some(_) => format!("{origin} is {kind}; no grant opens that"),
            }));
        }
    }
    match private
        .iter()
        .find_map(|origin| Some((origin, refused(origin, AddressClass::Private)?)))
    {
        Some((origin, kind)) => Err(Usage(format!("{origin} is {kind}; no grant opens that"))),
        None => Ok(()),
    }
}

/// What an origin's address is, where it is written as an address and may not be dialled.
fn refused(origin: &str, class: AddressClass) -> Option<AddressKind> {
    let address = target::parse("GET", origin).ok()?.origin.address()?;
    address::check(address, class).err()
}

/// What the grant allows and will be refused all the same.
fn unreachable(grant: &Grant, credential: Option<&Entry>, asked: &[String]) -> Vec<String> {
    let mut warnings = Vec::new();
    for origin in grant.origins.iter().chain(&grant.private_origins) {
        let touches = |pattern: &String| covers(pattern, origin) || covers(origin, pattern);
        if !asked.iter().any(touches) {
            warnings.push(format!(
                "{origin} is refused until the plugin asks for it; its settings may say so"
            ));
        }
        if let Some(entry) = credential.filter(|entry| !entry.hosts.iter().any(touches)) {
            warnings.push(format!(
                "{origin} is refused: {0:?} may not be sent there; `host vault set {0} --add-host {origin}` allows it",
                entry.name
            ));
        }
    }
    warnings
}
