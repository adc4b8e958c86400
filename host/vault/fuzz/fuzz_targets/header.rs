//! Any bytes as a vault file: `cargo +nightly fuzz run header` in `host/vault`, with `tests/vectors` as a second corpus.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| llm_host_vault::fuzzing::header(data));
