//! Gateway to LLM providers whose adapters run as sandboxed WebAssembly components.
//!
//! The path of a request, module by module:
//!
//! 1. [`server`] accepts it, [`pipeline`] says which layers it passes;
//! 2. [`api`] gives it an id and one snapshot, and decodes the dialect; [`auth`] says who is calling;
//! 3. [`ledger`] opens its account, to be closed once; [`routing`] finds the provider and model that its
//!    name means ([`dispatch`] is the seam);
//! 4. [`plugin`] asks the sandboxed adapter;
//! 5. [`egress`] carries what the adapter sends: allow-list, address check, credential, client;
//! 6. the answer comes back the same way, and [`api`] encodes it in the dialect that was asked.
//!
//! Beside the path: [`config`] says what was written and what it means, [`reload`] swaps the
//! snapshot that requests see, [`admin`] tells what the host is doing, [`cli`] is the command line.
//! [`llm`], [`context`], [`error`], [`clock`], [`plain`] and [`seat`] are what all of them share.

pub mod admin;
pub mod api;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod context;
pub mod dispatch;
pub mod egress;
pub mod error;
pub mod ledger;
pub mod llm;
pub mod pipeline;
pub mod plain;
pub mod plugin;
pub mod reload;
pub mod routing;
pub mod seat;
pub mod server;
