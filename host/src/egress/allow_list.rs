//! Where a request may go: the plugin's wish ∩ the admin's grant ∩ the credential's own hosts.
//!
//! In: what will be dialled, the origins of the plugin's manifest, its grants. Out: the grant that
//! allows it and the addresses its name may lead to, or the rule that refuses it. Never:
//! a look-up of a name; the address is checked again when it is dialled.
//!
//! Reading the URL is [`super::target`]'s. Deciding is [`decide`], which is pure.

use std::time::SystemTime;

use super::address::{self, AddressClass, AddressKind};
use super::credential::{Grant, Holder, Standing};
use super::error::{Denial, Rule};
use super::origin::{OriginPattern, any_matches};
use super::remedy::{self, Wanted};
use super::target::contains_ignore_case;

pub use super::target::{Target, parse};

/// A glob over paths: `*` stands for any characters, `/` included; everything else for itself.
///
/// A path with an encoded slash (`%2F`) matches only a glob that spells `%2F` itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathGlob(String);

impl PathGlob {
    /// Takes a glob as the grant has it.
    pub fn new(glob: impl Into<String>) -> Self {
        Self(glob.into())
    }

    /// A path that the glob means.
    pub fn example(&self) -> String {
        self.0.replace('*', "x")
    }

    /// Whether the glob means a path in canonical form.
    pub fn matches(&self, path: &str) -> bool {
        if contains_ignore_case(path, "%2f") && !contains_ignore_case(&self.0, "%2f") {
            return false;
        }
        wildcard(self.0.as_bytes(), path.as_bytes())
    }
}

/// Greedy matching with one point to come back to, which is linear enough for short globs.
fn wildcard(glob: &[u8], text: &[u8]) -> bool {
    let (mut at_glob, mut at_text) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at_text < text.len() {
        match glob.get(at_glob) {
            Some(b'*') => {
                retry = Some((at_glob + 1, at_text));
                at_glob += 1;
            }
            Some(byte) if text.get(at_text) == Some(byte) => {
                at_glob += 1;
                at_text += 1;
            }
            _ => {
                let Some((after_star, from)) = retry else { return false };
                retry = Some((after_star, from + 1));
                at_glob = after_star;
                at_text = from + 1;
            }
        }
    }
    glob.get(at_glob..)
        .is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

/// Who asks, and with what.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// Who.
    pub holder: &'a Holder,
    /// The slot whose credential is to be attached.
    pub slot: Option<&'a str>,
    /// What the plugin's manifest asks for, with its settings filled in.
    pub wish: &'a [String],
    /// The time of day.
    pub now: SystemTime,
}

/// Finds the grant that allows the target, and the addresses its name may lead to.
///
/// With a slot only the grants of that slot count. Without one, every grant of the holder does:
/// a request without a credential is less than what a slot's grant allows. Of those, the ones
/// without a slot come first; the others do not let the plugin bring an identity of its own.
///
/// # Errors
/// The rule that refuses it. Of several grants that nearly fit, the nearest names the rule.
pub fn decide<'g, G>(target: &Target, asking: Asking<'_>, grants: &'g [G]) -> Result<(&'g G, AddressClass), Denial>
where
    G: AsRef<Grant>,
{
    if !asking
        .wish
        .iter()
        .any(|wish| OriginPattern::parse(wish).is_ok_and(|wish| wish.matches(&target.origin)))
    {
        return Err(Denial::new(Rule::NotRequested {
            origin: target.origin.to_string(),
        }));
    }
    let of_slot = grants
        .iter()
        .filter(|grant| grant.as_ref().slot.as_deref() == asking.slot);
    let of_others = grants
        .iter()
        .filter(|grant| asking.slot.is_none() && grant.as_ref().slot.is_some());
    let mut candidates = of_slot.chain(of_others);
    let mut nearest: Option<Nearest<'_>> = None;
    let found = candidates.find_map(|grant| match judge(target, asking, grant.as_ref()) {
        Ok(class) => Some((grant, class)),
        Err(miss) => {
            if nearest.is_none_or(|(nearer, _)| nearer < miss) {
                nearest = Some((miss, grant.as_ref()));
            }
            None
        }
    });
    let (grant, class) = match (found, asking.slot, nearest) {
        (Some(found), _, _) => found,
        (None, Some(slot), None) => {
            let wanted = Wanted {
                holder: asking.holder,
                slot: Some(slot),
                credential: None,
                origin: &target.origin,
            };
            let remedy = remedy::grant_origin(wanted);
            return Err(Denial::with_remedy(
                Rule::SlotNotGranted { slot: slot.to_owned() },
                remedy,
            ));
        }
        (None, _, nearest) => return Err(refusal(target, asking, nearest)),
    };
    check_literal(target, asking, grant.as_ref(), class)?;
    Ok((grant, class))
}

