//! Whether a function of a component has the type that the WIT gives it.
//!
//! In: a function of the WIT and one of a decoded component. Out: nothing, or the first place at
//! which they differ, with both sides. Never: looks at the names of types, which are no part of
//! what crosses the boundary; names of fields, cases and parameters are.

use std::collections::HashSet;

use wit_parser::{Function, FunctionKind, Handle, Resolve, Type, TypeDefKind, TypeId, TypeOwner};

use crate::resolved::Resolved as _;

/// Where two types part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The way from the function to the place, e.g. `parameter req: field model`.
    pub place: String,
    /// What the WIT has there.
    pub expected: String,
    /// What the component has there.
    pub found: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

/// Compares functions of one component with those of the WIT; remembers the types it has found
/// equal, since most functions share theirs.
pub(super) struct Comparison<'a> {
    wit: &'a Resolve,
    component: &'a Resolve,
    equal: HashSet<(TypeId, TypeId)>,
    place: Vec<String>,
}

type Same = Result<(), Difference>;

impl<'a> Comparison<'a> {
    pub(super) fn new(wit: &'a Resolve, component: &'a Resolve) -> Self {
        Self {
            wit,
            component,
            equal: HashSet::new(),
            place: Vec::new(),
        }
    }

    pub(super) fn function(&mut self, expected: &Function, found: &Function) -> Same {
        self.place.clear();
        let sort = |function: &Function| match (&function.kind, function.kind.is_async()) {
            (FunctionKind::Getter | FunctionKind::MethodGetter(_), _) => "a getter",
            (FunctionKind::Setter | FunctionKind::MethodSetter(_), _) => "a setter",
            (_, true) => "an async func",
            (_, false) => "a plain func",
        };
        self.same(sort(expected), sort(found))?;
        self.same(
            names(expected.params.iter().map(|p| &*p.name), "parameters"),
            names(found.params.iter().map(|p| &*p.name), "parameters"),
        )?;
        for (expected, found) in expected.params.iter().zip(&found.params) {
            self.within(format!("parameter {}", expected.name), |this| {
                this.ty(expected.ty, found.ty)
            })?;
        }
        self.within("result".to_owned(), |this| this.optional(expected.result, found.result))
    }

    fn ty(&mut self, expected: Type, found: Type) -> Same {
        let expected = unalias(self.wit, expected);
        let found = unalias(self.component, found);
        match (expected, found) {
            (Type::Id(expected), Type::Id(found)) => {
                if self.equal.contains(&(expected, found)) {
                    return Ok(());
                }
                self.definition(expected, found)?;
                self.equal.insert((expected, found));
                Ok(())
            }
            _ => self.same(describe(self.wit, expected), describe(self.component, found)),
        }
    }

