//! What is shown of manifests in each style, sound and broken.

use crate::excerpt;

fn check(given: &str, shown: &str) {
    let got = excerpt(given);
    assert_eq!(got, shown, "{given}");
    assert_eq!(excerpt(shown), shown, "{shown} is hidden once");
}

#[test]
fn neighbours_between_brackets_go() {
    check(
        "registries: [{type: nacos, nacosAccessKey: SESAME, domain: a.test, consulToken: 'SES, AME'}]\n",
        "registries: [{type: nacos, nacosAccessKey: [hidden], domain: a.test, consulToken: [hidden]}]\n",
    );
    check(
        r#"{"registries": [{"nacosSecretKey":"SES\"AME","name":"x"}]}"#,
        r#"{"registries": [{"nacosSecretKey":[hidden],"name":"x"}]}"#,
    );
    check(
        "r: {a: b,\n  token: SESAME\n   AME,\n  c: d}\n",
        "r: {a: b,\n  token: [hidden]\n   [hidden],\n  c: d}\n",
    );
}

#[test]
fn all_below_a_secret_name_goes() {
    check(
        "a:\n  credentials:\n  - user: SESAME\n    x: SESAME\n  b: c\n",
        "a:\n  credentials:\n  [hidden]\n    [hidden]\n  b: c\n",
    );
    check("password: |\n  SESAME\n\n  SESAME\nb: c\n", "password: |\n  [hidden]\n\n  [hidden]\nb: c\n");
    check("password: \"SESAME\n AME\"\nb: c\n", "password: [hidden]\n [hidden]\nb: c\n");
    check("token:\n  SESAME\nb: c\n", "token:\n  [hidden]\nb: c\n");
}

#[test]
fn of_a_plugin_only_known_fields_are_shown() {
    check(
        "kind: WasmPlugin\nmetadata: {name: a}\nspec:\n  url: oci://a\n  defaultConfig:\n    name: SESAME\n    list:\n    - SESAME\n  matchRules:\n  - domain: [a.test]\n    config: {url: SESAME}\n",
        "kind: WasmPlugin\nmetadata: {name: a}\nspec:\n  url: oci://a\n  defaultConfig:\n    [hidden]\n    [hidden]\n    [hidden]\n  matchRules:\n  - domain: [a.test]\n    config: {url: [hidden]}\n",
    );
    // The indentation is broken, so that nothing says what the lines belong to.
    check(
        "kind: WasmPlugin\nspec:\n   defaultConfig:\n    a: SESAME\n  - b: SESAME\n odd: SESAME\n",
        "kind: WasmPlugin\nspec:\n   defaultConfig:\n    [hidden]\n  - b: [hidden]\n odd: [hidden]\n",
    );
    check(
        r#"{"kind":"WasmPlugin","spec":{"defaultConfig":{"a":["SESAME",{"url":"SESAME"}]},"url":"oci://a"}}"#,
        r#"{"kind":"WasmPlugin","spec":{"defaultConfig":{"a":[[hidden],{"url":[hidden]}]},"url":"oci://a"}}"#,
    );
}

#[test]
fn headers_are_secret_by_their_names() {
    check(
        "higress.io/request-header-control-add: |\n  Authorization Bearer SESAME\n  x-a open\n",
        "higress.io/request-header-control-add: |\n  Authorization [hidden]\n  x-a open\n",
    );
    check(
        "a: {higress.io/request-header-control-update: \"x-api-key SESAME\\nx-a open\"}\n",
        "a: {higress.io/request-header-control-update: \"x-api-key [hidden]\\nx-a open\"}\n",
    );
    check(
        "- name: API_KEY\n  value: SESAME\n- name: A\n  value: open\n",
        "- name: API_KEY\n  value: [hidden]\n- name: A\n  value: open\n",
    );
    check("[{value: SESAME, name: token}]\n", "[{value: [hidden], name: token}]\n");
}

#[test]
fn addresses_are_shown_without_credentials() {
    check("domain: u:SESAME@a.test\n", "domain: [hidden]@a.test\n");
    check("{domain: 'SESAME@a.test', x: y}\n", "{domain: '[hidden]@a.test', x: y}\n");
    check("url: https://u:SESAME@a.test/x\n", "url: https://[hidden]@a.test/x\n");
}

