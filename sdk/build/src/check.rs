//! What a component imports and exports, and whether the host can take it as a plugin.
//!
//! In: the bytes of a `.wasm` file. Out: a [`Report`] that lists imports and exports and every
//! [`Problem`], or a [`CheckError`] when the bytes are no component at all. Never: compiles or
//! runs any of it, so it is safe on bytes that nobody trusts yet.
//!
//! Allowed imports are the host's own interfaces (`llm-host:provider/{host,credentials,http,types}`)
//! and the WASI interfaces that every guest toolchain's runtime wants ([`WASI_PACKAGES`], of the
//! releases in [`WASI_RELEASES`]), which the host links with nothing in them. `wasi:http` is not
//! among them: it would be a second way out of the sandbox.

mod report;
mod shape;

use wasmparser::{Parser, Validator, WasmFeatures};
use wit_parser::decoding::{DecodedWasm, decode};
use wit_parser::{InterfaceId, PackageName, Resolve, WorldItem, WorldKey};

pub use self::report::{CheckError, Extern, Problem, Report, Role};
pub use self::shape::Difference;
use crate::resolved::Resolved as _;
use crate::wit::{NAMESPACE, PACKAGE, Package, REQUIRED};

/// WASI packages that a plugin may import.
pub const WASI_PACKAGES: &[&str] = &["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// WASI releases, as major and minor number, that a plugin may import.
pub const WASI_RELEASES: &[(u64, u64)] = &[(0, 2), (0, 3)];

/// Reads a component and compares it with the WIT.
///
/// Interfaces of any patch release of the WIT package's version are compared function by function:
/// an import must be one the host provides, with the same types; an export must have all functions
/// the host calls, with the same types. Exports that the host does not know are listed and ignored.
///
/// # Errors
///
/// [`CheckError`] when the bytes are not a component. Everything else is a [`Problem`] in the
/// report.
pub fn check(bytes: &[u8]) -> Result<Report, CheckError> {
    if !Parser::is_component(bytes) {
        return Err(if Parser::is_core_wasm(bytes) {
            CheckError::CoreModule
        } else if b"\0asm".starts_with(bytes.get(..4).unwrap_or(bytes)) && bytes.len() < 8 {
            malformed(bytes.len() as u64, "the header breaks off")
        } else if bytes.starts_with(b"\0asm") {
            malformed(4, "unknown format version")
        } else {
            CheckError::NotWasm
        });
    }
    // All of the file is validated, function bodies too, before anything is made of it. Every
    // proposal is let through: which ones run is for the engine to say.
    Validator::new_with_features(WasmFeatures::all())
        .validate_all(bytes)
        .map_err(|error| malformed(error.offset(), error.message()))?;
    let (resolve, world) = match decode(bytes) {
        Ok(DecodedWasm::Component(resolve, world)) => (resolve, world),
        Ok(DecodedWasm::WitPackage(..)) => {
            return Err(CheckError::NoWorld("it is a WIT package in binary form".to_owned()));
        }
        Err(error) => return Err(CheckError::NoWorld(format!("{error:#}"))),
    };
    let package = Package::load()?;
    let world = resolve.world(world);
    let mut check = Check {
        comparison: shape::Comparison::new(&package.resolve, &resolve),
        package: &package,
        component: &resolve,
        problems: Vec::new(),
    };
    let mut exports: Vec<Extern> = world
        .exports
        .iter()
        .map(|(key, item)| check.export(key, item))
        .collect();
    // In the component they stand as the linker came by them.
    exports.sort_by(|one, other| one.name.cmp(&other.name));
    let imports = world
        .imports
        .iter()
        .map(|(key, item)| check.import(key, item))
        .collect();
    let mut problems = check.problems;
    // With a `provider` of another version the version is what is wrong, not its absence.
    if !exports
        .iter()
        .any(|export| export.interface.as_deref() == Some(REQUIRED))
    {
        problems.insert(0, Problem::MissingProvider);
    }
    Ok(Report {
        exports,
        imports,
        problems,
    })
}

fn malformed(offset: u64, message: &str) -> CheckError {
    CheckError::Malformed {
        offset,
        message: message.to_owned(),
    }
}

/// The comparison of one component.
struct Check<'a> {
    package: &'a Package,
    component: &'a Resolve,
    comparison: shape::Comparison<'a>,
    problems: Vec<Problem>,
}

impl<'a> Check<'a> {
    fn export(&mut self, key: &WorldKey, item: &WorldItem) -> Extern {
        let mut listed = self.listed(key, item);
        let Some((id, name)) = self.of_our_package(key, item) else {
            return listed;
        };
        listed.interface = Some(name.to_owned());
        let Some(expected) = self.package.export(name) else {
            return listed;
        };
        if !self.version_fits(id, &listed.name) {
            return listed;
        }
        listed.role = if name == REQUIRED {
            Role::Required
        } else {
            Role::Optional
        };
        let wit = self.package.resolve.interface(expected);
        let found = self.component.interface(id);
        for (function, expected) in &wit.functions {
            match found.functions.get(function) {
                None => self.problems.push(Problem::MissingFunction {
                    interface: listed.name.clone(),
                    function: function.clone(),
                }),
                Some(found) => self.compare(&listed.name, expected, found),
            }
        }
        listed
    }

