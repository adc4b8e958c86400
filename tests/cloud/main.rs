//! The clouds' identity, end to end: the real host, a plugin, and a strict fake of the cloud.
//!
//! Each fake refuses what the cloud itself would refuse, and says so in the cloud's own form.

mod aws;
mod bedrock;
mod entra;
