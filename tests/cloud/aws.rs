//! AWS: signed requests, and each source that keys may come from.
//!
//! The plugin is `tests/guests/hostile`, which sends what a test tells it to; the grant's rule says
//! that it is signed. The cloud is `llm_host_tests::fake_aws`. Where there is no Python with
//! botocore each test says so and passes.

mod load;
mod signing;
mod sources;
mod troubles;
mod world;
