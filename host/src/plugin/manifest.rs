//! What a plugin says of itself, checked, and its wishes filled in with a provider's settings.
//!
//! In: the record that `describe` returned. Out: a [`Manifest`] whose names are safe to print and
//! compare, and the origins a provider's instance asks for. Never: a grant; a wish allows nothing.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::bindings::base::exports::llm_host::provider::provider as wit;
use super::error::LoadError;
use super::schema;

/// A credential the plugin wants to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// Kinds of credential that fit.
    pub kinds: Vec<String>,
    /// How it wants it attached, as JSON text.
    pub attach: Arc<str>,
    /// Whether the plugin can do nothing without it.
    pub required: bool,
    /// What it is for.
    pub description: String,
}

/// A plugin's manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Its name.
    pub id: String,
    /// Its version.
    pub version: String,
    /// A name for people.
    pub title: String,
    /// What it was built with.
    pub sdk: String,
    /// Origins it wants to reach, with `{config.…}` templates.
    pub egress: Vec<String>,
    /// Credentials it wants to use.
    pub slots: Vec<Slot>,
    /// JSON Schema of its settings.
    pub config_schema: Value,
    /// What it can do beyond its interfaces.
    pub capabilities: Vec<String>,
}

const MAX_NAME: usize = 64;
const MAX_TEXT: usize = 4096;
const MAX_LIST: usize = 64;
const MAX_ORIGINS: usize = 4096;

impl Manifest {
    /// Checks a manifest as it came from the guest.
    ///
    /// # Errors
    /// Names the rule that it breaks.
    pub(super) fn check(raw: wit::Manifest) -> Result<Self, LoadError> {
        let wrong = |text: String| Err(LoadError::Manifest(text));
        if !is_name(&raw.id) {
            return wrong(format!(
                "id `{}` must be 1 to {MAX_NAME} of a-z, 0-9 and `-`",
                printable(&raw.id)
            ));
        }
        for (what, text) in [("version", &raw.version), ("title", &raw.title), ("sdk", &raw.sdk)] {
            if text.len() > MAX_TEXT || text.chars().any(char::is_control) {
                return wrong(format!("{what} must be one line of at most {MAX_TEXT} bytes"));
            }
        }
        if raw.egress.len() > MAX_LIST || raw.credentials.len() > MAX_LIST || raw.capabilities.len() > MAX_LIST {
            return wrong(format!(
                "egress, credentials and capabilities may have at most {MAX_LIST} items each"
            ));
        }
        let long = |text: &String| text.len() > MAX_TEXT;
        if raw.egress.iter().chain(&raw.capabilities).any(long) {
            return wrong(format!(
                "an item of egress or capabilities has more than {MAX_TEXT} bytes"
            ));
        }
        let config_schema = schema::read(&raw.config_schema).map_err(LoadError::Manifest)?;
        let mut slots = Vec::with_capacity(raw.credentials.len());
        for slot in raw.credentials {
            slots.push(check_slot(slot, &slots)?);
        }
        Ok(Self {
            id: raw.id,
            version: raw.version,
            title: raw.title,
            sdk: raw.sdk,
            egress: raw.egress,
            slots,
            config_schema,
            capabilities: raw.capabilities,
        })
    }

    /// The manifest of a component that has not been asked yet.
    pub(super) fn unknown() -> Self {
        Self {
            id: "unknown".into(),
            version: String::new(),
            title: String::new(),
            sdk: String::new(),
            egress: Vec::new(),
            slots: Vec::new(),
            config_schema: Value::Object(Map::new()),
            capabilities: Vec::new(),
        }
    }

    /// The slot of this name.
    pub fn slot(&self, name: &str) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.name == name)
    }

    /// Checks a provider's settings against the schema.
    ///
    /// # Errors
    /// Each thing that does not fit, with the path to it and without what is written there.
    pub fn check_settings(&self, settings: &Map<String, Value>) -> Result<(), String> {
        schema::check(&self.config_schema, settings)
    }

    /// The origins this plugin asks for under these settings. A template whose setting is absent
    /// asks for nothing.
    ///
    /// # Errors
    /// When a setting is not what its template may hold, or they come to too many.
    pub fn origins(&self, settings: &Map<String, Value>) -> Result<Vec<String>, String> {
        let mut origins = Vec::with_capacity(self.egress.len());
        for template in &self.egress {
            origins.extend(expand(template, settings)?);
            enough(origins.len())?;
        }
        Ok(origins)
    }
}

