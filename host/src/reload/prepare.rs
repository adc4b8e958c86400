//! Makes the next snapshot without touching the present one.
//!
//! In: a configuration, the plugins directory, and what is served now. Out: a snapshot that is
//! ready to serve, in which everything unchanged is the same as before. Never: a half-made state;
//! a plugin that cannot be used leaves its earlier version in place, and says why.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::oneshot;

use super::ReloadError;
use super::snapshot::{Problem, Retired, Snapshot};
use crate::config::{Config, ProviderConfig};
use crate::egress::client::Client;
use crate::egress::{Egress, Holder};
use crate::plugin::component::digest;
use crate::plugin::signature;
use crate::plugin::source::{Candidate, PluginDirectory, PluginSource};
use crate::plugin::{Engine, Generation, LoadError, LoadedPlugin, TrustPolicy};

/// What outlives every snapshot.
pub struct Foundations {
    /// Compiles and runs components.
    pub engine: Arc<Engine>,
    /// The way out.
    pub egress: Arc<Egress>,
    /// The client at the bottom of `egress`, whose pools end with their provider.
    pub client: Arc<Client>,
    generations: AtomicU64,
}

impl Foundations {
    /// Puts them together.
    pub fn new(engine: Arc<Engine>, egress: Arc<Egress>, client: Arc<Client>) -> Self {
        Self {
            engine,
            egress,
            client,
            generations: AtomicU64::new(0),
        }
    }
}

/// A snapshot that is ready to serve, and what gives its retired generations once nobody uses it.
pub(super) struct Prepared {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) dropped: oneshot::Receiver<Retired>,
    /// Whether it differs from the one before.
    pub(super) changed: bool,
}

/// Makes the next snapshot.
pub(super) async fn prepare(
    foundations: &Foundations,
    config: Arc<Config>,
    previous: Option<&Snapshot>,
) -> Result<Prepared, ReloadError> {
    let source = PluginDirectory(config.plugins.dir.clone());
    let candidates = tokio::task::spawn_blocking(move || source.list())
        .await
        .map_err(|_| ReloadError::Stopped)?
        .map_err(|error| ReloadError::Plugins(error.to_string()))?;
    if previous.is_none() && !candidates.is_empty() {
        tracing::info!(
            files = candidates.len(),
            "loading plugins; one that is not in the cache is compiled first, which takes seconds"
        );
    }
    let mut problems = Vec::new();
    let plugins = load_all(foundations, &config, candidates, previous, &mut problems).await;
    let providers = providers(foundations, &config, &plugins, previous, &mut problems).await?;
    check_models(&config, &providers, previous, &mut problems)?;
    let changed = previous.is_none_or(|previous| {
        *previous.config != *config || previous.problems != problems || !same(&previous.providers, &providers)
    });
    let number = previous.map_or(1, |previous| previous.number + 1);
    let (snapshot, dropped) = Snapshot::new(number, config, plugins, providers, problems);
    Ok(Prepared {
        snapshot,
        dropped,
        changed,
    })
}

fn same(a: &BTreeMap<String, Arc<Generation>>, b: &BTreeMap<String, Arc<Generation>>) -> bool {
    a.len() == b.len() && a.values().zip(b.values()).all(|(a, b)| Arc::ptr_eq(a, b))
}

