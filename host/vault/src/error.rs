//! Everything that can go wrong with a vault, each with what to do about it.
//!
//! In: the place where it went wrong. Out: [`VaultError`], whose `Display` says what happened and what to do next, and never
//! holds a secret. None of these errors has changed anything on disk, except [`VaultError::NotSettled`], which says so.

use std::io;
use std::path::PathBuf;

use crate::keyring::KeyStoreError;
use crate::unlock::Method;

/// A part of a vault, for messages about damage.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The fixed header, or its tag.
    Header,
    /// An unlock slot, counted from 1.
    Slot(usize),
    /// The sealed index: names, attributes, hosts, grants.
    Body,
    /// The sealed secrets of the named entry.
    Entry(String),
    /// The anchor beside the vault, which remembers the last revision.
    Anchor,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header => f.write_str("header"),
            Self::Slot(number) => write!(f, "unlock slot {number}"),
            Self::Body => f.write_str("body"),
            Self::Entry(name) => write!(f, "entry `{name}`"),
            Self::Anchor => f.write_str("revision anchor"),
        }
    }
}

/// Whose fault an error is, so that a caller can choose the words and the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// What the caller gave or asked for: a passphrase, a name, an edit.
    Caller,
    /// The vault file, the anchor or the key file is not what it should be.
    File,
    /// The machine: disk, memory, random source, keyring service.
    Machine,
}

