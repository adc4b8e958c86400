//! `host run` as its users meet it: through the official clients, through curl, and with plugins of their own.

mod abi;
mod clients;
mod curl;
mod interfaces;
mod providers;
mod unruly;
mod wire;
