//! The steps: plugin, grant, egress, identity, models, call.
//!
//! In: one provider of a snapshot. Out: findings. Never: a check of its own where the host has one; each
//! step asks the part of the host that would do it for a request, through the same layers.

mod fixes;
mod question;

use std::sync::Arc;
use std::time::SystemTime;

use http::Method;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Doctor;
use super::report::{Finding, Report};
use crate::cli::{count, input};
use crate::config::Config;
use crate::egress::credential::{AcquireError, Grant, HandleFacts, Standing};
use crate::egress::rehearsal::{Reach, Rehearse, told_by};
use crate::egress::target;
use crate::egress::{Egress, EgressRequest};
use crate::llm::{ErrorKind, ModelInfo};
use crate::plugin::manifest::Slot;
use crate::plugin::{CallError, Generation};
use crate::reload::Snapshot;
use crate::server::Ground;

/// How many names of a long list are shown.
const SHOWN: usize = 3;
/// What the provider's log calls these requests.
const REQUEST: &str = "host-doctor";

/// What concerns every provider: the vault, and files that hold no plugin.
pub(super) fn host(report: &mut Report, config: &Config, ground: &Ground, snapshot: &Snapshot) -> anyhow::Result<()> {
    let vault = ground.vault().report();
    report.add(match vault.revision {
        Some(revision) => Finding::ok("vault", format!("{}, revision {revision}", config.vault.path.display())),
        None => Finding::note(
            "vault",
            format!("there is none at {}", config.vault.path.display()),
            "host vault init",
        ),
    })?;
    for unusable in vault.unreadable {
        report.add(Finding::failed("vault", unusable, "host vault list; host grant list"))?;
    }
    // Problems of a provider are told with it.
    let own = |problem: &&crate::reload::Problem| !problem.subject.starts_with("providers.");
    for problem in snapshot.problems.iter().filter(own) {
        let detail = format!("{}: {}", problem.subject, problem.message);
        report.add(Finding::failed(
            "plugins",
            detail,
            "host plugin list; host config check",
        ))?;
    }
    Ok(())
}

/// A provider that is examined.
pub(super) struct Patient<'a> {
    name: &'a str,
    snapshot: &'a Snapshot,
    reach: Egress,
    rehearse: Egress,
}

impl<'a> Patient<'a> {
    pub(super) fn new(name: &'a str, snapshot: &'a Snapshot, ground: &Ground) -> Self {
        Self {
            name,
            snapshot,
            reach: ground.egress_to(Reach(ground.client())),
            rehearse: ground.egress_to(Rehearse),
        }
    }

    /// Tries one step after the other.
    pub(super) async fn examine(&self, report: &mut Report, command: &Doctor) -> anyhow::Result<()> {
        let Some(generation) = self.snapshot.providers.get(self.name) else {
            return self.not_served(report);
        };
        let plugin = &generation.plugin;
        let (id, version) = (&plugin.manifest.id, &plugin.manifest.version);
        let digest: String = plugin.digest_hex().chars().take(12).collect();
        let found = format!("{id} {version}, {}, sha256 {digest}", plugin.path.display());
        report.add(Finding::ok("plugin", found))?;
        let granted = self.grants(report, generation)?;
        let mut origins: Vec<String> = Vec::new();
        for origin in plugin.manifest.origins(&generation.config.settings).unwrap_or_default() {
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
        self.origins(report, generation, &origins).await?;
        for (slot, facts) in &granted {
            let finding = self.identity(generation, &origins, slot, facts).await;
            report.add(finding)?;
        }
        if report.fails() {
            let after = "a step before it failed";
            report.add(Finding::skipped("models", after))?;
            return report.add(Finding::skipped("call", after));
        }
        let models = self.models(report, generation).await?;
        self.call(report, generation, command, &models).await
    }

    fn not_served(&self, report: &mut Report) -> anyhow::Result<()> {
        let subject = format!("providers.{}", self.name);
        let mut problems = self
            .snapshot
            .problems
            .iter()
            .filter(|problem| problem.subject == subject);
        let why = problems.next().map_or_else(
            || "its plugin could not be loaded".to_owned(),
            |problem| problem.message.clone(),
        );
        let fix = "host plugin list; host config check";
        report.add(Finding::failed("plugin", why, fix))?;
        for step in ["grant", "egress", "identity", "models", "call"] {
            report.add(Finding::skipped(step, "there is no plugin to try"))?;
        }
        Ok(())
    }

    /// The slots that may be used.
    fn grants<'g>(
        &self,
        report: &mut Report,
        generation: &'g Generation,
    ) -> anyhow::Result<Vec<(&'g Slot, HandleFacts)>> {
        let mut usable = Vec::new();
        let (slots, holder) = (&generation.plugin.manifest.slots, generation.holder());
        if slots.is_empty() {
            report.add(Finding::ok("grant", "the plugin asks for no credential"))?;
        }
        for slot in slots {
            let name = &slot.name;
            match self.reach.acquire(holder, name) {
                Ok(facts) => {
                    report.add(Finding::ok(
                        "grant",
                        granted(&self.grants_of(generation, name), name, &facts),
                    ))?;
                    usable.push((slot, facts));
                }
                Err(AcquireError::NotGranted { remedy, .. }) if !slot.required => {
                    let detail = format!("slot {name} is not granted; the plugin may do without it");
                    report.add(Finding::note("grant", detail, remedy))?;
                }
                Err(error) => {
                    let (detail, fix) = fixes::of_acquire(&error);
                    report.add(Finding::failed("grant", format!("slot {name}: {detail}"), fix))?;
                }
            }
        }
        Ok(usable)
    }