    fn definition(&mut self, expected_id: TypeId, found_id: TypeId) -> Same {
        // Both borrow from what outlives `self`, so that `self` stays free for the place.
        let (wit, component) = (self.wit, self.component);
        let (expected, found) = (&wit.type_def(expected_id).kind, &component.type_def(found_id).kind);
        match (expected, found) {
            (TypeDefKind::Record(e), TypeDefKind::Record(f)) => {
                self.same(
                    names(e.fields.iter().map(|x| &*x.name), "fields"),
                    names(f.fields.iter().map(|x| &*x.name), "fields"),
                )?;
                for (e, f) in e.fields.iter().zip(&f.fields) {
                    self.within(format!("field {}", e.name), |this| this.ty(e.ty, f.ty))?;
                }
                Ok(())
            }
            (TypeDefKind::Variant(e), TypeDefKind::Variant(f)) => {
                self.same(
                    names(e.cases.iter().map(|x| &*x.name), "cases"),
                    names(f.cases.iter().map(|x| &*x.name), "cases"),
                )?;
                for (e, f) in e.cases.iter().zip(&f.cases) {
                    self.within(format!("case {}", e.name), |this| this.optional(e.ty, f.ty))?;
                }
                Ok(())
            }
            (TypeDefKind::Enum(e), TypeDefKind::Enum(f)) => self.same(
                names(e.cases.iter().map(|x| &*x.name), "cases"),
                names(f.cases.iter().map(|x| &*x.name), "cases"),
            ),
            (TypeDefKind::Flags(e), TypeDefKind::Flags(f)) => self.same(
                names(e.flags.iter().map(|x| &*x.name), "flags"),
                names(f.flags.iter().map(|x| &*x.name), "flags"),
            ),
            (TypeDefKind::Tuple(e), TypeDefKind::Tuple(f)) => {
                self.same(
                    format!("a tuple of {}", e.types.len()),
                    format!("a tuple of {}", f.types.len()),
                )?;
                for (at, (e, f)) in e.types.iter().zip(&f.types).enumerate() {
                    self.within(format!("item {at}"), |this| this.ty(*e, *f))?;
                }
                Ok(())
            }
            (TypeDefKind::Result(e), TypeDefKind::Result(f)) => {
                self.within("ok".to_owned(), |this| this.optional(e.ok, f.ok))?;
                self.within("err".to_owned(), |this| this.optional(e.err, f.err))
            }
            (TypeDefKind::Option(e), TypeDefKind::Option(f)) => {
                self.within("option".to_owned(), |this| this.ty(*e, *f))
            }
            (TypeDefKind::List(e), TypeDefKind::List(f)) => self.within("list".to_owned(), |this| this.ty(*e, *f)),
            (TypeDefKind::Future(e), TypeDefKind::Future(f)) => {
                self.within("future".to_owned(), |this| this.optional(*e, *f))
            }
            (TypeDefKind::Stream(e), TypeDefKind::Stream(f)) => {
                self.within("stream".to_owned(), |this| this.optional(*e, *f))
            }
            (TypeDefKind::Handle(Handle::Own(e)), TypeDefKind::Handle(Handle::Own(f)))
            | (TypeDefKind::Handle(Handle::Borrow(e)), TypeDefKind::Handle(Handle::Borrow(f))) => {
                self.ty(Type::Id(*e), Type::Id(*f))
            }
            // What is left are resources, which are known by name, and kinds that differ or that
            // this package does not use: those are equal only if they read the same.
            _ => self.same(
                describe(wit, Type::Id(expected_id)),
                describe(component, Type::Id(found_id)),
            ),
        }
    }

    fn optional(&mut self, expected: Option<Type>, found: Option<Type>) -> Same {
        match (expected, found) {
            (Some(expected), Some(found)) => self.ty(expected, found),
            (expected, found) => self.same(
                expected.map_or_else(|| "nothing".to_owned(), |t| describe(self.wit, t)),
                found.map_or_else(|| "nothing".to_owned(), |t| describe(self.component, t)),
            ),
        }
    }

    fn within(&mut self, place: String, compare: impl FnOnce(&mut Self) -> Same) -> Same {
        self.place.push(place);
        let outcome = compare(self);
        self.place.pop();
        outcome
    }

    fn same(&self, expected: impl Into<String>, found: impl Into<String>) -> Same {
        let (expected, found) = (expected.into(), found.into());
        if expected == found {
            return Ok(());
        }
        Err(Difference {
            place: self.place.join(": "),
            expected,
            found,
        })
    }
}

fn names<'n>(names: impl Iterator<Item = &'n str>, what: &str) -> String {
    let names: Vec<&str> = names.collect();
    format!("the {what} ({})", names.join(", "))
}

fn unalias(resolve: &Resolve, mut ty: Type) -> Type {
    while let Type::Id(id) = ty {
        match resolve.type_def(id).kind {
            TypeDefKind::Type(next) => ty = next,
            _ => break,
        }
    }
    ty
}

/// A type in a word or two, as its author would write it.
fn describe(resolve: &Resolve, ty: Type) -> String {
    let id = match unalias(resolve, ty) {
        Type::Id(id) => id,
        Type::ErrorContext => return "error-context".to_owned(),
        primitive => return format!("{primitive:?}").to_lowercase(),
    };
    let def = resolve.type_def(id);
    match &def.kind {
        TypeDefKind::Resource => {
            let name = def.name.as_deref().unwrap_or("without a name");
            let owner = match def.owner {
                TypeOwner::Interface(owner) => resolve.interface(owner).name.as_deref(),
                _ => None,
            };
            match owner {
                Some(owner) => format!("resource {owner}.{name}"),
                None => format!("resource {name}"),
            }
        }
        kind => match &def.name {
            Some(name) => format!("{} {name}", kind.as_str()),
            None => kind.as_str().to_owned(),
        },
    }
}
