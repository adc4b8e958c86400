//! The search on machines made of shell scripts.

use super::*;

/// A machine whose programs are scripts below a directory of its own.
struct Made {
    dir: tempfile::TempDir,
    machine: Machine,
}

impl Made {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        let machine = Machine {
            rustc: at("rustc"),
            cargo: at("cargo"),
            rustup: at("rustup"),
            debian: debian::Place {
                rustc: at("usr/bin/rustc"),
                libc: at("usr/lib/wasm32-wasi"),
                llvm: at("usr/lib"),
                apt_get: at("apt-get"),
            },
        };
        let made = Self { dir, machine };
        made.script("rustc", &made.compiler("sysroot", "rustc 1.95.0 (abc 2026-04-14)"));
        made
    }

    fn compiler(&self, sysroot: &str, version: &str) -> String {
        let sysroot = self.dir.path().join(sysroot);
        format!(
            "case $1 in --print) echo {} ;; --version) echo '{version}' ;; esac",
            sysroot.display()
        )
    }

    fn script(&self, name: &str, text: &str) {
        let text = format!("#!/bin/sh\ncd {}\n{text}\n", self.dir.path().display());
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Another process writes it: a program that we ourselves had open for writing cannot be
        // run while a child forked by another test's thread still holds a copy of the handle.
        let wrote = Command::new("sh")
            .args(["-c", "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\""])
            .arg(path)
            .arg(text)
            .status();
        assert!(wrote.unwrap().success());
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn with_target(self) -> Self {
        self.file("sysroot/lib/rustlib/wasm32-wasip2/lib/libstd-1.rlib", "");
        self
    }

    fn with_linkers(self) -> Self {
        let bin = "sysroot/lib/rustlib/x86_64-unknown-linux-gnu/bin";
        self.file(&format!("{bin}/wasm-component-ld"), "");
        self.file(&format!("{bin}/gcc-ld/wasm-ld"), "");
        self
    }

    fn with_debian(self) -> Self {
        self.script("usr/bin/rustc", &self.compiler("usr", "rustc 1.96.0 (def 2026-05-28)"));
        self.file("usr/lib/rustlib/src/rust/library/std/Cargo.toml", "");
        self.file("usr/lib/wasm32-wasi/libc.a", "");
        self
    }

    fn find(&self, preference: Preference, install: Install) -> (Result<Toolchain, ToolchainError>, Vec<String>) {
        let mut said = Vec::new();
        let found = self
            .machine
            .find(preference, install, &mut |step| said.push(step.to_owned()));
        (found, said)
    }
}

fn set(toolchain: &Toolchain, name: &str) -> Option<OsString> {
    toolchain
        .cargo()
        .get_envs()
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| value.map(OsStr::to_owned))
}

#[test]
fn an_installed_target_is_taken_without_a_word() {
    let made = Made::new().with_target();
    let (found, said) = made.find(Preference::Any, Install::Allowed);
    let found = found.unwrap();
    assert_eq!(found.origin(), Origin::Installed);
    assert_eq!(
        found.to_string(),
        "rustc 1.95.0 for wasm32-wasip2, from the installed target"
    );
    assert!(said.is_empty());
    assert!(found.build_args().is_empty());
}

#[test]
fn rustup_is_asked_for_the_target() {
    let made = Made::new();
    made.script(
        "rustup",
        "[ \"$*\" = 'target add wasm32-wasip2' ] || exit 9
         mkdir -p sysroot/lib/rustlib/wasm32-wasip2/lib
         touch sysroot/lib/rustlib/wasm32-wasip2/lib/libstd-1.rlib",
    );
    let (found, said) = made.find(Preference::Any, Install::Allowed);
    assert_eq!(found.unwrap().origin(), Origin::Rustup);
    assert_eq!(said, ["running rustup target add wasm32-wasip2"]);
}

#[test]
fn debian_s_compiler_is_taken_where_rustup_has_nothing() {
    let made = Made::new().with_linkers().with_debian();
    made.script("rustup", "echo 'error: could not download file' >&2; exit 1");
    let (found, said) = made.find(Preference::Any, Install::Allowed);
    let found = found.unwrap();
    assert_eq!(found.origin(), Origin::Debian);
    assert_eq!(
        found.to_string(),
        "rustc 1.96.0 for wasm32-wasip2, from Debian's packages"
    );
    assert_eq!(said.len(), 1, "nothing more had to be installed: {said:?}");
    assert_eq!(found.build_args(), ["-Zbuild-std=std,panic_abort"]);
    let root = made.dir.path();
    assert_eq!(set(&found, "RUSTC"), Some(root.join("usr/bin/rustc").into()));
    assert_eq!(set(&found, "RUSTC_BOOTSTRAP"), Some("1".into()));
    let path = set(&found, "PATH").unwrap();
    let bin = root.join("sysroot/lib/rustlib/x86_64-unknown-linux-gnu/bin");
    let first: Vec<PathBuf> = std::env::split_paths(&path).take(2).collect();
    assert_eq!(first, [bin.clone(), bin.join("gcc-ld")]);
    let mut libraries = OsString::from("-Lnative=");
    libraries.push(root.join("usr/lib/wasm32-wasi"));
    assert_eq!(found.rustflags(), [libraries]);
}

