//! What the vault may not depend on.

use std::process::Command;

/// A program that only reads a vault has no use for a runtime, a network or a sandbox, and every crate here can see secrets.
#[test]
fn no_runtime_no_network_no_sandbox_and_one_set_of_ciphers_unless_the_keyring_brings_more() {
    let tree = |more: &[&str]| {
        let arguments = [
            "tree",
            "--offline",
            "--package",
            "llm-host-vault",
            "--edges",
            "normal",
            "--prefix",
            "none",
        ];
        let output = Command::new(env!("CARGO"))
            .args(arguments)
            .args(more)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .filter_map(|line| line.split(' ').next())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let all = tree(&[]);
    assert!(all.iter().any(|name| name == "ring"));
    let unwanted = [
        "tokio",
        "hyper",
        "http",
        "reqwest",
        "rustls",
        "openssl",
        "openssl-sys",
        "aws-lc-rs",
        "wasmtime",
    ];
    assert!(
        !unwanted.iter().any(|unwanted| all.iter().any(|name| name == unwanted)),
        "{all:?}"
    );
    let small = tree(&["--no-default-features"]);
    let only_for_the_keyring = ["zbus", "aes", "hkdf", "sha2"];
    assert!(
        !only_for_the_keyring
            .iter()
            .any(|unwanted| small.iter().any(|name| name == unwanted)),
        "{small:?}"
    );
}
