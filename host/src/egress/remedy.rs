//! The exact commands with which an admin would allow what was refused.
//!
//! In: who asked for what. Out: one line to paste into a shell. Never: the name of a credential,
//! which the plugin's log lines must not learn; a placeholder stands for it.

use http::Method;

use super::credential::Holder;
use super::origin::Origin;

/// Stands for what only the admin knows.
const CREDENTIAL: &str = "NAME";

fn add(holder: &Holder, slot: Option<&str>) -> String {
    let mut command = format!("host grant add {}", holder.plugin);
    if holder.provider != holder.plugin {
        command.push_str(&format!(" --provider {}", holder.provider));
    }
    if let Some(slot) = slot {
        command.push_str(&format!(" --slot {} --credential {CREDENTIAL}", quote(slot)));
    }
    command
}

/// Gives a slot its credential, where the origin is known.
pub fn grant_slot(holder: &Holder, slot: &str, origin: &Origin) -> String {
    format!("{} --origin {origin}", add(holder, Some(slot)))
}

/// Gives a slot its credential for whatever origins the manifest asks for.
pub fn grant_slot_of_manifest(holder: &Holder, slot: &str) -> String {
    add(holder, Some(slot))
}

/// Opens an origin.
pub fn grant_origin(holder: &Holder, slot: Option<&str>, origin: &Origin) -> String {
    format!("{} --origin {origin}", add(holder, slot))
}

/// Opens an origin whose name leads to a private address.
pub fn grant_private(holder: &Holder, slot: Option<&str>, origin: &Origin) -> String {
    format!("{} --private-origin {origin}", add(holder, slot))
}

/// Opens a method of an origin.
pub fn grant_method(holder: &Holder, slot: Option<&str>, origin: &Origin, method: &Method) -> String {
    format!("{} --origin {origin} --method {method}", add(holder, slot))
}

/// Opens a path of an origin.
pub fn grant_path(holder: &Holder, slot: Option<&str>, origin: &Origin, path: &str) -> String {
    format!("{} --origin {origin} --path {}", add(holder, slot), quote(path))
}

/// Renews a grant that has expired or that a change of the plugin's bytes has voided.
pub fn approve(grant: &str) -> String {
    format!("host grant approve {}", quote(grant))
}

/// Lets a credential go to one more host.
pub fn credential_host(credential: &str, origin: &Origin) -> String {
    format!("host vault set {} --add-host {origin}", quote(credential))
}

/// Puts a credential into the vault that a grant names.
pub fn set_credential(credential: &str) -> String {
    format!("host vault set {}", quote(credential))
}

/// Quotes for a POSIX shell what is not plainly a word.
fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+%,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::allow_list::parse;
    use crate::egress::testing::holder;

    #[test]
    fn commands_can_be_pasted() {
        let holder = holder();
        let target = parse("POST", "https://api.example.com/v1/it's").unwrap();
        assert_eq!(
            grant_slot(&holder, "api-key", &target.origin),
            "host grant add demo --slot api-key --credential NAME --origin https://api.example.com"
        );
        assert_eq!(
            grant_path(&holder, None, &target.origin, target.url.path()),
            r"host grant add demo --origin https://api.example.com --path '/v1/it'\''s'"
        );
        assert_eq!(approve("g-1"), "host grant approve g-1");
    }
}
