//! The WIT package `llm-host:provider`, as this build of the project knows it.
//!
//! In: the files of `wit/`, embedded at compile time. Out: their text, and the resolved package
//! with what its worlds import and export. Never: reads a file, so an installed binary knows the
//! same package that its source tree did.

use std::path::Path;

use wit_parser::{InterfaceId, PackageId, Resolve, SourceMap, WorldItem};

use crate::resolved::Resolved as _;

/// Name and text of every file of the package; enough to write `wit/` into an author's own
/// project.
pub const FILES: &[(&str, &str)] = &[
    ("types.wit", include_str!("../../../wit/types.wit")),
    ("imports.wit", include_str!("../../../wit/imports.wit")),
    ("exports.wit", include_str!("../../../wit/exports.wit")),
    ("worlds.wit", include_str!("../../../wit/worlds.wit")),
];

/// Namespace of the package.
pub const NAMESPACE: &str = "llm-host";

/// Name of the package in its namespace.
pub const PACKAGE: &str = "provider";

/// The interface that every plugin exports.
pub const REQUIRED: &str = "provider";

/// The embedded text does not parse. Whose fault: the host's, since the text is its own; a retry
/// does not help.
#[derive(Debug, thiserror::Error)]
#[error(
    "the embedded WIT package llm-host:provider is broken ({0}); this build of the program is \
     unusable for plugins"
)]
pub struct WitError(String);

/// The resolved package.
pub(crate) struct Package {
    pub(crate) resolve: Resolve,
    id: PackageId,
}

impl Package {
    /// Parses the embedded text.
    pub(crate) fn load() -> Result<Self, WitError> {
        let mut map = SourceMap::new();
        for (name, text) in FILES {
            map.push(Path::new(name), *text);
        }
        let group = map.parse().map_err(|(map, error)| WitError(error.render(&map)))?;
        let mut resolve = Resolve::new();
        let id = resolve.push_group(group).map_err(|error| WitError(error.to_string()))?;
        Ok(Self { resolve, id })
    }

    /// Major, minor and patch number.
    pub(crate) fn version(&self) -> (u64, u64, u64) {
        self.resolve
            .package(self.id)
            .name
            .version
            .as_ref()
            .map_or((0, 0, 0), |v| (v.major, v.minor, v.patch))
    }

    /// An interface that the host gives to plugins.
    pub(crate) fn import(&self, name: &str) -> Option<InterfaceId> {
        self.find("imports", name, |world| &world.imports)
    }

    /// An interface that the host calls.
    pub(crate) fn export(&self, name: &str) -> Option<InterfaceId> {
        self.find("full-provider", name, |world| &world.exports)
    }

    fn find(
        &self,
        world: &str,
        interface: &str,
        side: impl Fn(&wit_parser::World) -> &wit_parser::IndexMap<wit_parser::WorldKey, WorldItem>,
    ) -> Option<InterfaceId> {
        let world = *self.resolve.package(self.id).worlds.get(world)?;
        side(self.resolve.world(world)).values().find_map(|item| match item {
            WorldItem::Interface { id, .. } if self.resolve.interface(*id).name.as_deref() == Some(interface) => {
                Some(*id)
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_package_is_embedded() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let mut there: Vec<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".wit"))
            .collect();
        let mut embedded: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        there.sort_unstable();
        embedded.sort_unstable();
        assert_eq!(embedded, there);
    }

    #[test]
    fn the_package_names_what_a_plugin_may_import_and_export() {
        let package = Package::load().unwrap();
        for name in ["host", "credentials", "http", "types"] {
            assert!(package.import(name).is_some(), "{name} is not imported");
        }
        for name in [
            REQUIRED,
            "chat",
            "completions",
            "embeddings",
            "images",
            "speech",
            "native",
        ] {
            assert!(package.export(name).is_some(), "{name} is not exported");
        }
        assert!(package.import("chat").is_none());
        assert!(package.export("http").is_none());
    }
}
