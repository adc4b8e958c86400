//! Debian's packages as a toolchain for `wasm32-wasip2`.
//!
//! In: the machine's own cargo and sysroot. Out: a toolchain that builds the standard library from
//! `rust-web-src` with the rustc of `rustc-web`, whose versions are the same, and links with
//! `wasi-libc`. Never: touches the Rust toolchain that is there; both stay side by side.
//!
//! Only `rustc` of that package is used. Cargo, the linker `wasm-component-ld` and `wasm-ld` come
//! from the machine's own toolchain where it has them (rustup's do), else from `rust-web-llvm`
//! and `lld`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Install, Origin, Toolchain, run_to_end, version};
use crate::process;

/// A compiler with the sources of its standard library, and the C library that it links with.
const PACKAGES: &[&str] = &["rustc-web", "rust-web-src", "wasi-libc"];

/// The linkers, where the machine's own toolchain has none.
const LINKER_PACKAGES: &[&str] = &["rust-web-llvm", "lld-22"];

/// Some hundred megabytes may have to be fetched.
const APT_LIMIT: Duration = Duration::from_secs(900);

/// The commands that bring the packages, for a person to run.
pub(super) fn commands() -> String {
    format!(
        "apt-get update && apt-get install -y --no-install-recommends {}",
        PACKAGES.join(" ")
    )
}

/// Where the packages' files are.
pub(super) struct Place {
    pub(super) rustc: PathBuf,
    pub(super) libc: PathBuf,
    pub(super) llvm: PathBuf,
    pub(super) apt_get: PathBuf,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            rustc: "/usr/bin/rustc".into(),
            libc: "/usr/lib/wasm32-wasi".into(),
            llvm: "/usr/lib".into(),
            apt_get: "apt-get".into(),
        }
    }
}

impl Place {
    pub(super) fn find(
        &self,
        cargo: &Path,
        sysroot: &Path,
        install: Install,
        say: &mut dyn FnMut(&str),
    ) -> Result<Toolchain, String> {
        match self.toolchain(cargo, sysroot) {
            Err(reason) if install == Install::Never => return Err(reason),
            Err(_) => {}
            found => return found,
        }
        let mut packages = PACKAGES.to_vec();
        if self.linkers(sysroot).is_err() {
            packages.extend(LINKER_PACKAGES);
        }
        say(&format!("installing Debian's {}", packages.join(", ")));
        // The lists may be old or missing; if they cannot be renewed, the install says so.
        let mut update = Command::new(&self.apt_get);
        update.arg("update").env("DEBIAN_FRONTEND", "noninteractive");
        let updated = run_to_end(&mut update, APT_LIMIT);
        let mut command = Command::new(&self.apt_get);
        command
            .args(["install", "-y", "--no-install-recommends"])
            .args(&packages)
            .env("DEBIAN_FRONTEND", "noninteractive");
        run_to_end(&mut command, APT_LIMIT).map_err(|reason| updated.err().unwrap_or(reason))?;
        self.toolchain(cargo, sysroot)
    }

    /// The toolchain from what is there; the error says what is missing.
    fn toolchain(&self, cargo: &Path, sysroot: &Path) -> Result<Toolchain, String> {
        let mut ask = Command::new(&self.rustc);
        let own_sysroot = process::answer(ask.args(["--print", "sysroot"]))
            .map(PathBuf::from)
            .ok_or_else(|| format!("{} is missing", self.rustc.display()))?;
        let sources = own_sysroot.join("lib/rustlib/src/rust/library/std/Cargo.toml");
        if !sources.is_file() {
            return Err(format!("{} is missing", sources.display()));
        }
        if !self.libc.join("libc.a").is_file() {
            return Err(format!("{}/libc.a is missing", self.libc.display()));
        }
        let path = self.linkers(sysroot)?;
        let mut search = path.clone();
        search.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
        let search = std::env::join_paths(search).map_err(|error| error.to_string())?;
        let mut libraries = OsString::from("-Lnative=");
        libraries.push(&self.libc);
        Ok(Toolchain {
            origin: Origin::Debian,
            version: version(&self.rustc),
            cargo: cargo.to_owned(),
            rustflags: vec![libraries],
            set: vec![
                ("PATH", search),
                ("RUSTC", self.rustc.clone().into()),
                // `-Zbuild-std` is not stable; this is how a released compiler is told to take it.
                ("RUSTC_BOOTSTRAP", "1".into()),
            ],
            build_args: vec!["-Zbuild-std=std,panic_abort"],
        })
    }

    /// Directories that hold `wasm-component-ld` and `wasm-ld`.
    fn linkers(&self, sysroot: &Path) -> Result<Vec<PathBuf>, String> {
        let mut places = Vec::new();
        for root in [sysroot.join("lib"), self.llvm.clone()] {
            for host in subdirectories(&root.join("rustlib")) {
                places.push(host.join("bin"));
                places.push(host.join("bin/gcc-ld"));
            }
        }
        for llvm in subdirectories(&self.llvm) {
            if llvm
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"llvm-"))
            {
                places.push(llvm.join("bin"));
            }
        }
        let mut found = Vec::new();
        for program in ["wasm-component-ld", "wasm-ld"] {
            let place = places
                .iter()
                .find(|place| place.join(program).is_file())
                .ok_or_else(|| format!("{program} is missing"))?;
            found.push(place.clone());
        }
        Ok(found)
    }
}

fn subdirectories(of: &Path) -> Vec<PathBuf> {
    let Ok(entries) = of.read_dir() else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}