/// The grant that comes nearest and why it does not fit.
type Nearest<'g> = (Miss, &'g Grant);

/// Why a grant does not fit, in the order of how near it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Miss {
    Origin,
    Voided,
    Expired,
    Method,
    Path,
}

fn judge(target: &Target, asking: Asking<'_>, grant: &Grant) -> Result<AddressClass, Miss> {
    let private = any_matches(&grant.private_origins, &target.origin);
    if !private && !any_matches(&grant.origins, &target.origin) {
        return Err(Miss::Origin);
    }
    match grant.standing(asking.holder, asking.now) {
        Standing::Valid => {}
        Standing::Voided => return Err(Miss::Voided),
        Standing::Expired => return Err(Miss::Expired),
    }
    if !grant.methods.is_empty() && !grant.methods.contains(&target.method) {
        return Err(Miss::Method);
    }
    let path = target.url.path();
    let path_fits = grant.paths.is_empty() || grant.paths.iter().any(|glob| glob.matches(path));
    match (path_fits, private) {
        (true, true) => Ok(AddressClass::Private),
        (true, false) => Ok(AddressClass::Public),
        (false, _) => Err(Miss::Path),
    }
}

fn refusal(target: &Target, asking: Asking<'_>, nearest: Option<Nearest<'_>>) -> Denial {
    let wanted = Wanted {
        holder: asking.holder,
        slot: asking.slot,
        credential: None,
        origin: &target.origin,
    };
    let (miss, grant) = match nearest {
        Some((Miss::Origin, grant)) if asking.slot.is_none() && grant.slot.is_some() => (Miss::Origin, None),
        Some((miss, grant)) => (miss, Some(grant)),
        None => (Miss::Origin, None),
    };
    let wanted = Wanted {
        credential: grant.and_then(|grant| grant.credential.as_deref()),
        ..wanted
    };
    let id = grant.map(|grant| &*grant.id).unwrap_or_default();
    match miss {
        Miss::Origin => Denial::with_remedy(
            Rule::NotGranted {
                origin: target.origin.to_string(),
            },
            remedy::grant_origin(wanted),
        ),
        Miss::Voided => Denial::with_remedy(Rule::GrantVoided, remedy::approve(id)),
        Miss::Expired => Denial::with_remedy(Rule::GrantExpired, remedy::approve(id)),
        Miss::Method => Denial::with_remedy(
            Rule::MethodNotGranted(target.method.to_string()),
            remedy::grant_method(wanted, &target.method),
        ),
        Miss::Path => Denial::with_remedy(Rule::PathNotGranted, remedy::grant_path(wanted, target.url.path())),
    }
}

/// An address that stands in the URL never meets the resolver, so it is checked here.
fn check_literal(target: &Target, asking: Asking<'_>, grant: &Grant, class: AddressClass) -> Result<(), Denial> {
    let Some(address) = target.origin.address() else {
        return Ok(());
    };
    let wanted = Wanted {
        holder: asking.holder,
        slot: asking.slot,
        credential: grant.credential.as_deref(),
        origin: &target.origin,
    };
    address::check(address, class).map_err(|kind| address_denial(wanted, class, kind))
}

