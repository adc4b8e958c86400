//! Items of a resolved WIT package by their ids.
//!
//! In: a `Resolve` and an id that it gave out. Out: the item. Never: called with the id of another
//! `Resolve`; [`mod@crate::check`] names its two `wit` and `component` to keep them apart.

#![expect(
    clippy::indexing_slicing,
    reason = "ids come from the arena that they point into, which never shrinks"
)]

use wit_parser::{Interface, InterfaceId, Package, PackageId, Resolve, TypeDef, TypeId, World, WorldId};

/// Lookups that cannot fail.
pub(crate) trait Resolved {
    fn interface(&self, id: InterfaceId) -> &Interface;
    fn package(&self, id: PackageId) -> &Package;
    fn type_def(&self, id: TypeId) -> &TypeDef;
    fn world(&self, id: WorldId) -> &World;
}

impl Resolved for Resolve {
    fn interface(&self, id: InterfaceId) -> &Interface {
        &self.interfaces[id]
    }

    fn package(&self, id: PackageId) -> &Package {
        &self.packages[id]
    }

    fn type_def(&self, id: TypeId) -> &TypeDef {
        &self.types[id]
    }

    fn world(&self, id: WorldId) -> &World {
        &self.worlds[id]
    }
}
