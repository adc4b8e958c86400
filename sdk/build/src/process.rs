//! Running other programs: with a time limit, or with what they write passed on line by line.
//!
//! In: a command. Out: its exit status and what it wrote. Never: gives it our standard input, so
//! nothing can wait for an answer that nobody types.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// One piece of what a program wrote.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A line of standard output.
    Out(String),
    /// A line of standard error. A carriage return ends one too, as in progress bars.
    Err(String),
}

/// Runs to the end; each piece goes to `each` as it comes.
pub(crate) fn stream(command: &mut Command, mut each: impl FnMut(Piece)) -> io::Result<ExitStatus> {
    let (mut child, pieces) = start(command)?;
    for piece in pieces {
        each(piece);
    }
    child.wait()
}

/// Runs to the end or until `limit` has passed, when it is killed. The text is what it wrote to
/// either side.
pub(crate) fn limited(command: &mut Command, limit: Duration) -> io::Result<(Option<ExitStatus>, String)> {
    let deadline = Instant::now() + limit;
    let (mut child, pieces) = start(command)?;
    let mut text = String::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match pieces.recv_timeout(left) {
            Ok(Piece::Out(line) | Piece::Err(line)) => {
                text.push_str(&line);
                text.push('\n');
            }
            // Both sides are closed: it has ended, or is about to.
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok((Some(child.wait()?), text)),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                child.kill()?;
                child.wait()?;
                return Ok((None, text));
            }
        }
    }
}

/// What a short command writes to standard output, without the line's end; nothing when it cannot
/// be run or fails.
pub(crate) fn answer(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned())
}

fn start(command: &mut Command) -> io::Result<(Child, mpsc::Receiver<Piece>)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (sender, receiver) = mpsc::channel();
    if let Some(out) = child.stdout.take() {
        let sender = sender.clone();
        thread::spawn(move || read(out, |line| sender.send(Piece::Out(line)).is_ok()));
    }
    if let Some(err) = child.stderr.take() {
        thread::spawn(move || read(err, |line| sender.send(Piece::Err(line)).is_ok()));
    }
    Ok((child, receiver))
}

/// Passes lines on as soon as they end: a progress bar never writes a line feed.
fn read(from: impl Read, mut each: impl FnMut(String) -> bool) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        let taken = match from.fill_buf() {
            Ok([]) | Err(_) => break,
            Ok(bytes) => {
                for &byte in bytes {
                    if !matches!(byte, b'\r' | b'\n') {
                        line.push(byte);
                    } else if !line.is_empty() {
                        if !each(String::from_utf8_lossy(&line).into_owned()) {
                            return;
                        }
                        line.clear();
                    }
                }
                bytes.len()
            }
        };
        from.consume(taken);
    }
    if !line.is_empty() {
        each(String::from_utf8_lossy(&line).into_owned());
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_sides_are_read_and_carriage_returns_end_a_line() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let status = stream(
            &mut sh("printf 'a\\nb'; printf 'x\\ry\\n' >&2; exit 3"),
            |piece| match piece {
                Piece::Out(line) => out.push(line),
                Piece::Err(line) => err.push(line),
            },
        );
        assert_eq!(status.unwrap().code(), Some(3));
        assert_eq!(
            (out, err),
            (vec!["a".into(), "b".into()], vec!["x".to_owned(), "y".into()])
        );
    }

    #[test]
    fn a_program_that_hangs_is_ended_at_the_limit() {
        let limit = Duration::from_millis(100);
        let (status, _) = limited(&mut sh("exec cat /dev/zero >/dev/null"), limit).unwrap();
        assert_eq!(status, None);
    }

    #[test]
    fn a_program_within_the_limit_is_not() {
        let (status, text) = limited(&mut sh("echo a; echo b >&2; exit 4"), Duration::from_secs(60)).unwrap();
        assert_eq!(status.unwrap().code(), Some(4));
        assert_eq!(text.len(), 4);
    }

    #[test]
    fn a_failed_program_gives_no_answer() {
        assert_eq!(answer(&mut sh("echo yes")), Some("yes".to_owned()));
        assert_eq!(answer(&mut sh("echo yes; exit 1")), None);
        assert_eq!(answer(&mut Command::new("/nowhere/at/all")), None);
    }
}