/// The refusal of an address. A metadata service has no remedy: no grant opens it.
pub(super) fn address_denial(wanted: Wanted<'_>, class: AddressClass, kind: AddressKind) -> Denial {
    match class {
        AddressClass::Public if address::allowed_when_private(kind) => {
            Denial::with_remedy(Rule::Address(kind), remedy::grant_private(wanted))
        }
        _ => Denial::new(Rule::Address(kind)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Method;

    use super::*;
    use crate::egress::credential::Pin;
    use crate::egress::testing::{DIGEST, SIGNER, grant, holder, origins};

    #[test]
    fn globs_mean_what_they_say() {
        for (glob, path, matches) in [
            ("/v1/chat", "/v1/chat", true),
            ("/v1/chat", "/v1/chat/x", false),
            ("/v1/*", "/v1/chat/x", true),
            ("/v1/*", "/v1/", true),
            ("/v1/*", "/v1", false),
            ("/v1/*", "/v2/v1/x", false),
            ("/model/*/converse", "/model/a:0/converse", true),
            ("/model/*/converse", "/model/a/invoke", false),
            ("*", "/anything", true),
            ("/a*b*c", "/aXbYbZc", true),
            ("/a*b*c", "/aXbYbZ", false),
            ("/a.c", "/abc", false),
            ("/a?", "/ab", false),
            ("", "/", false),
            ("/model/*", "/model/a%2Fb", false),
            ("/model/*%2F*/converse", "/model/arn%2fb/converse", false),
            ("/model/*%2F*/converse", "/model/arn%2Fb/converse", true),
        ] {
            let glob = PathGlob::new(glob);
            assert_eq!(glob.matches(path), matches, "{glob:?} against {path}");
            assert!(glob.matches(&glob.example()), "{glob:?} against its example");
        }
    }

    type Decided = Result<(String, AddressClass), Rule>;

    /// Decides for a holder without a slot, with the manifest asking for these origins.
    fn decided(url: &str, wish: &[&str], grants: &[Grant]) -> Decided {
        decided_for(url, None, wish, grants)
    }

    fn decided_for(url: &str, slot: Option<&str>, wish: &[&str], grants: &[Grant]) -> Decided {
        let wish: Vec<String> = wish.iter().map(|wish| (*wish).to_owned()).collect();
        let target = parse("POST", url)?;
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let asking = Asking {
            holder: &holder(),
            slot,
            wish: &wish,
            now,
        };
        let decided = decide(&target, asking, grants);
        decided
            .map(|(grant, class)| (grant.id.to_string(), class))
            .map_err(|denial| denial.rule().clone())
    }

    const API: &str = "https://api.example.com";

    #[test]
    fn wish_and_grant_both_have_to_allow_it() {
        let url = "https://api.example.com/v1/chat";
        let granted = [Grant {
            origins: origins(&[API]),
            ..grant("g")
        }];
        let elsewhere = [Grant {
            origins: origins(&["https://other.example"]),
            ..grant("g")
        }];
        let origin = || API.to_owned();
        assert_eq!(
            decided(url, &[API], &granted),
            Ok(("g".to_owned(), AddressClass::Public))
        );
        assert_eq!(
            decided(url, &["https://*.example.com"], &granted),
            Ok(("g".to_owned(), AddressClass::Public))
        );
        assert_eq!(
            decided(url, &[], &granted),
            Err(Rule::NotRequested { origin: origin() })
        );
        assert_eq!(
            decided(url, &["not a pattern/"], &granted),
            Err(Rule::NotRequested { origin: origin() })
        );
        assert_eq!(
            decided(url, &[API], &elsewhere),
            Err(Rule::NotGranted { origin: origin() })
        );
        assert_eq!(decided(url, &[API], &[]), Err(Rule::NotGranted { origin: origin() }));
    }

    #[test]
    fn plain_http_needs_a_pattern_that_says_so() {
        let url = "http://api.example.com/v1";
        let plain = "http://api.example.com";
        let https = [Grant {
            origins: origins(&[API]),
            ..grant("g")
        }];
        let http = [Grant {
            origins: origins(&[plain]),
            ..grant("g")
        }];
        assert_eq!(
            decided(url, &[API, plain], &https),
            Err(Rule::NotGranted {
                origin: plain.to_owned()
            })
        );
        assert_eq!(
            decided(url, &[API, plain], &http),
            Ok(("g".to_owned(), AddressClass::Public))
        );
    }

    #[test]
    fn only_a_private_origin_opens_private_addresses() {
        let local = "http://127.0.0.1:11434";
        let metadata = "http://169.254.169.254";
        let wish = [local, metadata, "https://gateway.internal.example"];
        let open = [Grant {
            origins: origins(&[local, metadata]),
            ..grant("g")
        }];
        let private = [Grant {
            private_origins: origins(&[local, metadata, "https://gateway.internal.example"]),
            ..grant("g")
        }];
        assert_eq!(
            decided("http://127.0.0.1:11434/api", &wish, &open),
            Err(Rule::Address(AddressKind::Loopback))
        );
        assert_eq!(
            decided("http://127.0.0.1:11434/api", &wish, &private),
            Ok(("g".to_owned(), AddressClass::Private))
        );
        let class = decided("https://gateway.internal.example/", &wish, &private).map(|(_, class)| class);
        assert_eq!(class, Ok(AddressClass::Private));
        for grants in [&open, &private] {
            assert_eq!(
                decided("http://169.254.169.254/", &wish, grants),
                Err(Rule::Address(AddressKind::Metadata))
            );
        }
    }

    #[test]
    fn the_nearest_grant_names_the_rule() {
        let url = "https://api.example.com/v1/chat";
        let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let base = || Grant {
            origins: origins(&[API]),
            ..grant("g")
        };
        let voided = Grant {
            pin: Pin::Digest([0; 32]),
            ..base()
        };
        let unsigned = Grant {
            pin: Pin::Signer(SIGNER),
            ..base()
        };
        let expired = Grant {
            expires: Some(past),
            ..base()
        };
        let later = Grant {
            expires: Some(past + Duration::from_secs(1)),
            ..base()
        };
        let get = Grant {
            methods: vec![Method::GET],
            ..base()
        };
        let models = Grant {
            paths: vec![PathGlob::new("/v1/models")],
            ..base()
        };
        let elsewhere = Grant {
            origins: origins(&["https://other.example"]),
            ..grant("g")
        };
        let ok = Ok(("g".to_owned(), AddressClass::Public));
        let table: Vec<(Vec<Grant>, Decided)> = vec![
            (vec![voided.clone()], Err(Rule::GrantVoided)),
            (vec![unsigned], Err(Rule::GrantVoided)),
            (vec![expired.clone()], Err(Rule::GrantExpired)),
            (vec![later], ok.clone()),
            (vec![get.clone()], Err(Rule::MethodNotGranted("POST".to_owned()))),
            (vec![models.clone()], Err(Rule::PathNotGranted)),
            (
                vec![elsewhere, voided.clone(), expired, get, models.clone()],
                Err(Rule::PathNotGranted),
            ),
            (vec![voided, models, base()], ok),
        ];
        for (grants, expected) in table {
            let ids = format!("{grants:?}");
            assert_eq!(decided(url, &[API], &grants), expected, "{ids}");
        }
    }

    #[test]
    fn a_signers_grant_covers_every_component_of_the_signer() {
        let signed = Holder {
            digest: [9; 32],
            signer: Some(SIGNER),
            ..holder()
        };
        let now = SystemTime::UNIX_EPOCH;
        assert_eq!(
            Grant {
                pin: Pin::Signer(SIGNER),
                ..grant("g")
            }
            .standing(&signed, now),
            Standing::Valid
        );
        assert_eq!(
            Grant {
                pin: Pin::Digest(DIGEST),
                ..grant("g")
            }
            .standing(&signed, now),
            Standing::Voided
        );
        let other = Holder {
            signer: Some([1; 32]),
            ..holder()
        };
        assert_eq!(
            Grant {
                pin: Pin::Signer(SIGNER),
                ..grant("g")
            }
            .standing(&other, now),
            Standing::Voided
        );
    }

    #[test]
    fn with_a_slot_only_its_own_grants_count() {
        let url = "https://api.example.com/v1/chat";
        let bare = Grant {
            origins: origins(&[API]),
            ..grant("bare")
        };
        let slot = Grant {
            slot: Some("api-key".into()),
            credential: Some("c".into()),
            ..bare.clone()
        };
        let slot = Grant {
            id: "slot".into(),
            ..slot
        };
        let both = [slot, bare.clone()];
        let id = |result: Decided| result.map(|(id, _)| id);
        assert_eq!(
            id(decided_for(url, Some("api-key"), &[API], &both)),
            Ok("slot".to_owned())
        );
        assert_eq!(id(decided_for(url, None, &[API], &both)), Ok("bare".to_owned()));
        let refused = Rule::SlotNotGranted {
            slot: "api-key".to_owned(),
        };
        assert_eq!(id(decided_for(url, Some("api-key"), &[API], &[bare])), Err(refused));
    }

    #[test]
    fn where_paths_are_named_an_encoded_slash_needs_a_glob_that_spells_it() {
        let url = "https://api.example.com/model/arn%2Fx/converse";
        let base = || Grant {
            origins: origins(&[API]),
            ..grant("g")
        };
        let any = Grant {
            paths: vec![PathGlob::new("/model/*")],
            ..base()
        };
        let spelt = Grant {
            paths: vec![PathGlob::new("/model/*%2F*/converse")],
            ..base()
        };
        assert!(decided(url, &[API], &[base()]).is_ok());
        assert_eq!(decided(url, &[API], &[any]), Err(Rule::PathNotGranted));
        assert!(decided(url, &[API], &[spelt]).is_ok());
    }

    #[test]
    fn the_plugin_reads_the_rule_and_the_admin_the_command() {
        let target = parse("POST", "https://api.example.com/v1").unwrap();
        let wish = [API.to_owned()];
        let holder = holder();
        let asking = Asking {
            holder: &holder,
            slot: None,
            wish: &wish,
            now: SystemTime::UNIX_EPOCH,
        };
        let denial = decide::<Grant>(&target, asking, &[]).unwrap_err();
        assert_eq!(
            denial.to_string(),
            "egress rule `grant`: `https://api.example.com` is not granted to this plugin"
        );
        assert_eq!(
            denial.remedy(),
            Some("host grant add demo --origin https://api.example.com")
        );
        assert!(!format!("{denial:?}").contains("host grant"));
    }
}
