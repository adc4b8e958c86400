//! Reloads under load: what a host does with hundreds of answers under way while its plugins, its
//! configuration and its vault change, and when it is told to stop.
//!
//! Long answers come from an upstream whose pace the test sets, so that they are in the middle at
//! each change; short ones go round and round beside them.

mod changes;
mod orders;
mod pinned;
mod stop;
mod traffic;
