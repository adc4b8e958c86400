//! Components made from WIT text, right ones and wrong ones.

use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve, UnresolvedPackageGroup};

use super::*;
use crate::wit::FILES;

/// A component of world `test:it/it`, whose text is `world`, on top of the host's own package with
/// `edits` made to its text, and of `others`, the text of further packages.
fn component(edits: &[(&str, &str)], others: &[&str], world: &str) -> Vec<u8> {
    let mut map = wit_parser::SourceMap::new();
    for (name, text) in FILES {
        let mut text = (*text).to_owned();
        for (from, to) in edits {
            text = text.replace(from, to);
        }
        map.push(std::path::Path::new(name), text);
    }
    for (from, _) in edits {
        assert!(
            FILES.iter().any(|(_, text)| text.contains(from)),
            "{from:?} stands nowhere in the WIT"
        );
    }
    let mut resolve = Resolve::new();
    let ours = map.parse().map_err(|(map, e)| e.render(&map)).unwrap();
    resolve.push_group(ours).unwrap();
    for text in others {
        resolve.push_source("other.wit", text).unwrap();
    }
    let text = format!("package test:it;\nworld it {{ {world} }}");
    let group = UnresolvedPackageGroup::parse("it.wit", &text)
        .map_err(|(map, e)| e.render(&map))
        .unwrap();
    let package = resolve.push_group(group).unwrap();
    let world = resolve.select_world(&[package], Some("it")).unwrap();
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::AsyncCallback));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default()
        .module(&module)
        .unwrap()
        .validate(true)
        .encode()
        .unwrap()
}

const CHAT: &str = "include llm-host:provider/chat-provider@0.1.0;";

fn names(externs: &[Extern], role: Role) -> Vec<&str> {
    externs
        .iter()
        .filter(|item| item.role == role)
        .map(|item| item.name.as_str())
        .collect()
}

#[test]
fn a_component_of_the_package_s_own_world_is_a_plugin() {
    let report = check(&component(&[], &[], CHAT)).unwrap();
    assert_eq!(report.problems, []);
    assert!(report.is_plugin());
    assert_eq!(
        names(&report.exports, Role::Required),
        ["llm-host:provider/provider@0.1.0"]
    );
    assert_eq!(names(&report.exports, Role::Optional), ["llm-host:provider/chat@0.1.0"]);
    let chat = report.exports.iter().find(|e| e.role == Role::Optional);
    let mut functions = chat.unwrap().functions.clone();
    functions.sort_unstable();
    assert_eq!(functions, ["complete", "stream"]);
    let mut host = names(&report.imports, Role::Host);
    host.sort_unstable();
    assert_eq!(
        host,
        [
            "llm-host:provider/credentials@0.1.0",
            "llm-host:provider/host@0.1.0",
            "llm-host:provider/http@0.1.0",
            "llm-host:provider/types@0.1.0",
        ]
    );
}

#[test]
fn every_optional_interface_is_named() {
    let world = "include llm-host:provider/full-provider@0.1.0;";
    let report = check(&component(&[], &[], world)).unwrap();
    assert_eq!(report.problems, []);
    let mut interfaces: Vec<_> = report.interfaces().collect();
    interfaces.sort_unstable();
    assert_eq!(
        interfaces,
        [
            "chat",
            "completions",
            "embeddings",
            "images",
            "native",
            "provider",
            "speech"
        ]
    );
}

#[test]
fn without_provider_it_is_no_plugin() {
    let world = "export llm-host:provider/chat@0.1.0;";
    let report = check(&component(&[], &[], world)).unwrap();
    assert_eq!(report.problems, [Problem::MissingProvider]);
    assert_eq!(report.interfaces().collect::<Vec<_>>(), ["chat"]);
}

