//! `host run` as its users meet it: through the official clients, and through curl.

mod clients;
mod curl;