    fn import(&mut self, key: &WorldKey, item: &WorldItem) -> Extern {
        let mut listed = self.listed(key, item);
        let Some((id, name)) = self.of_our_package(key, item) else {
            match self.foreign_import(key, item) {
                Ok(()) => listed.role = Role::Wasi,
                Err(reason) => self.problems.push(Problem::ForbiddenImport {
                    name: listed.name.clone(),
                    reason,
                }),
            }
            return listed;
        };
        listed.interface = Some(name.to_owned());
        if !self.version_fits(id, &listed.name) {
            return listed;
        }
        let Some(expected) = self.package.import(name) else {
            self.problems.push(Problem::UnknownInterface {
                name: listed.name.clone(),
            });
            return listed;
        };
        listed.role = Role::Host;
        let wit = self.package.resolve.interface(expected);
        let found = self.component.interface(id);
        for (function, found) in &found.functions {
            match wit.functions.get(function) {
                None => self.problems.push(Problem::UnknownFunction {
                    interface: listed.name.clone(),
                    function: function.clone(),
                }),
                Some(expected) => self.compare(&listed.name, expected, found),
            }
        }
        listed
    }

    fn compare(&mut self, interface: &str, expected: &wit_parser::Function, found: &wit_parser::Function) {
        if let Err(difference) = self.comparison.function(expected, found) {
            self.problems.push(Problem::WrongType {
                interface: interface.to_owned(),
                function: expected.name.clone(),
                difference,
            });
        }
    }

    fn listed(&self, key: &WorldKey, item: &WorldItem) -> Extern {
        let name = match key {
            WorldKey::Name(name) => name.clone(),
            WorldKey::Interface(id) => self
                .component
                .id_of(*id)
                .unwrap_or_else(|| "(without a name)".to_owned()),
        };
        let functions = match item {
            WorldItem::Interface { id, .. } => self.component.interface(*id).functions.keys().cloned().collect(),
            WorldItem::Function(_) | WorldItem::Type { .. } => Vec::new(),
        };
        Extern {
            name,
            interface: None,
            role: Role::Unknown,
            functions,
        }
    }

    /// The interface and its name, where it belongs to `llm-host:provider`.
    fn of_our_package(&self, key: &WorldKey, item: &WorldItem) -> Option<(InterfaceId, &'a str)> {
        let component: &'a Resolve = self.component;
        let (WorldKey::Interface(_), WorldItem::Interface { id, .. }) = (key, item) else {
            return None;
        };
        let package = self.package_of(*id)?;
        let name = component.interface(*id).name.as_deref()?;
        (package.namespace == NAMESPACE && package.name == PACKAGE).then_some((*id, name))
    }

    fn package_of(&self, id: InterfaceId) -> Option<&'a PackageName> {
        let component: &'a Resolve = self.component;
        component
            .interface(id)
            .package
            .map(|package| &component.package(package).name)
    }

    /// Notes a problem unless the interface is of a patch release of the version we have.
    fn version_fits(&mut self, id: InterfaceId, name: &str) -> bool {
        let (major, minor, _) = self.package.version();
        let fits = self
            .package_of(id)
            .and_then(|package| package.version.as_ref())
            .is_some_and(|v| (v.major, v.minor) == (major, minor) && v.pre.is_empty());
        if !fits {
            self.problems.push(Problem::Version {
                name: name.to_owned(),
                supported: format!("{major}.{minor}.x"),
            });
        }
        fits
    }

    /// Whether an import from outside the host's package may be there; the error is the reason.
    fn foreign_import(&self, key: &WorldKey, item: &WorldItem) -> Result<(), String> {
        let package = match (key, item) {
            (WorldKey::Interface(_), WorldItem::Interface { id, .. }) => self.package_of(*id),
            _ => None,
        };
        let Some(package) = package else {
            return Err("only interfaces of named packages can be imported".to_owned());
        };
        if package.namespace != "wasi" || !WASI_PACKAGES.contains(&&*package.name) {
            return Err(if package.namespace == "wasi" && package.name == "http" {
                format!("the only way out of the sandbox is `{NAMESPACE}:{PACKAGE}/http`")
            } else {
                format!(
                    "allowed are `{NAMESPACE}:{PACKAGE}` and `wasi:{{{}}}`",
                    WASI_PACKAGES.join(",")
                )
            });
        }
        let fits = package
            .version
            .as_ref()
            .is_some_and(|v| v.pre.is_empty() && WASI_RELEASES.contains(&(v.major, v.minor)));
        if fits {
            return Ok(());
        }
        let releases: Vec<String> = WASI_RELEASES
            .iter()
            .map(|(major, minor)| format!("{major}.{minor}.x"))
            .collect();
        Err(format!("the host has WASI {}", releases.join(" and ")))
    }
}

#[cfg(test)]
mod tests;
