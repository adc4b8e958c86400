//! The command line, run as a user runs it.
//!
//! Each file of `cases/` is one story: files to begin with, then commands with what they must print.
//! The real `host` binary runs in a directory of its own, with nothing in its environment. `case.rs`
//! says what a file may hold.

mod case;
mod doctor;
mod sandbox;
mod served;

use std::path::Path;
use std::sync::Mutex;

use case::Case;
use sandbox::Sandbox;

#[test]
fn every_case_prints_what_it_must() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("cli/cases");
    let mut paths: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    assert!(!paths.is_empty());

    let only = std::env::var("CASE").ok();
    paths.retain(|path| {
        only.as_deref()
            .is_none_or(|only| path.file_stem().is_some_and(|stem| stem == only))
    });
    let next = Mutex::new(paths.iter());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let Some(path) = next.lock().unwrap().next() else {
                        return;
                    };
                    if let Err(error) = run(path) {
                        failures.lock().unwrap().push(format!("{}: {error:#}", path.display()));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} of {} failed\n\n{}",
        failures.len(),
        paths.len(),
        failures.join("\n\n")
    );
}

fn run(path: &Path) -> anyhow::Result<()> {
    let case = Case::read(path)?;
    let mut sandbox = Sandbox::new(&case)?;
    for (index, step) in case.steps.iter().enumerate() {
        let told = step.run.clone().unwrap_or_else(|| "a change of files".to_owned());
        sandbox
            .step(step)
            .map_err(|error| error.context(format!("step {}, {told}", index + 1)))?;
    }
    sandbox.finish()
}
