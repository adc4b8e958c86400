//! Microsoft Entra: every way of signing in, against a service that refuses what Entra refuses.
//!
//! The egress stack is the host's own; its clock is moved by hand, and the services go by the same clock.

mod service;
mod signing_in;
mod troubles;
mod whole;
mod world;