#[test]
fn exports_that_the_host_does_not_know_are_listed_and_ignored() {
    let other = "package some:other@1.2.3; interface extra { f: func(); }";
    let world = format!("{CHAT} export some:other/extra@1.2.3; export init: func();");
    let report = check(&component(&[], &[other], &world)).unwrap();
    assert_eq!(report.problems, []);
    let mut unknown = names(&report.exports, Role::Unknown);
    unknown.sort_unstable();
    assert_eq!(unknown, ["init", "some:other/extra@1.2.3"]);
}

#[test]
fn a_later_patch_release_with_more_functions_still_fits() {
    let edits = [
        ("provider@0.1.0;", "provider@0.1.7;"),
        (
            "describe: func() -> manifest;",
            "describe: func() -> manifest; warm: func();",
        ),
    ];
    let world = "include llm-host:provider/chat-provider@0.1.7;";
    let report = check(&component(&edits, &[], world)).unwrap();
    assert_eq!(report.problems, []);
}

/// Each edit of the WIT's text, and how the one problem that it makes must read.
#[test]
fn differences_from_the_wit_are_found_and_placed() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (
            &[("describe: func() -> manifest;", "describe: func() -> string;")],
            "`describe` of `llm-host:provider/provider@0.1.0` does not have the type of the WIT: \
             result: expected record manifest, found string",
        ),
        (
            &[("check-config: func(config: json)", "check-config: func(settings: json)")],
            "`check-config` of `llm-host:provider/provider@0.1.0` does not have the type of the \
             WIT: expected the parameters (config), found the parameters (settings)",
        ),
        (
            &[("list-models: async func()", "list-models: func()")],
            "`list-models` of `llm-host:provider/provider@0.1.0` does not have the type of the \
             WIT: expected an async func, found a plain func",
        ),
        (
            &[("context-window: option<u64>", "context-window: option<u32>")],
            "`list-models` of `llm-host:provider/provider@0.1.0` does not have the type of the \
             WIT: result: ok: list: field context-window: option: expected u64, found u32",
        ),
        (
            &[("result<stream<chat-event>, error>", "result<list<chat-event>, error>")],
            "`stream` of `llm-host:provider/chat@0.1.0` does not have the type of the WIT: \
             result: ok: expected stream, found list",
        ),
        (
            &[("check-config: func(config: json) -> result<_, string>;", "")],
            "exports `llm-host:provider/provider@0.1.0` without its function `check-config`",
        ),
        (
            &[(
                "acquire: func(slot: string)",
                "acquire: func(slot: string, reveal: bool)",
            )],
            "`acquire` of `llm-host:provider/credentials@0.1.0` does not have the type of the \
             WIT: expected the parameters (slot), found the parameters (slot, reveal)",
        ),
        (
            &[(
                "kind: func() -> string;",
                "kind: func() -> string; reveal: func() -> list<u8>;",
            )],
            "imports `[method]credential.reveal` of `llm-host:provider/credentials@0.1.0`, which \
             this host does not have; a newer host may",
        ),
        (
            &[(
                "enum level { trace, debug, info, warn, error }",
                "enum level { debug, error }",
            )],
            "`log` of `llm-host:provider/host@0.1.0` does not have the type of the WIT: \
             parameter level: expected the cases (trace, debug, info, warn, error), found the \
             cases (debug, error)",
        ),
    ];
    for (edits, expected) in cases {
        let report = check(&component(edits, &[], CHAT)).unwrap();
        let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems, [*expected], "after {edits:?}");
    }
}

#[test]
fn another_version_of_the_package_is_refused_by_name() {
    let edits = [("provider@0.1.0;", "provider@0.2.0;")];
    let world = "include llm-host:provider/llm-provider@0.2.0;";
    let report = check(&component(&edits, &[], world)).unwrap();
    assert!(report.problems.contains(&Problem::Version {
        name: "llm-host:provider/provider@0.2.0".to_owned(),
        supported: "0.1.x".to_owned(),
    }));
    assert!(!report.problems.contains(&Problem::MissingProvider));
    assert!(!report.is_plugin());
}