fn check_slot(raw: wit::CredentialSlot, earlier: &[Slot]) -> Result<Slot, LoadError> {
    if !is_name(&raw.name) {
        return Err(LoadError::Manifest(format!(
            "credential slot `{}` must be 1 to {MAX_NAME} of a-z, 0-9 and `-`",
            printable(&raw.name)
        )));
    }
    let long = |text: &String| text.len() > MAX_TEXT;
    if raw.kinds.len() > MAX_LIST || [&raw.attach, &raw.description].into_iter().chain(&raw.kinds).any(long) {
        return Err(LoadError::Manifest(format!(
            "credential slot `{}` has more than {MAX_LIST} kinds, or a text of more than {MAX_TEXT} bytes",
            raw.name
        )));
    }
    if earlier.iter().any(|slot| slot.name == raw.name) {
        return Err(LoadError::Manifest(format!(
            "credential slot `{}` is there twice",
            raw.name
        )));
    }
    if let Err(error) = serde_json::from_str::<Value>(&raw.attach) {
        return Err(LoadError::Manifest(format!(
            "`attach` of credential slot `{}` is not JSON: {error}",
            raw.name
        )));
    }
    Ok(Slot {
        name: raw.name,
        kinds: raw.kinds,
        attach: raw.attach.into(),
        required: raw.required,
        description: raw.description,
    })
}

/// Fills in `{config.name}` (a host label) and `{config.name*}` (a whole origin). A name may lead into
/// tables and lists, `*` standing for each member: `{config.resources.*.endpoint*}`.
fn expand(template: &str, settings: &Map<String, Value>) -> Result<Vec<String>, String> {
    let Some((before, after)) = template.split_once("{config.") else {
        return Ok(vec![template.to_owned()]);
    };
    let Some((path, after)) = after.split_once('}') else {
        return Err(format!("egress template `{template}` has no closing brace"));
    };
    let origin = path.strip_suffix('*').filter(|path| !path.ends_with('.'));
    let mut values: Vec<&Value> = Vec::new();
    let (first, rest) = match origin.unwrap_or(path).split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (origin.unwrap_or(path), None),
    };
    if let Some(value) = settings.get(first) {
        collect(value, rest, &mut values);
    }
    let tails = expand(after, settings)?;
    let count = values.len().saturating_mul(tails.len());
    enough(count)?;
    let mut out = Vec::with_capacity(count);
    for value in values {
        let filled = fill(value, path, origin.is_some(), template)?;
        out.extend(tails.iter().map(|tail| format!("{before}{filled}{tail}")));
    }
    Ok(out)
}

/// Whether so many origins may be asked for. Each `*` in a template multiplies them.
fn enough(origins: usize) -> Result<(), String> {
    if origins > MAX_ORIGINS {
        return Err(format!(
            "the settings fill the egress templates in more than {MAX_ORIGINS} ways"
        ));
    }
    Ok(())
}

/// The values at a path below a value.
fn collect<'v>(value: &'v Value, path: Option<&str>, out: &mut Vec<&'v Value>) {
    let Some(path) = path else {
        out.push(value);
        return;
    };
    let (name, rest) = match path.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    match value {
        Value::Object(members) if name == "*" => members.values().for_each(|member| collect(member, rest, out)),
        Value::Array(items) if name == "*" => items.iter().for_each(|item| collect(item, rest, out)),
        _ => {
            if let Some(member) = value.get(name) {
                collect(member, rest, out);
            }
        }
    }
}

/// A setting's value as it stands in a template.
fn fill(value: &Value, path: &str, origin: bool, template: &str) -> Result<String, String> {
    let name = if origin {
        path.strip_suffix('*').unwrap_or(path)
    } else {
        path
    };
    let Some(text) = value.as_str() else {
        return Err(format!("setting `{name}` must be a text to stand in `{template}`"));
    };
    if origin {
        origin_of(text).ok_or_else(|| format!("setting `{name}` must be an address like https://host"))
    } else if is_label(text) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "setting `{name}` must be one host label: letters, digits and `-`"
        ))
    }
}