#[test]
fn debian_s_packages_are_installed_with_linkers_only_where_they_are_missing() {
    for (linkers, packages) in [
        (true, "rustc-web rust-web-src wasi-libc"),
        (false, "rustc-web rust-web-src wasi-libc rust-web-llvm lld-22"),
    ] {
        let mut made = Made::new();
        if linkers {
            made = made.with_linkers();
        }
        made.script(
            "apt-get",
            "echo \"$*\" >> asked; [ \"$1\" = update ] || { echo 'E: none here' >&2; exit 100; }",
        );
        let (found, _) = made.find(Preference::Only(Origin::Debian), Install::Allowed);
        let error = found.unwrap_err().to_string();
        assert!(
            error.contains("apt-get failed (exit status: 100): E: none here"),
            "{error}"
        );
        let asked = std::fs::read_to_string(made.dir.path().join("asked")).unwrap();
        assert_eq!(
            asked,
            format!("update\ninstall -y --no-install-recommends {packages}\n")
        );
    }
}

#[test]
fn a_preference_leaves_the_other_ways_alone() {
    let made = Made::new().with_target().with_linkers().with_debian();
    let (found, _) = made.find(Preference::Only(Origin::Debian), Install::Never);
    assert_eq!(found.unwrap().origin(), Origin::Debian);
}

#[test]
fn nothing_is_run_that_installs_where_that_is_not_allowed() {
    let made = Made::new();
    made.script("rustup", "touch ran");
    made.script("apt-get", "touch ran");
    let (found, said) = made.find(Preference::Any, Install::Never);
    assert!(said.is_empty());
    assert!(!made.dir.path().join("ran").exists());
    let ToolchainError::Unavailable(attempts) = found.unwrap_err() else {
        panic!("a compiler is there");
    };
    assert_eq!(
        attempts.iter().map(|a| a.origin).collect::<Vec<_>>(),
        [Origin::Installed, Origin::Rustup, Origin::Debian]
    );
}

#[test]
fn the_last_word_names_every_attempt_and_what_to_run() {
    let made = Made::new();
    made.script(
        "rustup",
        "echo 'info: syncing'; echo 'error: could not download file' >&2; exit 1",
    );
    made.script("apt-get", "echo 'E: Unable to locate package rustc-web' >&2; exit 100");
    let (found, _) = made.find(Preference::Any, Install::Allowed);
    let text = found.unwrap_err().to_string();
    for part in [
        "has no such target",
        "rustup failed (exit status: 1): error: could not download file",
        "E: Unable to locate package rustc-web",
        "rustup target add wasm32-wasip2",
        "apt-get install -y --no-install-recommends rustc-web rust-web-src wasi-libc",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn without_rust_that_is_what_is_said() {
    let mut made = Made::new();
    made.machine.rustc = made.dir.path().join("nowhere");
    let (found, _) = made.find(Preference::Any, Install::Allowed);
    assert!(matches!(found, Err(ToolchainError::NoRustc(_))));
}

#[test]
fn a_component_s_build_does_not_get_the_caller_s_flags() {
    let toolchain = Made::new().with_target().machine.plain(Origin::Installed);
    let command = toolchain.cargo();
    let removed: Vec<&OsStr> = command
        .get_envs()
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| name)
        .collect();
    for name in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_TARGET_DIR",
        "CARGO_BUILD_TARGET",
    ] {
        assert!(removed.contains(&OsStr::new(name)), "{name} is passed on");
    }
}

#[test]
fn preferences_are_read_by_name() {
    assert_eq!("auto".parse(), Ok(Preference::Any));
    assert_eq!("debian".parse(), Ok(Preference::Only(Origin::Debian)));
    assert_eq!("rustup".parse(), Ok(Preference::Only(Origin::Rustup)));
    assert_eq!("installed".parse(), Ok(Preference::Only(Origin::Installed)));
    let error = "nightly".parse::<Preference>().unwrap_err();
    assert!(error.to_string().contains("auto, installed, rustup, debian"));
}