/// An operation on a vault failed. Nothing on disk has changed, unless it is [`VaultError::NotSettled`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The file system refused.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no file at the path.
    #[error("there is no vault at {}; restore it from a backup, or create one with `host vault init`", .path.display())]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A vault is to be created where a file already is.
    #[error("{} already exists; choose another path, or move the file away first", .path.display())]
    AlreadyExists {
        /// The file in the way.
        path: PathBuf,
    },
    /// Another process is writing the vault at this moment.
    #[error("another process is writing the vault {}; try again", .path.display())]
    Locked {
        /// The vault.
        path: PathBuf,
    },
    /// The file has changed since it was opened.
    #[error("the vault has been changed by someone else since it was opened (revision {opened} then, {} now); open it again and repeat the change", .found.map_or("no readable revision".to_owned(), |found| found.to_string()))]
    ConcurrentEdit {
        /// The revision that was opened.
        opened: u64,
        /// The revision on disk, where it can be read.
        found: Option<u64>,
    },
    /// The vault was written, but what has to follow was not: the sync of its directory, or the anchor.
    #[error("revision {revision} of the vault was saved, but {} could not be brought up to date; check the disk, then open the vault again, which repairs it", .path.display())]
    NotSettled {
        /// The revision that was saved.
        revision: u64,
        /// The vault, when its directory could not be synced; or the anchor.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },

    /// The file does not begin as a vault does.
    #[error("this file is not a vault; check the path")]
    NotAVault,
    /// The format is newer than this program.
    #[error(
        "the vault has format version {found}, this program reads version {}; use a newer `host`",
        crate::header::FORMAT_VERSION
    )]
    UnknownVersion {
        /// The version in the file.
        found: u16,
    },
    /// The ciphers are not known to this program.
    #[error("the vault uses cipher suite {found}, which this program does not know; use a newer `host`")]
    UnknownSuite {
        /// The suite in the file.
        found: u8,
    },
    /// The contents have a shape this program does not know.
    #[error(
        "the vault's contents are of a kind this program does not know; use the version of `host` that wrote them, or a newer one"
    )]
    UnknownContents(#[source] serde_json::Error),
    /// The end of the file is missing.
    #[error("the vault file is cut short ({found} of at least {expected} bytes); restore it from a backup")]
    Truncated {
        /// Bytes the header speaks of, or the header's own length.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// Bytes have changed.
    #[error("the vault's {part} is damaged or was altered; {}", match .part {
        Part::Anchor => "delete the anchor if you know why, or accept the vault as it is with `host vault accept-rollback`",
        _ => "restore the file from a backup",
    })]
    Damaged {
        /// Where.
        part: Part,
    },
    /// A sealed record stands where another belongs.
    #[error("the sealed secrets of entry `{entry}` were replaced by {}; someone has altered the file: restore it from a backup and rotate this credential", if .found == .entry { "another copy of the same entry".to_owned() } else { format!("those of entry `{}`", .found) })]
    SwappedEntry {
        /// The entry whose place it is.
        entry: String,
        /// The entry that the record was sealed for; the same name for an older copy.
        found: String,
    },
    /// The file is older than one that was seen before.
    #[error(
        "the vault is at revision {found}, but revision {seen} has been seen here: an older file was put in its place; restore the newer file, or, if you restored this backup yourself, accept it with `host vault accept-rollback`"
    )]
    RolledBack {
        /// The file's revision.
        found: u64,
        /// The newest revision seen.
        seen: u64,
    },
    /// The file has the revision that was seen, but is another file.
    #[error(
        "the vault is another revision {revision} than the one that has been seen here: two copies were changed separately; restore the right file, or accept this one with `host vault accept-rollback`"
    )]
    Diverged {
        /// The revision both have.
        revision: u64,
    },
    /// The anchor speaks of another vault.
    #[error("the revision anchor {} belongs to another vault; check both paths, or accept this vault with `host vault accept-rollback`", .path.display())]
    ForeignAnchor {
        /// The anchor.
        path: PathBuf,
    },
    /// The vault's data key was changed since this process opened it.
    #[error("the vault has got new keys since it was opened; unlock it again")]
    Rekeyed,

    /// The key does not fit any slot of its method.
    #[error("{}", match .method {
        Method::Passphrase => "the passphrase is wrong; the vault itself is undamaged as far as can be seen without it",
        Method::KeyFile => "the key file is not the one this vault was locked with; check the path to the key file",
        Method::Keyring => "the key in the system's keyring is not the one this vault was locked with; unlock it by another method and run `host vault rekey`",
        Method::Unknown(_) => "the key does not fit",
    })]
    WrongKey {
        /// How it was tried to open the vault.
        method: Method,
    },
    /// No slot of that method.
    #[error("this vault cannot be opened by {method}; it opens by {}", list(.available))]
    NoSuchMethod {
        /// What was tried.
        method: Method,
        /// What there is.
        available: Vec<Method>,
    },
    /// A vault must have at least one unlock method, and not more than eight.
    #[error("a vault needs 1 to {} unlock methods, not {count}", crate::slot::MAX_SLOTS)]
    UnlockCount {
        /// How many were asked for.
        count: usize,
    },
    /// No unlock slot has the id.
    #[error("the vault has no unlock method `{id}`; `host vault show` lists them")]
    UnknownUnlock {
        /// The id that was asked for.
        id: String,
    },
    /// Argon2 parameters outside of what is accepted.
    #[error(
        "Argon2 {what} of {value} is outside of {min} to {max}; a vault asking for this was not written by `host`: restore it from a backup"
    )]
    ParamsOutOfBounds {
        /// Which parameter.
        what: &'static str,
        /// Its value.
        value: u64,
        /// Least accepted.
        min: u64,
        /// Most accepted.
        max: u64,
    },
    /// Argon2 did not get its memory.
    #[error(
        "there is not enough memory to unlock the vault: Argon2 needs {kib} KiB; free some memory, or unlock by another method"
    )]
    NotEnoughMemory {
        /// Memory needed, in KiB.
        kib: u32,
    },
    /// Others may read the key file.
    #[error("the key file {} can be read by others (mode {mode:03o}); run `chmod 600` on it, and if others were able to read it, lock the vault with a new one", .path.display())]
    KeyFilePermissions {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not 32 bytes.
    #[error("{} is not a key file: it has to have exactly 32 bytes; check the path", .path.display())]
    KeyFileLength {
        /// The key file.
        path: PathBuf,
    },
    /// The keyring does not have the vault's key.
    #[error(
        "the system's keyring has no key for this vault; unlock it by another method, on the machine and as the user that created it"
    )]
    NotInKeyring,
    /// The keyring did not answer.
    #[error("the system's keyring cannot be used; unlock the vault by another method")]
    Keyring(#[source] KeyStoreError),

    /// No entry of that name.
    #[error("the vault has no entry `{name}`; `host vault list` shows what there is")]
    UnknownEntry {
        /// The name.
        name: String,
    },
    /// No grant with that id.
    #[error("the vault has no grant `{id}`; `host grant list` shows what there is")]
    UnknownGrant {
        /// The id.
        id: String,
    },
    /// A grant with that id exists.
    #[error("a grant `{id}` already exists; choose another id, or revoke the old grant first")]
    DuplicateGrant {
        /// The id.
        id: String,
    },
    /// The entry is granted to plugins.
    #[error("entry `{name}` is granted to plugins (grants {}); revoke these first, or remove the entry by force, which revokes them", .grants.join(", "))]
    EntryGranted {
        /// The entry.
        name: String,
        /// The ids of the grants.
        grants: Vec<String>,
    },
    /// The new secrets do not have the old ones' fields.
    #[error("entry `{name}` has the fields {}; rotating must give exactly these (to change the fields, set the entry anew)", .expected.join(", "))]
    FieldsDiffer {
        /// The entry.
        name: String,
        /// Its fields.
        expected: Vec<String>,
    },
    /// A value that a vault does not accept.
    #[error("{what} is not acceptable: {why}")]
    Invalid {
        /// Which value.
        what: &'static str,
        /// The rule it breaks.
        why: &'static str,
    },
    /// More than fits.
    #[error("{what} is larger than the {limit} bytes a vault accepts")]
    TooLarge {
        /// What.
        what: &'static str,
        /// The limit in bytes.
        limit: u64,
    },

    /// The system's random source failed.
    #[error("the system gave no random bytes; nothing can be sealed safely until it does")]
    Random,
    /// A primitive refused; never expected.
    #[error("the cryptographic library refused to {operation}; this is a fault of the program, please report it")]
    Crypto {
        /// What was tried, as a verb.
        operation: &'static str,
    },
}