/// Scheme, host and port of an address.
fn origin_of(address: &str) -> Option<String> {
    let url = url::Url::parse(address).ok()?;
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    Some(url.origin().ascii_serialization())
}

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn printable(text: &str) -> String {
    text.chars().take(MAX_NAME).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest(id: &str, egress: &[&str]) -> Result<Manifest, LoadError> {
        Manifest::check(wit::Manifest {
            id: id.into(),
            version: "1.0.0".into(),
            title: "T".into(),
            sdk: "s".into(),
            egress: egress.iter().map(ToString::to_string).collect(),
            credentials: vec![],
            config_schema: r#"{"type":"object","properties":{"n":{"type":"integer"}}}"#.into(),
            capabilities: vec![],
        })
    }

    fn settings(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn ids_that_could_confuse_a_reader_are_refused() {
        for id in ["", "Open", "a/b", "a b", "..", "a\u{202e}b", &"a".repeat(65)] {
            assert!(manifest(id, &[]).is_err(), "{id:?}");
        }
        assert!(manifest("azure-openai2", &[]).is_ok());
    }

    #[test]
    fn templates_take_labels_and_origins_and_nothing_else() {
        let m = manifest(
            "x",
            &[
                "https://{config.resource}.openai.azure.com",
                "{config.base*}",
                "https://a.example",
            ],
        )
        .unwrap();
        assert_eq!(m.origins(&settings(json!({}))).unwrap(), ["https://a.example"]);
        assert_eq!(
            m.origins(&settings(
                json!({"resource": "my-res", "base": "https://b.example:8443/v1/"})
            ))
            .unwrap(),
            [
                "https://my-res.openai.azure.com",
                "https://b.example:8443",
                "https://a.example"
            ]
        );
        for bad in [
            json!({"resource": "evil.example/"}),
            json!({"resource": "a.b"}),
            json!({"resource": 3}),
            json!({"base": "ftp://x"}),
            json!({"base": "https://u:p@x"}),
        ] {
            assert!(m.origins(&settings(bad.clone())).is_err(), "{bad}");
        }
    }

    #[test]
    fn templates_reach_into_tables_and_lists() {
        let m = manifest(
            "x",
            &[
                "{config.resources.*.endpoint*}",
                "https://{config.regions.*}.{config.zone}.example.com",
                "{config.mirrors.**}",
                "{config.proxy.address*}",
            ],
        )
        .unwrap();
        let given = json!({
            "resources": {"a": {"endpoint": "https://a.example/path", "x": 1}, "b": {"endpoint": "https://b.example"}, "c": {}},
            "regions": ["east", "west"], "zone": "z",
            "mirrors": ["https://m1.example", "https://m2.example"],
            "proxy": {"address": "https://p.example"}
        });
        assert_eq!(
            m.origins(&settings(given)).unwrap(),
            [
                "https://a.example",
                "https://b.example",
                "https://east.z.example.com",
                "https://west.z.example.com",
                "https://m1.example",
                "https://m2.example",
                "https://p.example"
            ]
        );
        let none = json!({"resources": {}, "regions": ["east"], "mirrors": "m", "proxy": []});
        assert_eq!(m.origins(&settings(none)).unwrap(), [""; 0]);
        for bad in [
            json!({"resources": {"a": {"endpoint": "ftp://x"}}}),
            json!({"resources": [{"endpoint": 1}]}),
            json!({"regions": ["a.b"], "zone": "z"}),
        ] {
            assert!(m.origins(&settings(bad.clone())).is_err(), "{bad}");
        }
    }

    #[test]
    fn settings_are_held_to_the_schema() {
        let m = manifest("x", &[]).unwrap();
        assert!(m.check_settings(&settings(json!({"n": 1}))).is_ok());
        let wrong = m.check_settings(&settings(json!({"n": "one"})));
        assert!(wrong.unwrap_err().contains("/n"));
    }

    #[test]
    fn what_a_manifest_makes_the_host_do_is_bounded() {
        let braces = "{config.a}".repeat(100_000);
        assert!(manifest("x", &[&braces]).is_err());
        // 2 to the power of 40 origins.
        let stars = format!("https://{}.example", "{config.a.*}".repeat(40));
        let m = manifest("x", &[&stars]).unwrap();
        let many = m.origins(&settings(json!({"a": ["b", "c"]}))).unwrap_err();
        assert!(many.contains("more than 4096"), "{many}");
        assert_eq!(m.origins(&settings(json!({"a": ["b"]}))).unwrap().len(), 1);
    }
}
