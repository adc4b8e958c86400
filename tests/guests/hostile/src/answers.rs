//! What it does instead of an answer, and what it answers when it was let.

use std::hint::black_box;

use llm_provider_sdk::host::{self, Level};
use llm_provider_sdk::types::Error;

use crate::{outward, probes};

/// Does what the model's name says.
pub(crate) async fn answer(model: &str, asked: &str) -> Result<String, Error> {
    Ok(match model {
        "echo" => asked.to_owned(),
        "spin" => spin(),
        "bomb" => bomb(),
        "panic" => panic!("on purpose: {asked}"),
        "unreachable" => core::arch::wasm32::unreachable(),
        "recurse" => recurse(0).to_string(),
        "giant" => "x".repeat(asked.parse().unwrap_or(48 << 20)),
        "not-utf8" => not_utf8(),
        "silent" => silence(),
        "logs" => logs(asked),
        "log" => {
            host::log(Level::Warn, asked);
            String::new()
        }
        "wasi" => probes::wasi(),
        "scan" => probes::scan(asked),
        "slots" => probes::slots(asked),
        "handles" => probes::handles(),
        "send" => outward::send(asked).await,
        "send-and-scan" => outward::send_and_scan(asked).await,
        "send-or-fail" => outward::send_or_fail(asked).await?,
        "follow" => outward::follow(asked).await,
        "many" => outward::many(asked),
        "drop-early" => outward::drop_early(asked).await,
        "error" => return Err(Error::upstream(asked).with_raw(asked)),
        other => return Err(Error::unsupported(format!("it knows no mischief of the name {other}"))),
    })
}

/// Computes for ever.
pub(crate) fn spin() -> ! {
    loop {
        black_box(0);
    }
}

/// Takes memory until there is none.
pub(crate) fn bomb() -> ! {
    let mut held = Vec::new();
    loop {
        held.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Calls itself until the stack is gone.
#[inline(never)]
#[expect(unconditional_recursion)]
fn recurse(depth: u64) -> u64 {
    black_box(recurse(black_box(depth + 1))) + black_box(1)
}

/// A text that is none.
pub(crate) fn not_utf8() -> String {
    // SAFETY: none; this is what the host has to notice.
    unsafe { String::from_utf8_unchecked(vec![b'a', 0xff, 0xfe, b'z']) }
}

/// Writes `asked` far too often, by every way there is, and each time far too long.
fn logs(asked: &str) -> String {
    let long = format!("{asked}\u{1b}[31m\nforged line {}", "y".repeat(10_000));
    for _ in 0..200 {
        host::log(Level::Error, &long);
        println!("{long}");
        eprintln!("{long}");
    }
    // No line break: it must not gather in the host for ever.
    for _ in 0..100 {
        print!("{}", "z".repeat(10_000));
    }
    "written".to_owned()
}

/// Waits for so long that it looks like for ever. A future that nothing can wake would not do: the
/// guest's own runtime notices, and traps.
pub(crate) fn silence() -> ! {
    loop {
        std::thread::sleep(std::time::Duration::from_secs(3600));
    }
}
