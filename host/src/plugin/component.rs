//! A component that has been read, compiled, linked and asked what it is.
//!
//! In: the bytes of a `.wasm` file. Out: a [`LoadedPlugin`] from which generations are made.
//! Never: settings, grants, or a call that reaches the network.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::component::InstancePre;

use super::bindings::{base, chat, completions, embeddings, images, native, speech};
use super::engine::Engine;
use super::error::{LoadError, one_line};
use super::manifest::Manifest;
use super::signature::{self, TrustPolicy};
use super::state::{GuestState, Identity};
use crate::config::Limits;
use crate::egress::Holder;

/// SHA-256 of a component's bytes.
pub type Digest = [u8; 32];

/// The optional interfaces that a component exports and this host can call.
#[derive(Clone)]
pub(super) struct Exports {
    pub(super) base: base::BaseIndices,
    pub(super) chat: Option<chat::WithChatIndices>,
    pub(super) completions: Option<completions::WithCompletionsIndices>,
    pub(super) embeddings: Option<embeddings::WithEmbeddingsIndices>,
    pub(super) images: Option<images::WithImagesIndices>,
    pub(super) native: Option<native::WithNativeIndices>,
    pub(super) speech: Option<speech::WithSpeechIndices>,
}

/// A component, ready to be instantiated.
pub struct LoadedPlugin {
    /// The file it came from.
    pub path: PathBuf,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// The Ed25519 key that signed it, where its signature was good and the key is trusted.
    pub signer: Option<[u8; 32]>,
    /// What it says of itself.
    pub manifest: Arc<Manifest>,
    /// Names of the interfaces it exports.
    pub interfaces: Vec<String>,
    pub(super) pre: InstancePre<GuestState>,
    pub(super) exports: Exports,
}

impl LoadedPlugin {
    /// Reads, compiles and describes a component. Takes up to seconds when its compiled code is
    /// not in the cache.
    ///
    /// # Errors
    /// Everything that makes it no plugin for this host.
    pub async fn load(
        engine: &Arc<Engine>,
        path: &Path,
        bytes: Vec<u8>,
        trust: &TrustPolicy,
        limits: &Limits,
    ) -> Result<Self, LoadError> {
        check_preamble(&bytes)?;
        let digest = digest(&bytes);
        let signer = signature::check(path, &digest, trust)?;
        let compiler = engine.clone();
        let compiled = tokio::task::spawn_blocking(move || {
            let component = compiler.compile(&bytes)?;
            let pre = compiler.link(&component)?;
            Ok::<_, LoadError>((interfaces(&compiler, &component), pre))
        });
        let (interfaces, pre) = compiled
            .await
            .map_err(|_| LoadError::Engine("the compiler stopped; see the log".into()))??;
        let exports = probe(&pre, &interfaces)?;
        let manifest = describe(engine, &pre, &exports, digest, limits).await?;
        Ok(Self {
            path: path.to_owned(),
            digest,
            signer,
            manifest: Arc::new(manifest),
            interfaces,
            pre,
            exports,
        })
    }

    /// The digest as lower-case hexadecimal digits.
    pub fn digest_hex(&self) -> String {
        hex(&self.digest)
    }

    /// Asks the plugin itself whether settings make sense.
    ///
    /// # Errors
    /// The plugin's own words, or that it failed.
    pub(super) async fn check_config(
        &self,
        engine: &Engine,
        identity: Arc<Identity>,
        limits: &Limits,
    ) -> Result<(), String> {
        let settings = identity.settings.clone();
        let mut store = GuestState::store(engine, identity, limits, "check-config".into());
        let call = async {
            let instance = self.pre.instantiate_async(&mut store).await?;
            let guest = self.exports.base.load(&mut store, &instance)?;
            guest
                .llm_host_provider_provider()
                .call_check_config(&mut store, &settings)
                .await
        };
        match tokio::time::timeout(limits.describe_time, call).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Err(format!("`check-config` failed: {}", one_line(&error))),
            Err(_) => Err(format!(
                "`check-config` took longer than {} ms",
                limits.describe_time.as_millis()
            )),
        }
    }
}

/// What a file begins with that holds a component: magic, version and layer.
const PREAMBLE: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];

