//! The log of `host run`, on standard error.
//!
//! In: the configuration's `[log]`. Out: records as lines for people, or as JSON for machines. Never: a record
//! that another one's text has forged, and nothing of what AWS's library says.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::{RecordFields, VisitOutput as _};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultVisitor, Writer};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Log, LogFormat};
use crate::plain;

/// What the targets of AWS's library begin with. The host itself says what it needs to be known of
/// its work.
const INDISCREET: &str = "aws_";

/// Logs from now on.
pub(super) fn to_stderr(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&log.level)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // Whatever the filter says: this library logs the keys that it is given in answers.
    let discreet = filter_fn(|metadata| !metadata.target().starts_with(INDISCREET));
    match log.format {
        LogFormat::Text => lines.fmt_fields(Fields).finish().with(discreet).init(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .finish()
            .with(discreet)
            .init(),
    }
    Ok(())
}

/// Fields as the library writes them, whose values keep to their record.
struct Fields;

impl<'w> FormatFields<'w> for Fields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> std::fmt::Result {
        let mut record = plain::Record(&mut writer);
        let mut visitor = DefaultVisitor::new(Writer::new(&mut record), true);
        fields.record(&mut visitor);
        visitor.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_text_forges_a_record_or_steers_a_terminal() {
        let kept = Kept::default();
        let writer = kept.clone();
        let lines = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone())
            .fmt_fields(Fields);
        let hostile = "x\u{1b}[2J\nERROR forged\u{202e}";
        tracing::subscriber::with_default(lines.finish(), || {
            let _span = tracing::info_span!("request", path = %hostile).entered();
            tracing::info!(model = %hostile, quoted = hostile, "asked for {hostile}");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("model=x\\u{1b}[2J\n    ERROR forged\\u{202e}"), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        let margins: Vec<&str> = text.lines().filter(|line| !line.starts_with("    ")).collect();
        assert_eq!(margins.len(), 1, "{text}");
    }
}
