//! An adapter's native tests: the host replaced by a recording.
//!
//! In: what the provider is to answer. Out: what the adapter sent and gave. Never: a network, a
//! sleep, or code in a component; the module is there on native targets only.
//!
//! ```
//! use llm_provider_sdk::http;
//! use llm_provider_sdk::testing::{Recording, Reply, block_on};
//!
//! let recording = Recording::new()
//!     .reply(Reply::json(200, r#"{"ok":true}"#))
//!     .install();
//! let status = block_on(async {
//!     http::Request::get("https://api.example.com/v1/models")
//!         .credential("api-key")
//!         .send()
//!         .await
//!         .map(|response| response.status)
//! });
//! assert_eq!(status, Ok(200));
//! let requests = recording.requests();
//! assert_eq!(requests[0].url, "https://api.example.com/v1/models");
//! assert_eq!(requests[0].credential.as_deref(), Some("api-key"));
//! ```

mod recording;
mod run;

pub use recording::{Installed, Recording, Reply, SentRequest};
pub use run::{block_on, decode, every_split};