/// Tells files of another sort apart, which the compiler would not name.
fn check_preamble(bytes: &[u8]) -> Result<(), LoadError> {
    let (magic, _) = PREAMBLE.split_at(4);
    let why = match bytes {
        [] => "the file is empty",
        _ if !bytes.starts_with(magic) => "the file does not begin with `\\0asm`",
        // The layer of a module is 0.
        [_, _, _, _, _, _, 0, 0, ..] => "it is a module, as targets other than wasm32-wasip2 give",
        _ => return Ok(()),
    };
    Err(LoadError::Invalid(why.to_owned()))
}

/// SHA-256 of bytes.
pub fn digest(bytes: &[u8]) -> Digest {
    let mut out = [0; 32];
    for (to, from) in out
        .iter_mut()
        .zip(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
    {
        *to = *from;
    }
    out
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            // Writing to a String cannot fail.
            let _ = write!(out, "{byte:02x}");
            out
        })
}

/// Names of the exported interfaces of the ABI, in their order, without package and version.
fn interfaces(engine: &Engine, component: &wasmtime::component::Component) -> Vec<String> {
    let mut names: Vec<String> = component
        .component_type()
        .exports(engine.wasmtime())
        .filter_map(|(name, _)| {
            let name = name.strip_prefix("llm-host:provider/")?;
            Some(name.split_once('@').map_or(name, |(name, _)| name).to_owned())
        })
        .collect();
    names.sort_unstable();
    names
}

fn probe(pre: &InstancePre<GuestState>, interfaces: &[String]) -> Result<Exports, LoadError> {
    /// The indices of an interface, if the component says that it has it.
    fn find<T>(
        interfaces: &[String],
        name: &str,
        indices: impl FnOnce() -> wasmtime::Result<T>,
    ) -> Result<Option<T>, LoadError> {
        let there = interfaces.iter().any(|known| known == name);
        there.then(indices).transpose().map_err(LoadError::exports)
    }
    Ok(Exports {
        base: base::BaseIndices::new(pre).map_err(LoadError::exports)?,
        chat: find(interfaces, "chat", || chat::WithChatIndices::new(pre))?,
        completions: find(interfaces, "completions", || {
            completions::WithCompletionsIndices::new(pre)
        })?,
        embeddings: find(interfaces, "embeddings", || embeddings::WithEmbeddingsIndices::new(pre))?,
        images: find(interfaces, "images", || images::WithImagesIndices::new(pre))?,
        native: find(interfaces, "native", || native::WithNativeIndices::new(pre))?,
        speech: find(interfaces, "speech", || speech::WithSpeechIndices::new(pre))?,
    })
}

async fn describe(
    engine: &Engine,
    pre: &InstancePre<GuestState>,
    exports: &Exports,
    digest: Digest,
    limits: &Limits,
) -> Result<Manifest, LoadError> {
    let identity = Identity {
        holder: Arc::new(Holder {
            plugin: "".into(),
            provider: "".into(),
            digest,
            signer: None,
        }),
        generation: 0,
        manifest: Arc::new(Manifest::unknown()),
        origins: Arc::from([]),
        settings: "{}".into(),
        egress: None,
    };
    let mut store = GuestState::store(engine, Arc::new(identity), limits, "describe".into());
    let call = async {
        let instance = pre.instantiate_async(&mut store).await?;
        let guest = exports.base.load(&mut store, &instance)?;
        guest.llm_host_provider_provider().call_describe(&mut store).await
    };
    match tokio::time::timeout(limits.describe_time, call).await {
        Ok(Ok(manifest)) => Manifest::check(manifest),
        Ok(Err(error)) => Err(LoadError::Describe(one_line(&error))),
        Err(_) => Err(LoadError::Describe(format!(
            "it took longer than {} ms",
            limits.describe_time.as_millis()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_sort_is_named() {
        for (bytes, expected) in [
            (&b""[..], Some("is empty")),
            (b"PK\x03\x04....", Some("does not begin with `\\0asm`")),
            (b"\0as", Some("does not begin")),
            (b"\0asm\x01\0\0\0", Some("is a module")),
            (b"\0asm\x0d\0\x01\0", None),
            // Cut short: for the compiler to say.
            (b"\0asm\x0d\0", None),
        ] {
            let why = check_preamble(bytes).err().map(|error| error.to_string());
            match expected {
                Some(part) => assert!(why.as_ref().is_some_and(|why| why.contains(part)), "{bytes:?}: {why:?}"),
                None => assert_eq!(why, None, "{bytes:?}"),
            }
        }
    }
}