    /// Grants of a slot that count now.
    fn grants_of(&self, generation: &Generation, slot: &str) -> Vec<Arc<Grant>> {
        let holder = generation.holder();
        let mut grants = self.reach.grants(holder);
        let counts = |grant: &Arc<Grant>| grant.standing(holder, SystemTime::now()) == Standing::Valid;
        grants.retain(|grant| grant.slot.as_deref() == Some(slot) && counts(grant));
        grants
    }

    async fn origins(&self, report: &mut Report, generation: &Generation, origins: &[String]) -> anyhow::Result<()> {
        let manifest = &generation.plugin.manifest;
        if origins.is_empty() {
            report.add(if manifest.egress.is_empty() {
                Finding::ok("egress", "the plugin asks for no origin")
            } else {
                let detail = "the settings name no address, and without one the plugin can ask nobody";
                let fix = format!(
                    "write [providers.{}.settings]: host plugin inspect {} shows what may stand there",
                    self.name, manifest.id
                );
                Finding::failed("egress", detail, fix)
            })?;
        }
        let grants = self.reach.grants(generation.holder());
        let granted = |origin: &String| grants.iter().any(|grant| covers(grant, origin));
        let some = origins.iter().any(granted);
        for origin in origins {
            if origin.contains('*') {
                let detail = format!("{origin}: which host it is depends on the request");
                report.add(Finding::skipped("egress", detail))?;
                continue;
            }
            let request = self.request(generation, origin, origins, None);
            let reached = async { told_by(self.reach.send(request).await?).await };
            report.add(match reached.await {
                Ok(found) => Finding::ok("egress", format!("{origin}: {found}")),
                Err(error) => {
                    let fix = fixes::of_egress(&error, self.name, None);
                    if some && !granted(origin) {
                        // A plugin asks for its provider's usual origin also where the settings name another.
                        let detail = format!("{origin} is not granted; the plugin may do without it");
                        Finding::note("egress", detail, fix)
                    } else {
                        Finding::failed("egress", format!("{origin}: {error}"), fix)
                    }
                }
            })?;
        }
        Ok(())
    }

    /// Whether the slot's credential can be attached: for the first origin that its grant is for.
    async fn identity(&self, generation: &Generation, origins: &[String], slot: &Slot, facts: &HandleFacts) -> Finding {
        const STEP: &str = "identity";
        let grants = self.grants_of(generation, &slot.name);
        let credential = grants.first().and_then(|grant| grant.credential.as_deref());
        let concrete = || origins.iter().filter(|origin| !origin.contains('*'));
        let covered = concrete().find(|origin| grants.iter().any(|grant| covers(grant, origin)));
        let Some(origin) = covered.or_else(|| concrete().next()) else {
            return Finding::skipped(STEP, format!("slot {}: no origin to try it with", slot.name));
        };
        let request = self.request(generation, origin, origins, Some(slot));
        let attached = async { told_by(self.rehearse.send(request).await?).await };
        match attached.await {
            Ok(who) if who.is_empty() => Finding::ok(
                STEP,
                format!("slot {}: {} can be attached for {origin}", slot.name, facts.kind),
            ),
            Ok(who) => Finding::ok(STEP, format!("slot {}: {who}", slot.name)),
            Err(error) => {
                let fix = fixes::of_egress(&error, self.name, credential);
                Finding::failed(STEP, format!("slot {}: {error}", slot.name), fix)
            }
        }
    }

    /// A request that the grants for an origin allow by method and path.
    fn request(&self, generation: &Generation, origin: &str, origins: &[String], slot: Option<&Slot>) -> EgressRequest {
        let holder = generation.holder();
        let mut grants = self.reach.grants(holder);
        grants.retain(|grant| slot.is_none_or(|slot| grant.slot.as_deref() == Some(&slot.name)));
        let fitting = grants.iter().find(|grant| covers(grant, origin));
        let method = fitting.and_then(|grant| grant.methods.first()).unwrap_or(&Method::POST);
        let path = fitting.and_then(|grant| grant.paths.first()).map(|glob| glob.example());
        EgressRequest {
            holder: Arc::new(holder.clone()),
            request_id: REQUEST.into(),
            generation: generation.id,
            method: method.to_string(),
            url: format!("{}{}", origin.trim_end_matches('/'), path.as_deref().unwrap_or("/")),
            headers: Vec::new(),
            body: bytes::Bytes::new(),
            slot: slot.map(|slot| slot.name.as_str().into()),
            first_byte_timeout: None,
            idle_timeout: None,
            max_response_bytes: 1 << 16,
            manifest_origins: origins.into(),
            wish_attach: slot.map(|slot| slot.attach.clone()),
        }
    }

