//! The exact commands with which an admin would allow what was refused.
//!
//! In: who wanted what. Out: one line to paste into a shell. Never: a secret. A line may name a
//! credential, so it is for the admin's log and not for the plugin; [`grant_slot`] alone names none.

use http::Method;

use super::address::{AddressClass, check};
use super::credential::Holder;
use super::origin::{Origin, Scheme};

/// Stands for a credential that only the admin can choose.
const CREDENTIAL: &str = "NAME";

/// What was refused.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// To whom.
    pub holder: &'a Holder,
    /// With which slot's credential.
    pub slot: Option<&'a str>,
    /// The credential that is in that slot, where one is.
    pub credential: Option<&'a str>,
    /// Where to.
    pub origin: &'a Origin,
}

impl Wanted<'_> {
    fn add(&self) -> String {
        let mut command = add(self.holder);
        if let Some(slot) = self.slot {
            let credential = self.credential.map_or_else(|| CREDENTIAL.to_owned(), quote);
            command.push_str(&format!(" --slot {} --credential {credential}", quote(slot)));
        }
        command
    }

    fn origin(&self) -> String {
        quote(&self.origin.to_string())
    }
}

fn add(holder: &Holder) -> String {
    let mut command = format!("host grant add {}", quote(&holder.plugin));
    if holder.provider != holder.plugin {
        command.push_str(&format!(" --provider {}", quote(&holder.provider)));
    }
    command
}

/// Gives a slot its credential, for the origins that the manifest asks for.
pub fn grant_slot(holder: &Holder, slot: &str) -> String {
    format!("{} --slot {} --credential {CREDENTIAL}", add(holder), quote(slot))
}

/// Opens an origin. One that is plainly not on the public internet, or in the clear, is opened as
/// a private one; it would be refused the next time otherwise.
pub fn grant_origin(wanted: Wanted<'_>) -> String {
    let literal = wanted
        .origin
        .address()
        .is_some_and(|address| check(address, AddressClass::Public).is_err());
    if literal || wanted.origin.scheme == Scheme::Http {
        return grant_private(wanted);
    }
    format!("{} --origin {}", wanted.add(), wanted.origin())
}

/// Opens an origin whose name leads to a private address.
pub fn grant_private(wanted: Wanted<'_>) -> String {
    format!("{} --private-origin {}", wanted.add(), wanted.origin())
}

/// Opens a method of an origin.
pub fn grant_method(wanted: Wanted<'_>, method: &Method) -> String {
    format!("{} --method {method}", grant_origin(wanted))
}

/// Opens a path of an origin.
pub fn grant_path(wanted: Wanted<'_>, path: &str) -> String {
    format!("{} --path {}", grant_origin(wanted), quote(path))
}

/// Renews a grant that has expired or that a change of the plugin's bytes has voided.
pub fn approve(grant: &str) -> String {
    format!("host grant approve {}", quote(grant))
}

/// Lets a credential go to one more host.
pub fn credential_host(credential: &str, origin: &Origin) -> String {
    format!(
        "host vault set {} --add-host {}",
        quote(credential),
        quote(&origin.to_string())
    )
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
    use crate::egress::target::parse;
    use crate::egress::testing::holder;

    #[test]
    fn commands_can_be_pasted() {
        let demo = holder();
        let team = Holder {
            provider: "team a".into(),
            ..holder()
        };
        let origin = |url: &str| parse("GET", url).unwrap().origin;
        let (api, local) = (origin("https://api.example.com/"), origin("http://[::1]:11434/"));
        let bare = Wanted {
            holder: &demo,
            slot: None,
            credential: None,
            origin: &api,
        };
        let slot = Wanted {
            slot: Some("api-key"),
            credential: Some("team/key"),
            ..bare
        };
        for (command, expected) in [
            (
                grant_slot(&demo, "api-key"),
                "host grant add demo --slot api-key --credential NAME",
            ),
            (
                grant_origin(bare),
                "host grant add demo --origin https://api.example.com",
            ),
            (
                grant_origin(Wanted { holder: &team, ..slot }),
                "host grant add demo --provider 'team a' --slot api-key --credential team/key --origin https://api.example.com",
            ),
            (
                grant_origin(Wanted { origin: &local, ..bare }),
                "host grant add demo --private-origin 'http://[::1]:11434'",
            ),
            (
                grant_method(slot, &Method::GET),
                "host grant add demo --slot api-key --credential team/key --origin https://api.example.com --method GET",
            ),
            (
                grant_path(bare, "/v1/it's"),
                r"host grant add demo --origin https://api.example.com --path '/v1/it'\''s'",
            ),
            (approve("g-1"), "host grant approve g-1"),
            (
                credential_host("team/key", &api),
                "host vault set team/key --add-host https://api.example.com",
            ),
        ] {
            assert_eq!(command, expected);
        }
    }
}
