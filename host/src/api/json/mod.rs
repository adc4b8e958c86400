//! JSON as the dialects read and write it.
//!
//! In: a body's text, or values to be written. Out: a borrowed tree ([`node`]) whose objects know
//! where in the body they stand ([`object`]), and a writer that puts JSON text straight into a
//! buffer ([`write`]). Never: a meaning of a field; that is each dialect's.

mod node;
mod object;
pub(crate) use node::Node;
pub(crate) use object::{Object, Path};
pub(crate) mod write;
