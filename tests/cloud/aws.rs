//! AWS: signed requests, and each source that keys may come from.
