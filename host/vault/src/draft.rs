//! A change to a vault that is being put together: all of it is saved, or none.
//!
//! In: entries with their secrets, grants. Out: new contents, secrets already sealed. Never touches the disk.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::contents::{Contents, Stored};
use crate::crypto::{self, Id, Key};
use crate::error::VaultError;
use crate::hex;
use crate::model::{self, Entry, Grant, NewEntry, Pin};
use crate::record::Record;
use crate::secret::Secrets;

/// The vault's contents while they are edited; see [`crate::Vault::edit`].
pub struct Draft<'v> {
    pub(crate) contents: Contents,
    pub(crate) key: &'v Key,
    pub(crate) vault: Id,
    /// The revision this will be saved as.
    pub(crate) revision: u64,
}

impl Draft<'_> {
    /// Sets an entry, new or replacing all of one that exists (which keeps its `created`, and is `rotated` now).
    ///
    /// # Errors
    /// [`VaultError::Invalid`] or [`VaultError::TooLarge`] when a value is not acceptable.
    pub fn set(&mut self, name: &str, new: NewEntry, now: OffsetDateTime) -> Result<(), VaultError> {
        Entry::check_name(name)?;
        new.check()?;
        let now = model::in_utc(now)?;
        let record = self.seal(name, &new.secrets)?;
        let (created, rotated) = match self.contents.entries.get(name) {
            Some(old) => (old.entry.created, Some(now)),
            None => (now, None),
        };
        let NewEntry {
            kind,
            secrets,
            attributes,
            hosts,
        } = new;
        let fields = secrets.fields().map(str::to_owned).collect();
        let entry = Entry {
            name: name.to_owned(),
            kind,
            fields,
            attributes,
            hosts,
            created,
            rotated,
        };
        self.contents.entries.insert(name.to_owned(), Stored { entry, record });
        Ok(())
    }

    /// Replaces an entry's secrets, and nothing else. All its fields must be given, and no others.
    ///
    /// # Errors
    /// [`VaultError::UnknownEntry`], [`VaultError::FieldsDiffer`].
    pub fn rotate(&mut self, name: &str, secrets: &Secrets, now: OffsetDateTime) -> Result<(), VaultError> {
        let now = model::in_utc(now)?;
        let expected = self.entry(name)?.entry.fields.clone();
        if !secrets.fields().eq(expected.iter().map(String::as_str)) {
            return Err(VaultError::FieldsDiffer {
                name: name.to_owned(),
                expected,
            });
        }
        let record = self.seal(name, secrets)?;
        let stored = self.entry(name)?;
        stored.record = record;
        stored.entry.rotated = Some(now);
        Ok(())
    }

    /// Replaces the hosts an entry may be sent to; its secrets stay sealed.
    ///
    /// # Errors
    /// [`VaultError::UnknownEntry`], [`VaultError::Invalid`].
    pub fn set_hosts(&mut self, name: &str, hosts: Vec<String>) -> Result<(), VaultError> {
        model::check_texts("a host pattern", &hosts)?;
        self.entry(name)?.entry.hosts = hosts;
        Ok(())
    }

    /// Replaces an entry's attributes; its secrets stay sealed.
    ///
    /// # Errors
    /// [`VaultError::UnknownEntry`], [`VaultError::Invalid`].
    pub fn set_attributes(&mut self, name: &str, attributes: BTreeMap<String, String>) -> Result<(), VaultError> {
        model::check_attributes(&attributes)?;
        self.entry(name)?.entry.attributes = attributes;
        Ok(())
    }

    /// Removes an entry. Grants of it stand in the way, unless `force`, which revokes them; they are given back.
    ///
    /// # Errors
    /// [`VaultError::UnknownEntry`], [`VaultError::EntryGranted`].
    pub fn remove(&mut self, name: &str, force: bool) -> Result<Vec<Grant>, VaultError> {
        self.entry(name)?;
        let of_entry = |grant: &Grant| grant.credential.as_deref() == Some(name);
        let grants: Vec<String> = self
            .contents
            .grants
            .iter()
            .filter(|grant| of_entry(grant))
            .map(|grant| grant.id.clone())
            .collect();
        if !force && !grants.is_empty() {
            return Err(VaultError::EntryGranted {
                name: name.to_owned(),
                grants,
            });
        }
        self.contents.entries.remove(name);
        Ok(self.contents.grants.extract_if(.., |grant| of_entry(grant)).collect())
    }

    /// Adds a grant and gives back its id, which is made up when it is empty.
    ///
    /// # Errors
    /// [`VaultError::UnknownEntry`] when its credential does not exist, [`VaultError::DuplicateGrant`],
    /// [`VaultError::Invalid`].
    pub fn add_grant(&mut self, mut grant: Grant) -> Result<String, VaultError> {
        if grant.id.is_empty() {
            grant.id = format!("g-{}", hex::encode(&crypto::random::<5>()?));
        }
        let grant = self.checked(grant)?;
        if self.contents.grants.iter().any(|other| other.id == grant.id) {
            return Err(VaultError::DuplicateGrant { id: grant.id });
        }
        let id = grant.id.clone();
        self.contents.grants.push(grant);
        Ok(id)
    }

    /// Renews a grant for changed bytes or a changed wish: sets its pin and what was approved. Gives back the old grant.
    ///
    /// # Errors
    /// [`VaultError::UnknownGrant`], [`VaultError::Invalid`].
    pub fn approve(&mut self, id: &str, pin: Pin, approved_manifest: String) -> Result<Grant, VaultError> {
        let old = self.grant(id)?.clone();
        self.replace_grant(Grant {
            pin,
            approved_manifest,
            ..old
        })
    }

    /// Replaces the grant of the same id, for any other change. Gives back the old grant.
    ///
    /// # Errors
    /// [`VaultError::UnknownGrant`], [`VaultError::UnknownEntry`], [`VaultError::Invalid`].
    pub fn replace_grant(&mut self, grant: Grant) -> Result<Grant, VaultError> {
        let grant = self.checked(grant)?;
        let place = self.grant(&grant.id)?;
        Ok(std::mem::replace(place, grant))
    }

    /// Takes a grant away and gives it back.
    ///
    /// # Errors
    /// [`VaultError::UnknownGrant`].
    pub fn revoke(&mut self, id: &str) -> Result<Grant, VaultError> {
        self.grant(id)?;
        let revoked = self.contents.grants.extract_if(.., |grant| grant.id == id).next();
        revoked.ok_or_else(|| VaultError::UnknownGrant { id: id.to_owned() })
    }

    /// The entries as they stand in this draft, by name.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.contents.entries.values().map(|stored| &stored.entry)
    }

    /// The grants as they stand in this draft.
    pub fn grants(&self) -> &[Grant] {
        &self.contents.grants
    }

    fn entry(&mut self, name: &str) -> Result<&mut Stored, VaultError> {
        self.contents
            .entries
            .get_mut(name)
            .ok_or_else(|| VaultError::UnknownEntry { name: name.to_owned() })
    }

    fn grant(&mut self, id: &str) -> Result<&mut Grant, VaultError> {
        let grants = &mut self.contents.grants;
        grants
            .iter_mut()
            .find(|grant| grant.id == id)
            .ok_or_else(|| VaultError::UnknownGrant { id: id.to_owned() })
    }

    fn checked(&mut self, grant: Grant) -> Result<Grant, VaultError> {
        let grant = grant.checked()?;
        if let Some(name) = &grant.credential {
            self.entry(name)?;
        }
        Ok(grant)
    }

    fn seal(&self, name: &str, secrets: &Secrets) -> Result<Record, VaultError> {
        Record::seal(self.key, &self.vault, name, self.revision, secrets)
    }
}