#[test]
fn an_interface_that_the_host_does_not_give_is_refused() {
    let world = format!("{CHAT} import llm-host:provider/embeddings@0.1.0;");
    let report = check(&component(&[], &[], &world)).unwrap();
    assert_eq!(
        report.problems,
        [Problem::UnknownInterface {
            name: "llm-host:provider/embeddings@0.1.0".to_owned()
        }]
    );
}

#[test]
fn imports_are_held_to_the_allowed_set() {
    let cases = [
        ("wasi:cli@0.2.6", None),
        ("wasi:random@0.3.0", None),
        ("wasi:sockets@0.2.0", None),
        (
            "wasi:http@0.2.6",
            Some("the only way out of the sandbox is `llm-host:provider/http`"),
        ),
        ("wasi:keyvalue@0.2.0", Some("allowed are")),
        ("wasi:cli@0.1.0", Some("the host has WASI 0.2.x and 0.3.x")),
        ("wasi:cli@0.3.0-rc-1", Some("the host has WASI 0.2.x and 0.3.x")),
        ("evil:wasi@0.2.0", Some("allowed are")),
        ("llm-host:other@0.1.0", Some("allowed are")),
    ];
    for (package, refused) in cases {
        let (name, version) = package.split_once('@').unwrap();
        let text = format!("package {package}; interface thing {{ f: func(); }}");
        let world = format!("{CHAT} import {name}/thing@{version};");
        let report = check(&component(&[], &[&text], &world)).unwrap();
        let import = format!("{name}/thing@{version}");
        match refused {
            None => {
                assert_eq!(report.problems, [], "{package}");
                assert_eq!(names(&report.imports, Role::Wasi), [import]);
            }
            Some(why) => {
                let [Problem::ForbiddenImport { name, reason }] = &report.problems[..] else {
                    panic!("{package}: {:?}", report.problems);
                };
                assert_eq!(*name, import);
                assert!(reason.contains(why), "{package}: {reason}");
            }
        }
    }
}

#[test]
fn a_function_imported_by_itself_is_refused() {
    let world = format!("{CHAT} import escape: func();");
    let report = check(&component(&[], &[], &world)).unwrap();
    assert_eq!(
        report.problems,
        [Problem::ForbiddenImport {
            name: "escape".to_owned(),
            reason: "only interfaces of named packages can be imported".to_owned(),
        }]
    );
}

#[test]
fn bytes_that_are_no_component_are_told_apart() {
    assert!(matches!(check(b"\0asm\x01\0\0\0"), Err(CheckError::CoreModule)));
    assert!(matches!(check(b"#!/bin/sh\n"), Err(CheckError::NotWasm)));
    assert!(matches!(check(b""), Err(CheckError::Malformed { .. })));
    assert!(matches!(check(b"\0as"), Err(CheckError::Malformed { .. })));
    assert!(matches!(
        check(b"\0asm\x63\0\x01\0"),
        Err(CheckError::Malformed { offset: 4, .. })
    ));
    let mut resolve = Resolve::new();
    let package = resolve
        .push_source("a.wit", "package a:b; interface c { f: func(); }")
        .unwrap();
    let package = wit_component::encode(&resolve, package, false).unwrap();
    assert!(matches!(check(&package), Err(CheckError::NoWorld(_))));
}

#[test]
fn a_file_cut_short_anywhere_is_malformed_or_lacks_something() {
    let whole = component(&[], &[], CHAT);
    for length in (0..whole.len()).step_by(23) {
        match check(&whole[..length]) {
            Err(CheckError::Malformed { offset, .. }) => assert!(offset <= length as u64),
            // A component may end after any of its sections; then its exports are missing.
            Ok(report) => assert!(!report.is_plugin(), "cut at {length}"),
            Err(other) => panic!("cut at {length}: {other}"),
        }
    }
}

#[test]
fn a_flipped_byte_never_panics() {
    let whole = component(&[], &[], CHAT);
    for at in (0..whole.len()).step_by(41) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        // Some flips change only a name in a debug section; what matters is an answer.
        let _answer = check(&bytes);
    }
}
