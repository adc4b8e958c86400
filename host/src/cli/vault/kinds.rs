//! Kinds of credentials: their secret fields, their attributes, where they go by default.
//!
//! In: a kind's name, and the attributes and fields that somebody wrote. Out: the fields to ask
//! for, or what is wrong with the attributes, naming the right ones. Never: a secret. A kind with
//! more to it than a table's row has a file of its own below; [`variables`] says where providers'
//! own tools keep credentials in the environment.

mod aws;
mod azure;
pub(super) mod variables;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::config::keys::nearest;

/// What belongs to a credential and is not secret.
pub(super) type Attributes = BTreeMap<String, String>;

/// The attribute that tells the forms of a kind apart.
pub(super) const SOURCE: &str = "source";
/// The attribute that names the form which another stands on.
pub(super) const BASE: &str = "base";

/// A kind of credential that the host knows how to attach.
#[derive(Debug)]
pub(super) struct Kind {
    /// Its name.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) about: &'static str,
    /// Its forms: one without a name, or several that the attribute `source` tells apart.
    forms: &'static [Form],
    /// Attributes that each of its forms may have.
    common: &'static [Attribute],
    /// What is wrong with the attributes' values, if anything.
    check: fn(&Attributes) -> Result<(), String>,
    /// Where it may be sent when nothing else is said; nowhere, if the attributes do not tell.
    pub(super) hosts: fn(&Attributes) -> Vec<String>,
}

/// One form of a kind: where the secret comes from.
#[derive(Debug)]
struct Form {
    /// The value of the attribute `source`; empty for the only form of a kind.
    name: &'static str,
    /// What it is.
    about: &'static str,
    /// The secret fields it needs, where `--field` does not name others.
    fields: &'static [&'static str],
    /// Secret fields it may have besides.
    optional_fields: &'static [&'static str],
    /// The attributes of its own.
    attributes: &'static [Attribute],
    /// Whether it stands on another form, which the attribute `base` names; the first form if
    /// there is none.
    on_base: bool,
}

/// An attribute of a form.
#[derive(Debug, Clone, Copy)]
struct Attribute {
    name: &'static str,
    about: &'static str,
    required: bool,
}

impl Attribute {
    const fn required(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            about,
            required: true,
        }
    }

    const fn optional(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            about,
            required: false,
        }
    }
}

/// The secret fields of a credential that is being set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fields {
    /// Those that have to be there.
    pub(super) needed: Vec<String>,
    /// Those that may be there.
    pub(super) optional: Vec<String>,
}

const fn plain(name: &'static str, about: &'static str, forms: &'static [Form]) -> Kind {
    Kind {
        name,
        about,
        forms,
        common: &[],
        check: |_| Ok(()),
        hosts: |_| Vec::new(),
    }
}

const fn only(fields: &'static [&'static str], attributes: &'static [Attribute]) -> Form {
    Form {
        name: "",
        about: "",
        fields,
        optional_fields: &[],
        attributes,
        on_base: false,
    }
}

/// The kinds that the host attaches.
pub(super) const KINDS: &[Kind] = &[
    plain(
        "api-key",
        "one text, put where the plugin's provider wants it: a bearer token or a header",
        &[only(&["api_key"], &[])],
    ),
    plain("bearer", "sent as `Authorization: Bearer …`", &[only(&["token"], &[])]),
    plain(
        "header",
        "sent in a header of the provider's own",
        &[only(&["value"], &[])],
    ),
    plain(
        "query",
        "sent in the address; it ends up in logs",
        &[only(&["value"], &[])],
    ),
    plain(
        "basic",
        "user name and password, sent as `Authorization: Basic …`",
        &[only(&["password"], &[Attribute::required("username", "who signs in")])],
    ),
    aws::KIND,
    azure::KIND,
];

/// Fields that a provider makes up, letters and digits for the most part.
const MADE_BY_PROVIDERS: [&str; 6] = [
    "api_key",
    "token",
    "access_key_id",
    "secret_access_key",
    "session_token",
    "client_secret",
];
/// Fields of several lines.
const TEXTS: [&str; 1] = ["certificate"];

/// Why a secret cannot be what it is meant to be, such as one that was copied with what stands around it. The
/// words follow the field's name and hold nothing of the secret.
pub(super) fn unsound(field: &str, secret: &str) -> Option<&'static str> {
    let text = TEXTS.contains(&field);
    let made = MADE_BY_PROVIDERS.contains(&field);
    let quoted = |mark: char| secret.len() > 1 && secret.starts_with(mark) && secret.ends_with(mark);
    if text && !secret.contains("-----BEGIN ") {
        Some("is not PEM: it has no line `-----BEGIN …-----`")
    } else if !text && secret.contains(char::is_control) {
        Some("has a line break or another control character, which cannot be sent")
    } else if made && secret.trim() != secret {
        Some("begins or ends with a blank")
    } else if made && (quoted('"') || quoted('\'')) {
        Some("stands in quotation marks, which are not part of it")
    } else {
        None
    }
}

/// The kind of a name.
pub(super) fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