async fn load_all(
    foundations: &Foundations,
    config: &Config,
    mut candidates: Vec<Candidate>,
    previous: Option<&Snapshot>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<PathBuf, Arc<LoadedPlugin>> {
    let trust = TrustPolicy {
        signers: config.plugins.trusted_signers.iter().map(|key| key.0).collect(),
        required: config.plugins.require_signature,
    };
    // Where two files are the same plugin, the one that is served goes on being served.
    candidates.sort_by_key(|candidate| previous.is_none_or(|state| !state.plugins.contains_key(&candidate.path)));
    let mut plugins: BTreeMap<PathBuf, Arc<LoadedPlugin>> = BTreeMap::new();
    for Candidate { path, bytes } in candidates {
        let earlier = previous.and_then(|previous| previous.plugins.get(&path));
        let loaded = match bytes {
            Ok(bytes) => load(foundations, config, &path, bytes, &trust, earlier).await,
            Err(error) => Err(error),
        };
        let loaded = loaded.and_then(
            |plugin| match plugins.values().find(|p| p.manifest.id == plugin.manifest.id) {
                Some(twin) => Err(LoadError::Duplicate {
                    id: plugin.manifest.id.clone(),
                    first: twin.path.display().to_string(),
                    second: path.display().to_string(),
                }
                .to_string()),
                None => Ok(plugin),
            },
        );
        match loaded {
            Ok(plugin) => drop(plugins.insert(path, plugin)),
            Err(message) => {
                // A file that was good goes on as it was; one that was never good is left out.
                let kept = earlier.filter(|plugin| !plugins.values().any(|p| p.manifest.id == plugin.manifest.id));
                let kept_previous = kept.is_some();
                problems.push(Problem {
                    subject: path.display().to_string(),
                    message,
                    kept_previous,
                });
                if let Some(plugin) = kept {
                    plugins.insert(path, plugin.clone());
                }
            }
        }
    }
    plugins
}

async fn load(
    foundations: &Foundations,
    config: &Config,
    path: &Path,
    bytes: Vec<u8>,
    trust: &TrustPolicy,
    earlier: Option<&Arc<LoadedPlugin>>,
) -> Result<Arc<LoadedPlugin>, String> {
    if let Some(plugin) = earlier.filter(|plugin| plugin.digest == digest(&bytes)) {
        // The same bytes; only what vouches for them may have changed.
        let signer = signature::check(path, &plugin.digest, trust).map_err(|error| error.to_string())?;
        if signer == plugin.signer {
            return Ok(plugin.clone());
        }
    }
    LoadedPlugin::load(&foundations.engine, path, bytes, trust, &config.limits)
        .await
        .map(Arc::new)
        .map_err(|error| error.to_string())
}

async fn providers(
    foundations: &Foundations,
    config: &Arc<Config>,
    plugins: &BTreeMap<PathBuf, Arc<LoadedPlugin>>,
    previous: Option<&Snapshot>,
    problems: &mut Vec<Problem>,
) -> Result<BTreeMap<String, Arc<Generation>>, ReloadError> {
    let by_id: BTreeMap<&str, &Arc<LoadedPlugin>> = plugins.values().map(|p| (p.manifest.id.as_str(), p)).collect();
    let mut providers = BTreeMap::new();
    for (name, written) in config.providers_with(by_id.keys().copied()) {
        let earlier = previous.and_then(|previous| previous.providers.get(&name));
        let subject = format!("providers.{name}");
        let Some(plugin) = by_id.get(written.plugin.as_str()) else {
            let message = format!(
                "there is no plugin `{}` in {}; put it there, or correct `{subject}.plugin`",
                written.plugin,
                config.plugins.dir.display()
            );
            problems.push(Problem {
                subject,
                message,
                kept_previous: false,
            });
            continue;
        };
        if let Some((earlier, message)) = waits_for_approval(foundations, plugin, earlier) {
            problems.push(Problem {
                subject,
                message,
                kept_previous: true,
            });
            providers.insert(name, earlier.clone());
            continue;
        }
        match provider(foundations, &name, plugin, &written, earlier).await {
            Ok(generation) => drop(providers.insert(name, generation)),
            // Settings that do not fit are the configuration's fault when it is what changed:
            // then all of it is refused. When the plugin changed, its earlier version stays.
            Err(error) => {
                let settings_changed = earlier.is_none_or(|earlier| earlier.config != written);
                if settings_changed && previous.is_some_and(|previous| *previous.config != **config) {
                    return Err(ReloadError::Settings(error.to_string()));
                }
                let kept = earlier.filter(|_| !settings_changed);
                problems.push(Problem {
                    subject,
                    message: error.to_string(),
                    kept_previous: kept.is_some(),
                });
                if let Some(generation) = kept {
                    providers.insert(name, generation.clone());
                }
            }
        }
    }
    Ok(providers)
}

/// Bytes that an admin has not seen do not take the place of bytes that were granted something:
/// the earlier generation goes on serving until the grants are renewed, which is noticed as a
/// change of the vault.
fn waits_for_approval<'g>(
    foundations: &Foundations,
    plugin: &LoadedPlugin,
    earlier: Option<&'g Arc<Generation>>,
) -> Option<(&'g Arc<Generation>, String)> {
    let earlier = earlier.filter(|earlier| earlier.plugin.manifest.id == plugin.manifest.id)?;
    let present = earlier.holder();
    let next = Holder {
        digest: plugin.digest,
        signer: plugin.signer,
        ..present.clone()
    };
    let lost = foundations.egress.lost(present, &next);
    if lost.is_empty() {
        return None;
    }
    let commands: Vec<_> = lost.iter().map(|id| format!("`host grant approve {id}`")).collect();
    let message = format!(
        "{} holds new bytes of plugin `{}` (sha256 {}), and its grants are for the earlier ones, which go on \
         serving; to see what changed and let the new ones serve: {}",
        plugin.path.display(),
        plugin.manifest.id,
        plugin.digest_hex(),
        commands.join(", ")
    );
    Some((earlier, message))
}

async fn provider(
    foundations: &Foundations,
    name: &str,
    plugin: &Arc<LoadedPlugin>,
    written: &ProviderConfig,
    earlier: Option<&Arc<Generation>>,
) -> Result<Arc<Generation>, LoadError> {
    if let Some(generation) = earlier.filter(|generation| generation.is_for(plugin, written)) {
        return Ok(generation.clone());
    }
    let id = foundations.generations.fetch_add(1, Ordering::Relaxed) + 1;
    Generation::prepare(
        id,
        name,
        plugin.clone(),
        written.clone(),
        foundations.engine.clone(),
        foundations.egress.clone(),
    )
    .await
}

/// Model names that lead nowhere are the configuration's fault when it changed, and a problem to
/// show when a plugin went away.
fn check_models(
    config: &Config,
    providers: &BTreeMap<String, Arc<Generation>>,
    previous: Option<&Snapshot>,
    problems: &mut Vec<Problem>,
) -> Result<(), ReloadError> {
    let Err(errors) = config.check_against(providers.keys().map(String::as_str)) else {
        return Ok(());
    };
    if previous.is_some_and(|previous| *previous.config != *config) {
        return Err(ReloadError::Config(errors));
    }
    problems.push(Problem {
        subject: "models".into(),
        message: errors.to_string(),
        kept_previous: false,
    });
    Ok(())
}