#[test]
fn broken_brackets_and_quotes_hide_more_and_never_less() {
    check(
        "a: {type: nacos, nacosAccessKey: SESAME\nb:\n  password: SESAME\n",
        "a: {type: nacos, nacosAccessKey: [hidden]\nb:\n  password: [hidden]\n",
    );
    for broken in [
        "a: {token: \"SESAME\nb: c\n",
        "a: \"open\n  consulToken: SESAME\n",
        "nacosSecretKey:SESAME\n",
        "a: [b, {secretKey: SESAME]\n",
        "\ttoken: SESAME\n",
        "- - token: SESAME\n",
        "? token\n: x\n# password: SESAME\n",
        "kind: WasmPlugin\nspec: {defaultConfig: {a: SESAME\n",
        "kind: WasmPlugin\nspec: {url: a\n  defaultConfig:\n    a: SESAME\n",
    ] {
        assert!(!excerpt(broken).contains("SESAME"), "{broken} {}", excerpt(broken));
    }
}

#[test]
fn what_an_alias_for_a_secret_stands_for_is_secret() {
    check(
        "x-anchor: &s SESAME\nother: &o b\npassword: *s\n",
        "x-anchor: &s [hidden]\nother: &o b\npassword: [hidden]\n",
    );
    check("a: {b: &s 'SES, AME', c: d}\ne: {token: *s}\n", "a: {b: &s [hidden]\ne: {token: [hidden]}\n");
    check(
        "x: &s\n  b: SESAME\n  c: [SESAME,\n  SESAME]\nd: e\ncredentials: *s\n",
        "x: &s\n  [hidden]\n  [hidden]\n  [hidden]\nd: e\ncredentials: [hidden]\n",
    );
    check(
        "x: &s\n- SESAME\n- SESAME\nd: e\ntoken: *s\n",
        "x: &s\n[hidden]\n[hidden]\nd: e\ntoken: [hidden]\n",
    );
    check(
        "x: &s |\n  SESAME\n\n  # SESAME\nd: e\npassword: *s\n",
        "x: &s |\n  [hidden]\n\n  [hidden]\nd: e\npassword: [hidden]\n",
    );
    check(
        "a:\n- &s SESAME\n- c\nd: &t {e: *s}\nheaders:\n- name: x-token\n  value: *t\n",
        "a:\n- &s [hidden]\n- c\nd: &t [hidden]\nheaders:\n- name: x-token\n  value: [hidden]\n",
    );
    for text in [
        "x: &s !!str SESAME\npassword: !!str *s\n",
        "x: !!str &s \"SES\nAME\"\npassword: *s\n",
        "base: &s {SESAME: b}\nredis:\n  credentials:\n    <<: *s\n",
        "base: &s\n  SESAME: b\nredis: {credentials: {<<: [*s]}}\n",
        "? &s SESAME\n: x\npassword: *s\n",
        "&s SESAME: x\npassword: *s\n",
        "a: &a SESAME\nb: &b [*a]\nc: &c [*b]\nd: &d [*c]\ne: &e [*d]\nf: &f [*e]\ntoken: *f\n",
        "kind: WasmPlugin\nspec:\n  pluginName: &s SESAME\n  defaultConfig: {a: *s}\n",
        "x: &s SESAME@nacos.test\ny:\n  domain: *s\n",
        r#"{"a": &s "SESAME", "password": *s}"#,
    ] {
        let shown = excerpt(text);
        assert!(!shown.contains("SES") && !shown.contains("AME"), "{text}\n{shown}");
    }
    let merged = "base: &b {path: /a}\nroutes:\n- <<: *b\n  path: /b\n";
    check(merged, merged);
}

#[test]
fn no_line_of_a_secret_text_is_taken_for_something_else() {
    for text in [
        "password: |\n  # SESAME\n  ---SESAME\n",
        "a:\n  password: \"x\n  SESAME\"\n",
        "a:\n  credentials:\n    user: 'x\n  SESAME'\n",
        "a:\n  password: !!str \"x\n  SESAME\"\n",
        "password: &p |-\n  SESAME\n",
        "{token: \"a\n# SESAME\"}\n",
        "{token: !!str \"a, SESAME\"}\n",
        "--- {token: 'SESAME'}\n",
        "kind: Secret\ndata:\n  a: b\n#  old: SESAME\n",
    ] {
        let shown = excerpt(text);
        assert!(!shown.contains("SESAME"), "{text}\n{shown}");
    }
}

#[test]
fn what_routes_is_shown() {
    let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: web\n  annotations:\n    higress.io/auth-secret: default/users\nspec:\n  tls: [{hosts: [a.test], secretName: tls}]\n  rules:\n  - host: a.test # main\n    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}\n";
    check(ingress, ingress);
    let map = "kind: ConfigMap\ndata:\n  higress: |\n    redis: {address: a:1, password: SESAME}\n    a: b\n";
    check(map, &map.replace("SESAME", "[hidden]"));
}