impl Kind {
    /// The secret fields that a credential with these attributes has. `written` are fields that
    /// were named on the command line; they stand in for the form's own, and a required attribute
    /// may be among them.
    ///
    /// # Errors
    /// What is wrong with the attributes, with the right ones.
    pub(super) fn fields(&self, attributes: &Attributes, written: &[String]) -> Result<Fields, String> {
        let forms = self.forms_of(attributes)?;
        self.check_names(&forms, attributes, written)?;
        (self.check)(attributes)?;
        if !written.is_empty() {
            return Ok(Fields {
                needed: written.to_vec(),
                optional: Vec::new(),
            });
        }
        let texts = |of: fn(&Form) -> &'static [&'static str]| {
            let all = forms.iter().flat_map(|form| of(form));
            all.map(|field| (*field).to_owned()).collect()
        };
        Ok(Fields {
            needed: texts(|form| form.fields),
            optional: texts(|form| form.optional_fields),
        })
    }

    /// The form that the attributes name, and the one that it stands on.
    fn forms_of(&self, attributes: &Attributes) -> Result<Vec<&'static Form>, String> {
        if let [only] = self.forms
            && only.name.is_empty()
        {
            return Ok(vec![only]);
        }
        let Some(source) = attributes.get(SOURCE) else {
            return Err(format!(
                "a credential of kind {:?} needs --source, one of\n{}",
                self.name,
                self.listed(|_| true)
            ));
        };
        let form = self.form(SOURCE, source, |_| true)?;
        if !form.on_base {
            return Ok(vec![form]);
        }
        let base = match attributes.get(BASE) {
            Some(base) => Some(self.form(BASE, base, |form| !form.on_base)?),
            None => self.forms.first(),
        };
        Ok([Some(form), base].into_iter().flatten().collect())
    }

    fn form(&self, attribute: &str, name: &str, fits: fn(&Form) -> bool) -> Result<&'static Form, String> {
        let fitting = || self.forms.iter().filter(|form| fits(form));
        fitting().find(|form| form.name == name).ok_or_else(|| {
            let near = nearest(name, fitting().map(|form| form.name));
            let near = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
            format!(
                "{name:?} is not a {attribute} of kind {:?}{near}\n{}",
                self.name,
                self.listed(fits)
            )
        })
    }

    fn listed(&self, fits: fn(&Form) -> bool) -> String {
        let fitting = self.forms.iter().filter(|form| fits(form));
        let lines: Vec<String> = fitting
            .map(|form| format!("  {:<17} {}", form.name, form.about))
            .collect();
        lines.join("\n")
    }

    fn check_names(&self, forms: &[&Form], attributes: &Attributes, written: &[String]) -> Result<(), String> {
        let of_forms = forms.iter().flat_map(|form| form.attributes);
        let known: Vec<&Attribute> = of_forms.chain(self.common).collect();
        let named = forms.first().is_some_and(|form| !form.name.is_empty());
        let what = match attributes.get(SOURCE) {
            Some(source) if named => format!("a credential of kind {:?} from {source:?}", self.name),
            _ => format!("a credential of kind {:?}", self.name),
        };
        let missing = known.iter().find(|known| {
            known.required && !attributes.contains_key(known.name) && !written.iter().any(|f| f == known.name)
        });
        if let Some(missing) = missing {
            let about = if named {
                format!(", {}", missing.about)
            } else {
                String::new()
            };
            return Err(format!("{what} needs --attribute {}=…{about}", missing.name));
        }
        if !named {
            // Whatever an admin wants to note of it.
            return Ok(());
        }
        let on_base = forms.iter().any(|form| form.on_base);
        let structural = |name: &str| name == SOURCE || (on_base && name == BASE);
        let stranger = attributes
            .keys()
            .find(|name| !structural(name) && !known.iter().any(|known| known.name == name.as_str()));
        let Some(stranger) = stranger else { return Ok(()) };
        let near = nearest(stranger, known.iter().map(|known| known.name));
        let near = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
        let mut text = format!("{what} has no attribute {stranger:?}{near}");
        for known in known {
            let required = if known.required { " (required)" } else { "" };
            let _ = write!(text, "\n  {:<17} {}{required}", known.name, known.about);
        }
        if on_base {
            let _ = write!(
                text,
                "\n  {BASE:<17} the source that it stands on, with that one's attributes"
            );
        }
        Err(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn attributes(pairs: &[(&str, &str)]) -> Attributes {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_kind_of_one_form_takes_any_further_attribute() {
        let kind = find("api-key").unwrap();
        let fields = kind.fields(&attributes(&[("team", "a")]), &[]).unwrap();
        assert_eq!((fields.needed, fields.optional), (vec!["api_key".to_owned()], vec![]));
        let named = kind.fields(&Attributes::new(), &["other".to_owned()]).unwrap();
        assert_eq!(named.needed, ["other"]);
    }

    #[test]
    fn what_an_attribute_requires_may_be_a_field() {
        let kind = find("basic").unwrap();
        let lacking = kind.fields(&Attributes::new(), &[]);
        assert_eq!(
            lacking,
            Err("a credential of kind \"basic\" needs --attribute username=…".to_owned())
        );
        let both = ["username".to_owned(), "password".to_owned()];
        assert_eq!(kind.fields(&Attributes::new(), &both).unwrap().needed, both);
    }

    #[test]
    fn names_of_forms_and_of_their_attributes_are_told_apart() {
        for kind in KINDS {
            let several = kind.forms.len() > 1;
            assert!(!kind.forms.is_empty(), "{}", kind.name);
            for form in kind.forms {
                assert_eq!(form.name.is_empty(), !several, "{} {}", kind.name, form.name);
                let mut names: Vec<&str> = form.attributes.iter().chain(kind.common).map(|one| one.name).collect();
                let count = names.len();
                names.sort_unstable();
                names.dedup();
                assert_eq!(names.len(), count, "{} {}", kind.name, form.name);
            }
        }
    }
}