impl VaultError {
    /// A stable name of the error, for scripts and test vectors.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::NotFound { .. } => "not-found",
            Self::AlreadyExists { .. } => "already-exists",
            Self::Locked { .. } => "locked",
            Self::ConcurrentEdit { .. } => "concurrent-edit",
            Self::NotSettled { .. } => "not-settled",
            Self::NotAVault => "not-a-vault",
            Self::UnknownVersion { .. } => "unknown-version",
            Self::UnknownSuite { .. } => "unknown-suite",
            Self::UnknownContents(_) => "unknown-contents",
            Self::Truncated { .. } => "truncated",
            Self::Damaged { part: Part::Header } => "damaged-header",
            Self::Damaged { part: Part::Slot(_) } => "damaged-slot",
            Self::Damaged { part: Part::Body } => "damaged-body",
            Self::Damaged { part: Part::Entry(_) } => "damaged-entry",
            Self::Damaged { part: Part::Anchor } => "damaged-anchor",
            Self::SwappedEntry { .. } => "swapped-entry",
            Self::RolledBack { .. } => "rolled-back",
            Self::Diverged { .. } => "diverged",
            Self::ForeignAnchor { .. } => "foreign-anchor",
            Self::Rekeyed => "rekeyed",
            Self::WrongKey {
                method: Method::Passphrase,
            } => "wrong-passphrase",
            Self::WrongKey {
                method: Method::KeyFile,
            } => "wrong-key-file",
            Self::WrongKey { .. } => "wrong-keyring-key",
            Self::NoSuchMethod { .. } => "no-such-method",
            Self::UnlockCount { .. } => "unlock-count",
            Self::UnknownUnlock { .. } => "unknown-unlock",
            Self::ParamsOutOfBounds { .. } => "params-out-of-bounds",
            Self::NotEnoughMemory { .. } => "not-enough-memory",
            Self::KeyFilePermissions { .. } => "key-file-permissions",
            Self::KeyFileLength { .. } => "key-file-length",
            Self::NotInKeyring => "not-in-keyring",
            Self::Keyring(_) => "keyring",
            Self::UnknownEntry { .. } => "unknown-entry",
            Self::UnknownGrant { .. } => "unknown-grant",
            Self::DuplicateGrant { .. } => "duplicate-grant",
            Self::EntryGranted { .. } => "entry-granted",
            Self::FieldsDiffer { .. } => "fields-differ",
            Self::Invalid { .. } => "invalid",
            Self::TooLarge { .. } => "too-large",
            Self::Random => "random",
            Self::Crypto { .. } => "crypto",
        }
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Io { .. }
            | Self::NotSettled { .. }
            | Self::NotEnoughMemory { .. }
            | Self::Keyring(_)
            | Self::Random
            | Self::Crypto { .. } => Fault::Machine,
            Self::NotAVault
            | Self::UnknownVersion { .. }
            | Self::UnknownSuite { .. }
            | Self::UnknownContents(_)
            | Self::Truncated { .. }
            | Self::Damaged { .. }
            | Self::SwappedEntry { .. }
            | Self::RolledBack { .. }
            | Self::Diverged { .. }
            | Self::ForeignAnchor { .. }
            | Self::ParamsOutOfBounds { .. } => Fault::File,
            _ => Fault::Caller,
        }
    }

    /// Whether the vault was written all the same.
    pub fn is_written(&self) -> bool {
        matches!(self, Self::NotSettled { .. })
    }

    /// Whether the same call may succeed when it is simply repeated.
    pub fn may_retry(&self) -> bool {
        matches!(self, Self::Locked { .. } | Self::Random | Self::NotEnoughMemory { .. })
    }
}

fn list(methods: &[Method]) -> String {
    let names: Vec<String> = methods.iter().map(Method::to_string).collect();
    names.join(" or ")
}
