//! `host plugin sign` and `keygen`: who made a component.
//!
//! In: a component and an Ed25519 key. Out: `<component>.sig` beside it. Never: a key that others may
//! read, or one that is replaced.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;
use zeroize::Zeroizing;

use crate::cli::{Session, replace_file};
use crate::plugin::component::{digest, hex};
use crate::plugin::signature;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  host plugin sign plugins/openai.wasm --key signer.pem

The signature is a line in openai.wasm.sig beside it. It counts where the public key is in `plugins.trusted_signers`.")]
pub(in crate::cli) struct Sign {
    /// The component
    file: PathBuf,
    /// The key, as `host plugin keygen` made it
    #[arg(long)]
    key: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  host plugin keygen signer.pem")]
pub(in crate::cli) struct Keygen {
    /// Where to put the private key (PKCS #8, PEM); must not be there yet
    file: PathBuf,
}

pub(super) fn keygen(session: &Session, command: &Keygen) -> anyhow::Result<()> {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
    let pkcs8 = pkcs8.map_err(|_| anyhow!("the system gave no random bytes"))?;
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).map_err(|error| anyhow!("the key is not usable: {error}"))?;
    let body = Zeroizing::new(STANDARD.encode(pkcs8.as_ref()));
    let mut pem = Zeroizing::new(format!("{BEGIN}\n"));
    for line in body.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str(END);
    pem.push('\n');
    write_private(&command.file, pem.as_bytes())?;
    let public = hex(pair.public_key().as_ref());
    let value = json!({ "file": command.file, "public_key": public });
    session.output.show(&value, |_| {
        format!(
            "made {}; keep it where only you can read it\n\nTo have its signatures count, write into the configuration:\n\n\
             [plugins]\ntrusted_signers = [\"{public}\"]",
            command.file.display()
        )
    })
}

/// Writes a new file that only its owner may read.
fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options
        .open(path)
        .with_context(|| format!("cannot make {}", path.display()))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.with_context(|| {
        // Half a key is none, and would stand in the way of the next attempt.
        let _ = std::fs::remove_file(path);
        format!("cannot write {}", path.display())
    })
}

pub(super) fn sign(session: &Session, command: &Sign) -> anyhow::Result<()> {
    let pair = read_key(&command.key)?;
    let file = command.file.display();
    let bytes = std::fs::read(&command.file).with_context(|| format!("cannot read {file}"))?;
    let report = llm_provider_build::check(&bytes).with_context(|| file.to_string())?;
    if !report.is_plugin() {
        bail!("{file} is no plugin for this host; `host plugin inspect {file}` says why");
    }
    let digest = digest(&bytes);
    let place = signature::path_for(&command.file);
    replace_file(&place, &signature::sign(&pair, &digest))?;
    let public = hex(pair.public_key().as_ref());
    let value = json!({ "file": command.file, "signature": place, "digest": hex(&digest), "public_key": public });
    session
        .output
        .show(&value, |_| format!("wrote {} by {public}", place.display()))
}

fn read_key(path: &Path) -> anyhow::Result<Ed25519KeyPair> {
    let shown = path.display();
    let text = Zeroizing::new(std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?);
    let not_a_key = || anyhow!("{shown} is not an Ed25519 key in PEM; `host plugin keygen` makes one");
    let body = text
        .split_once(BEGIN)
        .and_then(|(_, rest)| rest.split_once(END))
        .map(|(body, _)| body);
    let body: Zeroizing<String> = Zeroizing::new(body.ok_or_else(not_a_key)?.split_whitespace().collect());
    let pkcs8 = Zeroizing::new(STANDARD.decode(body.as_bytes()).map_err(|_| not_a_key())?);
    // Keys that other tools made lack the public half that version 2 of the format has.
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8).map_err(|_| not_a_key())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_openssl_made_is_read() {
        // The private key of RFC 8410, section 10.3, in version 1 of PKCS #8.
        let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        std::fs::write(&path, pem).unwrap();
        let pair = read_key(&path).unwrap();
        assert_eq!(
            hex(pair.public_key().as_ref()),
            "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1",
            "the public key of the same section"
        );
        std::fs::write(&path, "nothing").unwrap();
        assert!(read_key(&path).is_err());
    }
}
