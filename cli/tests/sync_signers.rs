//! `gatewright sync` follows only commits that an allowed key has signed, where it is told so.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use std::process::Command;

use gatewright_testkit::git::TempRepo;
use serde_json::Value;

const MANIFEST: &str =
    "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {ports: [{port: 80}]}\n";
/// A key that was made for this test and thrown away.
const SIGNER: &str =
    "me@example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEyMOPrUK5a28WVOUacuONsvcK6BacNYcP0Woq+EyY1U me\n";
const STRANGER: &str =
    "me@example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDeQ7jIPzz1+Bzy4ZlkpWnOi6CVDozJY72n8S26Qw4uU me\n";
/// What `ssh-keygen -Y sign -n git` made of the first commit of the test.
const SIGNATURE: &str = "\
-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgTIw4+tQrlrbxZU5Rpy442y9wro
Fpw1hw/Rair4TJjVQAAAADZ2l0AAAAAAAAAAZzaGE1MTIAAABTAAAAC3NzaC1lZDI1NTE5
AAAAQB6w4xb6AR5aNNxloZB3kiH/3eFNH08YgwM1ttHFW5hRMMLpHeFxniz0b6OyQoDoK0
FylKc/J0HO2agwgCBdvgA=
-----END SSH SIGNATURE-----
";

/// Replaces the last commit by the same one with a signature.
fn sign(repository: &TempRepo) -> String {
    let commit = repository.git(&["cat-file", "commit", "HEAD"]);
    let (head, message) = commit.split_once("\n\n").unwrap();
    let header = SIGNATURE.trim().replace('\n', "\n ");
    let file = repository.path().join(".git/signed");
    std::fs::write(&file, format!("{head}\ngpgsig {header}\n\n{message}\n")).unwrap();
    let id = repository.git(&["hash-object", "-t", "commit", "-w", file.to_str().unwrap()]);
    repository.git(&["update-ref", "refs/heads/main", &id]);
    id
}

#[test]
fn only_what_an_allowed_key_has_signed_is_followed() {
    let repository = TempRepo::new();
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "sync:\n  source: {{repository: {}, revision: main, signers: signers}}\n  targets: [{{control: nobody.sock}}]\n  statusFile: s.json\n",
        repository.path().display()
    );
    std::fs::write(folder.path().join("gatewright.yaml"), settings).unwrap();
    let round = |signers: &str| {
        std::fs::write(folder.path().join("signers"), signers).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatewright"));
        command.env("GATEWRIGHT_STATE_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/state"));
        command.current_dir(folder.path()).args(["sync", "--once"]).output().unwrap();
        let status = std::fs::read(folder.path().join("s.json")).unwrap();
        serde_json::from_slice::<Value>(&status).unwrap()
    };
    let unsigned = repository.write("web.yaml", MANIFEST).commit("one");
    let status = round(SIGNER);
    assert_eq!(status["unreadable"], format!("commit {unsigned} is not trusted: it has no signature"));
    assert_eq!((&status["model"], &status["revision"]), (&Value::Null, &unsigned.as_str().into()));
    let signed = sign(&repository);
    let status = round(SIGNER);
    assert_eq!((&status["unreadable"], &status["revision"]), (&Value::Null, &signed.as_str().into()));
    assert!(status["model"].is_string());
    let foreign = format!("commit {signed} is not trusted: the key that signed it is not an allowed one");
    assert_eq!(round(STRANGER)["unreadable"], foreign);
    let unusable = round("me@example.com ssh-rsa AAAA\n")["unreadable"].clone();
    assert!(unusable.as_str().unwrap().contains("cannot be used: line 1: "), "{unusable}");
}
