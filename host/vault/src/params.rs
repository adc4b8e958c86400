//! The cost of a passphrase: Argon2id parameters and the bounds within which they are accepted.
//!
//! In: parameters chosen by a caller, or read from a header that may be hostile. Out: the same, checked; and the key that
//! Argon2id derives. Never allocates before the bounds are checked.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde::Serialize;
use zeroize::{Zeroize as _, Zeroizing};

use crate::crypto::KEY_LEN;
use crate::error::VaultError;

/// Parameters of Argon2id (RFC 9106), version 0x13.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Argon2Params {
    memory_kib: u32,
    iterations: u32,
    lanes: u32,
}

impl Argon2Params {
    /// Memory accepted, in KiB: 8 MiB to 1 GiB. Less is no hindrance to guessing; more could exhaust the machine.
    pub const MEMORY_KIB: std::ops::RangeInclusive<u32> = 8 * 1024..=1024 * 1024;
    /// Passes over the memory accepted.
    pub const ITERATIONS: std::ops::RangeInclusive<u32> = 1..=32;
    /// Lanes accepted.
    pub const LANES: std::ops::RangeInclusive<u32> = 1..=16;
    /// Memory (KiB) times passes accepted, at most: bounds the time of one attempt to some seconds.
    pub const MAX_WORK: u64 = 4 * 1024 * 1024;

    /// 64 MiB, 3 passes, 4 lanes: the second recommended option of RFC 9106, section 4.
    pub const fn recommended() -> Self {
        Self {
            memory_kib: 64 * 1024,
            iterations: 3,
            lanes: 4,
        }
    }

    /// The least that is accepted. Weak against guessing; for tests and very small machines.
    pub const fn minimal() -> Self {
        Self {
            memory_kib: *Self::MEMORY_KIB.start(),
            iterations: 1,
            lanes: 1,
        }
    }

    /// Parameters of the caller's choice. `memory_kib` is in KiB.
    ///
    /// # Errors
    /// [`VaultError::ParamsOutOfBounds`] names the first value that is not accepted.
    pub fn new(memory_kib: u32, iterations: u32, lanes: u32) -> Result<Self, VaultError> {
        let params = Self {
            memory_kib,
            iterations,
            lanes,
        };
        params.check()?;
        Ok(params)
    }

    /// As written in a header, not checked yet.
    pub(crate) const fn unchecked(memory_kib: u32, iterations: u32, lanes: u32) -> Self {
        Self {
            memory_kib,
            iterations,
            lanes,
        }
    }

    /// Memory in KiB.
    pub fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Lanes.
    pub fn lanes(&self) -> u32 {
        self.lanes
    }

    pub(crate) fn check(&self) -> Result<(), VaultError> {
        let within = |what, value: u32, range: std::ops::RangeInclusive<u32>| {
            if range.contains(&value) {
                return Ok(());
            }
            let (min, max) = (u64::from(*range.start()), u64::from(*range.end()));
            Err(VaultError::ParamsOutOfBounds {
                what,
                value: value.into(),
                min,
                max,
            })
        };
        within("memory (KiB)", self.memory_kib, Self::MEMORY_KIB)?;
        within("iterations", self.iterations, Self::ITERATIONS)?;
        within("lanes", self.lanes, Self::LANES)?;
        let work = u64::from(self.memory_kib) * u64::from(self.iterations);
        if work > Self::MAX_WORK {
            let min = u64::from(*Self::MEMORY_KIB.start());
            return Err(VaultError::ParamsOutOfBounds {
                what: "memory × iterations",
                value: work,
                min,
                max: Self::MAX_WORK,
            });
        }
        Ok(())
    }

    /// Argon2id of the passphrase. Blocks for a noticeable part of a second.
    pub(crate) fn derive(&self, passphrase: &[u8], salt: &[u8]) -> Result<Zeroizing<[u8; KEY_LEN]>, VaultError> {
        self.check()?;
        let refused = |_| VaultError::Crypto {
            operation: "derive a key from the passphrase",
        };
        let params = Params::new(self.memory_kib, self.iterations, self.lanes, Some(KEY_LEN)).map_err(refused)?;
        // Reserved by hand: the machine may have less memory than the header asks for, and that is an error, not an abort.
        let mut blocks: Vec<Block> = Vec::new();
        let count = params.block_count();
        blocks
            .try_reserve_exact(count)
            .map_err(|_| VaultError::NotEnoughMemory { kib: self.memory_kib })?;
        blocks.resize(count, Block::new());
        let mut key = Zeroizing::new([0; KEY_LEN]);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let derived = argon2.hash_password_into_with_memory(passphrase, salt, key.as_mut(), &mut blocks);
        blocks.iter_mut().for_each(|block| block.zeroize());
        derived.map_err(refused)?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        let cases = [
            (8 * 1024, 1, 1, None),
            (64 * 1024, 3, 4, None),
            (1024 * 1024, 4, 16, None),
            (8 * 1024 - 1, 1, 1, Some("memory (KiB)")),
            (1024 * 1024 + 1, 1, 1, Some("memory (KiB)")),
            (u32::MAX, 1, 1, Some("memory (KiB)")),
            (8 * 1024, 0, 1, Some("iterations")),
            (8 * 1024, 33, 1, Some("iterations")),
            (8 * 1024, 1, 0, Some("lanes")),
            (8 * 1024, 1, 17, Some("lanes")),
            (1024 * 1024, 5, 1, Some("memory × iterations")),
        ];
        for (memory, iterations, lanes, wrong) in cases {
            let found = match Argon2Params::new(memory, iterations, lanes) {
                Ok(_) => None,
                Err(VaultError::ParamsOutOfBounds { what, .. }) => Some(what),
                Err(other) => panic!("{other}"),
            };
            assert_eq!(found, wrong, "{memory} {iterations} {lanes}");
        }
        Argon2Params::recommended().check().unwrap();
        Argon2Params::minimal().check().unwrap();
    }
}