    async fn models(&self, report: &mut Report, generation: &Arc<Generation>) -> anyhow::Result<Vec<ModelInfo>> {
        const STEP: &str = "models";
        let (finding, models) = match generation.list_models(REQUEST.into()).await {
            Ok(Ok(models)) => {
                let mut names: Vec<&str> = models.iter().map(|model| model.id.as_str()).take(SHOWN).collect();
                if models.len() > SHOWN {
                    names.push("…");
                }
                let list = format!("{}: {}", count(models.len(), "model"), names.join(", "));
                let finding = match models.as_slice() {
                    [] => Finding::note(STEP, "the provider's list is empty", "name the model with --model"),
                    _ => Finding::ok(STEP, list),
                };
                (finding, models)
            }
            Ok(Err(error)) if error.kind == ErrorKind::Unsupported => {
                (Finding::skipped(STEP, "the plugin has no list of models"), Vec::new())
            }
            Ok(Err(error)) => {
                let fix = fixes::of_provider(&error, self.name, self.credential(generation).as_deref());
                (Finding::failed(STEP, fixes::told(&error), fix), Vec::new())
            }
            Err(error) => (
                Finding::failed(STEP, error.to_string(), fixes::of_call(&error, self.name)),
                Vec::new(),
            ),
        };
        report.add(finding)?;
        Ok(models)
    }

    /// The credential that the provider is asked with, where there is only one that it can be.
    fn credential(&self, generation: &Generation) -> Option<String> {
        let slots = generation.plugin.manifest.slots.iter();
        let mut names: Vec<String> = slots
            .flat_map(|slot| self.grants_of(generation, &slot.name))
            .filter_map(|grant| grant.credential.as_deref().map(str::to_owned))
            .collect();
        names.dedup();
        match names.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        }
    }

    async fn call(
        &self,
        report: &mut Report,
        generation: &Arc<Generation>,
        command: &Doctor,
        models: &[ModelInfo],
    ) -> anyhow::Result<()> {
        const STEP: &str = "call";
        if command.no_call {
            return report.add(Finding::skipped(STEP, "--no-call"));
        }
        let names = &self.snapshot.config.models;
        let Some(model) = question::model(command.model.as_deref(), self.name, names, models) else {
            return report.add(Finding::skipped(STEP, "no model is known; name one with --model"));
        };
        if !command.yes && !input::is_interactive() {
            return report.add(Finding::skipped(STEP, "it costs a few tokens; --yes asks it"));
        }
        if !input::confirm(
            &format!("Ask {}/{model} one short question? It costs a few tokens.", self.name),
            command.yes,
        )? {
            return report.add(Finding::skipped(STEP, "nobody wanted it"));
        }
        let asked = generation.complete(REQUEST.into(), question::short(&model)).await;
        report.add(match asked {
            Ok(Ok(answer)) => Finding::ok(STEP, question::told(&answer)),
            Ok(Err(error)) => {
                let fix = fixes::of_provider(&error, self.name, self.credential(generation).as_deref());
                Finding::failed(STEP, format!("{model}: {}", fixes::told(&error)), fix)
            }
            Err(CallError::Unsupported { .. }) => Finding::skipped(STEP, "the plugin does not converse"),
            Err(error) => Finding::failed(STEP, format!("{model}: {error}"), fixes::of_call(&error, self.name)),
        })
    }
}

/// Whether a grant is for an origin.
fn covers(grant: &Grant, origin: &str) -> bool {
    let target = target::parse("POST", origin);
    let patterns = || grant.origins.iter().chain(&grant.private_origins);
    target.is_ok_and(|target| patterns().any(|pattern| pattern.matches(&target.origin)))
}

fn granted(grants: &[Arc<Grant>], slot: &str, facts: &HandleFacts) -> String {
    let Some(grant) = grants.first() else {
        return format!("slot {slot}: {}", facts.kind);
    };
    let until = grant
        .expires
        .and_then(|expires| OffsetDateTime::from(expires).format(&Rfc3339).ok())
        .map(|expires| format!(", until {expires}"))
        .unwrap_or_default();
    let credential = grant.credential.as_deref().unwrap_or_default();
    format!(
        "slot {slot}: credential {credential} ({}), grant {}{until}",
        facts.kind, grant.id
    )
}
