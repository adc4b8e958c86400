//! Any bytes behind a vault's seals: `cargo +nightly fuzz run open` in `host/vault`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| llm_host_vault::fuzzing::open(data));
