//! Recorded provider traffic through the real program.
//!
//! In: recordings of `openai`, `anthropic`, `azure` and (in a test of its own) `bedrock`, and the small
//! cases of our own under `cases`. Each is
//! asked for by a client over HTTP, goes through the sandboxed adapter with a credential of the
//! vault, and is answered over TLS with the recorded bytes. Out: one line for each in a table at
//! the end. Never: an expectation that the program had a part in; all are derived from the
//! recording with plain JSON.
//!
//! Recordings are looked for under `LLM_HOST_RECORDINGS` (default: `../shared/recordings` beside
//! the workspace). Without them the test says so, and tries the cases of our own alone.

mod answer;
mod azure;
mod bedrock;
mod bench;
mod case;
mod claude;
mod claude_request;
mod failure;
mod generated;
mod gpt;
mod media;
mod passing;
mod plain;
mod replay;
mod table;
mod texts;
mod vectors;

use bench::Bench;
use case::Case;
use table::{Outcome, Table};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_traffic() {
    let mut cases = Case::own();
    assert!(!cases.is_empty(), "the cases of our own are there");
    let recorded = Case::recorded();
    cases.extend(recorded);
    let bench = Bench::start(&cases).await;
    let mut table = Table::default();
    for case in &cases {
        let outcome = match case.skipped() {
            Some(reason) => Outcome::Skipped(reason),
            None => match replay::try_case(&bench, case).await {
                Ok(checks) => Outcome::Passed(checks),
                Err(reason) => Outcome::Failed(reason),
            },
        };
        table.add(&case.name, outcome);
    }
    table.write();
    assert!(table.failures().is_empty(), "{}", table.failures().join("\n\n"));
}
