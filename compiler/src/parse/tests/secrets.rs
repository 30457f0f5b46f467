//! Secrets are decoded, and never shown.

use super::*;

const MARK: &str = "c3VwZXItc2VjcmV0"; // super-secret

fn secret(lines: &str) -> String {
    format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\n{lines}")
}

#[test]
fn data_is_decoded_and_string_data_wins() {
    let text = secret(&format!(
        "type: example.com/own\ndata:\n  a: {MARK}\n  b: YQ==\n  c: |\n    YWJj\n    ZGVm\nstringData:\n  b: plain\n"
    ));
    let Body::Secret(secret) = body(&text) else { panic!("a Secret") };
    assert_eq!(secret.secret_type, "example.com/own");
    let data: Vec<(&str, &[u8])> = secret.data.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(data, [("a", b"super-secret".as_slice()), ("b", b"plain"), ("c", b"abcdef")]);
}

#[test]
fn what_is_not_base64_is_named_by_key() {
    check(&secret("data:\n  tls.key: not!base64\n"), &["GW0102 5:3 `tls.key` data.tls.key is not base64"]);
}

/// Everything that a finding can print, but for the place.
fn printed(text: &str) -> String {
    let parsed = parse(text);
    assert!(!parsed.findings.is_empty());
    let findings = parsed.findings.iter().map(|finding| {
        let related: Vec<&String> = finding.related.iter().map(|(_, text)| text).collect();
        let fix = finding.fix.as_ref().map(|fix| &fix.replacement);
        format!("{} {related:?} {:?} {:?} {fix:?}\n", finding.message, finding.notes, finding.help)
    });
    findings.collect::<String>() + &format!("{:?}", parsed.manifests)
}

#[test]
fn no_finding_holds_a_value() {
    for lines in [
        "data:\n  a: super-secret!\n",
        "data: super-secret\n",
        "data: [super-secret]\n",
        "data:\n  a: 0123456\n",
        "data:\n  a: [super-secret]\n",
        "stringData:\n  a: 0123456\n",
        "stringData:\n  a: 123456\n",
        "stringData:\n  a: yes\n",
        "stringData:\n  a: !vault super-secret\n",
        "stringData:\n  a: !!int super-secret\n",
        "type: 123456\n",
        "immutable: super-secret\n",
        "data:\n  a: super-secret\n  a: super-secret\n",
        "stringData:\n  a: super-secret: x\n",
        "stringData:\n  a: \"super-secret\\q\"\n",
        "stringData:\n  a: @super-secret\n",
        "stringData:\n  a: &super-secret [*super-secret]\n",
    ] {
        let printed = printed(&secret(lines));
        for value in ["super-secret", "123456", "42798"] {
            assert!(!printed.contains(value), "{lines:?} prints {printed}");
        }
    }
}

#[test]
fn no_finding_holds_a_plugins_configuration() {
    for lines in [
        "  defaultConfig: super-secret\n",
        "  defaultConfig: {token: 0123456}\n",
        "  defaultConfig: {token: .inf, key: !vault super-secret}\n",
        "  matchRules: [{config: super-secret}]\n",
        "  pluginConfig: [super-secret]\n",
        "  vmConfig: {env: [{name: a, value: 123456}]}\n",
    ] {
        let text = format!(
            "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{name: p}}\nspec:\n{lines}"
        );
        let parsed = parse(&text);
        for finding in &parsed.findings {
            let printed = format!("{} {:?} {:?}", finding.message, finding.notes, finding.help);
            for value in ["super-secret", "123456", "42798"] {
                assert!(!printed.contains(value), "{lines:?} prints {printed}");
            }
        }
        assert!(!parsed.findings.is_empty(), "{lines:?}");
    }
}

#[test]
fn digests_of_secrets_are_keyed() {
    let digest = |text: &str| parse(text).manifests[0].fingerprint;
    let first = digest(&secret("data: {a: YQ==}\n"));
    assert_eq!(first, digest(&secret("stringData: {a: a}\n")));
    assert_ne!(first, digest(&secret("data: {a: Yg==}\n")));
    assert_ne!(first, digest(&secret("data: {b: YQ==}\n")));
}
