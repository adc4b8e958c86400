//! Subtitles of a transcript: SubRip and WebVTT.
//!
//! In: timed segments in OpenAI's form (`start`, `end` in seconds, `text`). Out: the file's text.
//! Never: a time that the provider did not give.

use std::fmt::Write as _;

use serde::Deserialize;

/// Which kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// SubRip.
    Srt,
    /// WebVTT (W3C).
    Vtt,
}

impl Format {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            // It has no registered type.
            Self::Srt => "text/plain; charset=utf-8",
            Self::Vtt => "text/vtt; charset=utf-8",
        }
    }
}

#[derive(Deserialize)]
struct Segment {
    start: f64,
    end: f64,
    text: String,
}

/// Writes the file; nothing when these are no segments.
pub(super) fn write(segments: &str, format: Format) -> Option<String> {
    let segments: Vec<Segment> = serde_json::from_str(segments).ok()?;
    let mut out = String::new();
    if format == Format::Vtt {
        out.push_str("WEBVTT\n\n");
    }
    for (number, segment) in (1..).zip(&segments) {
        if format == Format::Srt {
            let number: u64 = number;
            // Writing to a string cannot fail, here and below.
            let _ = writeln!(out, "{number}");
        }
        let (start, end) = (time(segment.start, format), time(segment.end, format));
        // A blank line ends a cue, and `-->` would begin another.
        let lines = segment.text.trim().lines().filter(|line| !line.trim().is_empty());
        let text: Vec<String> = lines.map(|line| line.replace("-->", "->")).collect();
        let _ = writeln!(out, "{start} --> {end}\n{}\n", text.join("\n"));
    }
    Some(out)
}

/// `01:02:03,004`, or with a dot.
fn time(seconds: f64, format: Format) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // It saturates at both ends.
    let all = (seconds * 1000.0).round() as u64;
    let (seconds, ms) = (all / 1000, all % 1000);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let point = match format {
        Format::Srt => ',',
        Format::Vtt => '.',
    };
    format!("{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENTS: &str = r#"[{"id":0,"start":0.0,"end":3.3199999,"text":" One --> two"},
        {"start":3725.5,"end":3726,"text":"three\n\nfour"}]"#;

    #[test]
    fn both_kinds() {
        assert_eq!(
            write(SEGMENTS, Format::Srt).unwrap(),
            "1\n00:00:00,000 --> 00:00:03,320\nOne -> two\n\n2\n01:02:05,500 --> 01:02:06,000\nthree\nfour\n\n"
        );
        assert_eq!(
            write(SEGMENTS, Format::Vtt).unwrap(),
            "WEBVTT\n\n00:00:00.000 --> 00:00:03.320\nOne -> two\n\n01:02:05.500 --> 01:02:06.000\nthree\nfour\n\n"
        );
    }

    #[test]
    fn what_has_no_times_has_no_subtitles() {
        for segments in ["null", "[{\"text\":\"a\"}]", "{}", "oops"] {
            assert_eq!(write(segments, Format::Vtt), None, "{segments}");
        }
    }
}
