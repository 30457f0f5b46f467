//! `gatewright plan` over real revisions of real repositories.

use gatewright_testkit::git::TempRepo;
use serde_json::Value;

use super::support::{Folder, Run, SERVICE, broken_ingress, ingress, run};

const OLD_KEY: &str = "T0xELUtFWS1NQVRFUklBTA==";
const NEW_KEY: &str = "TkVXLUtFWS1NQVRFUklBTA==";

/// Returns a repository with one commit that routes one host.
fn repository() -> TempRepo {
    let repo = TempRepo::new();
    repo.write("shop/web.yaml", &(ingress("web", "shop.example.com") + "---\n" + SERVICE));
    repo.write("shop/secret.yaml", &secret(OLD_KEY, "OLD-PASSWORD"));
    repo.commit("one");
    repo
}

fn secret(key: &str, password: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: Secret
metadata:
  name: tls
  namespace: shop
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: '{{\"data\":{{\"tls.key\":\"{key}\"}}}}'
type: Opaque
data:
  tls.key: {key}
stringData:
  password: {password}
"
    )
}

/// Plans from the first commit to what is in the folder, or to what `arguments` say.
fn plan(repo: &TempRepo, arguments: &[&str]) -> Run {
    let mut all = vec!["plan", "shop", "--base", "git:main:shop"];
    all.extend(arguments);
    run(repo.path(), &all, "")
}

#[test]
fn a_moved_path_is_one_class_with_both_lines_and_a_witness() {
    let repo = repository();
    let moved = ingress("web", "shop.example.com").replace("path: /\n", "path: /cart\n");
    repo.write("shop/web.yaml", &(moved + "---\n" + SERVICE));
    repo.commit("two");
    let arguments = ["plan", "git:main:shop", "--base", "git:main~1:shop", "--format", "json"];
    let run = run(repo.path(), &arguments, "");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    let plan = run.json();
    let classes = plan["behaviour"]["classes"].as_array().unwrap();
    assert_eq!(classes.len(), 1, "{classes:#?}");
    assert_eq!(classes[0]["effect"], "lost");
    let case = &classes[0]["cases"][0];
    assert_eq!(case["after"], "404, no route");
    assert_eq!(case["witness"], "GET http://shop.example.com/");
    let place = &case["places"][0]["before"];
    let first = repo.git(&["rev-parse", "main~1"]);
    assert_eq!(
        (place["path"].as_str(), place["line"].as_u64()),
        (Some("shop/web.yaml"), Some(12)),
        "{place}"
    );
    assert_eq!(place["revision"], first[..10]);
    let field = &plan["objects"]["changes"][0]["fields"][0];
    assert_eq!(field["pointer"], "/spec/rules/0/http/paths/0/path");
    assert_eq!(
        (&field["before"]["value"], &field["after"]["value"]),
        (&Value::from("/"), &Value::from("/cart"))
    );
    assert_eq!(plan["head"]["revision"], repo.git(&["rev-parse", "main"]));
}

#[test]
fn the_text_ends_with_the_digest_of_the_plan() {
    let repo = repository();
    repo.write("shop/api.yaml", &ingress("api", "api.example.com"));
    let digest = plan(&repo, &["--format", "json"]).json()["digest"].clone();
    let text = plan(&repo, &[]).stdout;
    assert_eq!(text.lines().last(), digest.as_str().map(|digest| format!("Digest {digest}")).as_deref());
}

#[test]
fn a_plan_fits_its_schema_and_is_saved_whole() {
    let repo = repository();
    repo.write("shop/api.yaml", &ingress("api", "api.example.com"));
    let shown = plan(&repo, &["--format", "json", "--show-xds", "--out", "plan.json"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    let saved = std::fs::read_to_string(repo.path().join("plan.json")).unwrap();
    assert_eq!(saved, shown.stdout);
    let schema = run(repo.path(), &["schema", "plan"], "").json();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let value = shown.json();
    let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    assert!(
        saved.contains("+  cluster: outbound|80||web.shop.svc.cluster.local")
            || saved.contains("outbound|80||web")
    );
}

#[test]
fn exit_codes_tell_changes_and_risks_only_when_asked() {
    let repo = repository();
    let code = |arguments: &[&str]| {
        let run = plan(&repo, arguments);
        assert!(run.code == 0 || !run.stdout.is_empty(), "{run:?}");
        run.code
    };
    assert_eq!(code(&["--detailed-exitcode"]), 0);
    repo.write("shop/api.yaml", &ingress("api", "api.example.com"));
    assert_eq!((code(&[]), code(&["--detailed-exitcode"])), (0, 4));
    // A wildcard that takes requests which had no route is what an operator stops for.
    repo.write("shop/api.yaml", &ingress("api", "\"*.example.com\""));
    assert_eq!((code(&[]), code(&["--detailed-exitcode"])), (0, 5));
    repo.write("risks.yaml", "levels: {wildcard_widened: note}\n");
    assert_eq!(code(&["--detailed-exitcode", "--risk-config", "risks.yaml"]), 4);
    repo.write("risks.yaml", "levels: {no_such_risk: note}\n");
    assert_eq!(plan(&repo, &["--risk-config", "risks.yaml"]).code, 2);
}

#[test]
fn a_head_with_errors_has_findings_and_no_plan() {
    let repo = repository();
    repo.write("shop/web.yaml", &(broken_ingress("web", "shop.example.com") + "---\n" + SERVICE));
    let run = plan(&repo, &["--out", "plan.json"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{run:?}");
    assert!(run.stderr.contains("GW0101") && run.stderr.contains("nothing is planned"), "{}", run.stderr);
    assert!(!repo.path().join("plan.json").exists());
}

#[test]
fn garbage_where_the_base_held_manifests_is_an_error() {
    let repo = repository();
    repo.write("shop/data.yaml", "{: [\n");
    repo.commit("data");
    assert_eq!(plan(&repo, &[]).code, 0);
    repo.write("shop/secret.yaml", "{: [\n");
    let run = plan(&repo, &[]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{run:?}");
    assert!(
        run.stderr.contains("shop/secret.yaml:1:") && !run.stderr.contains("data.yaml"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("the file held manifests in the last good state"), "{}", run.stderr);
}

#[test]
fn a_base_with_errors_is_compared_and_said_so() {
    let repo = repository();
    repo.write("shop/web.yaml", &(broken_ingress("web", "shop.example.com") + "---\n" + SERVICE));
    repo.commit("broken");
    repo.write("shop/web.yaml", &(ingress("web", "shop.example.com") + "---\n" + SERVICE));
    let run = plan(&repo, &[]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("1 error in the base"), "{}", run.stdout);
}

#[test]
fn what_is_missing_exits_3() {
    let repo = repository();
    run(repo.path(), &["plan", "shop", "--base", "git:nowhere"], "")
        .assert_fails(3, "there is no revision `nowhere` in this repository");
    assert_eq!(run(repo.path(), &["plan", "gone", "--base", "git:main:shop"], "").code, 3);
    assert_eq!(run(repo.path(), &["plan", "shop"], "").code, 2);
    assert_eq!(plan(&repo, &["--format", "html"]).code, 2);
    assert_eq!(run(repo.path(), &["plan", "-", "--base", "-"], "").code, 2);
    assert_eq!(plan(&repo, &["--out", "gone/file/plan.json"]).code, 0, "folders are made");
    repo.write("taken", "a file\n");
    assert_eq!(plan(&repo, &["--out", "taken/plan.json"]).code, 3);
}

#[test]
fn secrets_never_appear_in_any_form() {
    let repo = repository();
    repo.write("shop/secret.yaml", &secret(NEW_KEY, "NEW-PASSWORD"));
    repo.write("shop/api.yaml", &ingress("api", "api.example.com"));
    for format in ["text", "markdown", "json"] {
        let run = plan(&repo, &["--format", format, "--show-xds", "--out", "plan.json"]);
        assert_eq!(run.code, 0, "{run:?}");
        let saved = std::fs::read_to_string(repo.path().join("plan.json")).unwrap();
        for shown in [&run.stdout, &run.stderr, &saved] {
            for secret in [OLD_KEY, NEW_KEY, "KEY-MATERIAL", "OLD-PASSWORD", "NEW-PASSWORD"] {
                assert!(!shown.contains(secret), "{format} shows {secret}: {shown}");
            }
        }
        assert!(run.stdout.contains("/stringData/password"), "{}", run.stdout);
    }
}

#[test]
fn plugin_configuration_never_appears() {
    let plugin = |key: &str| {
        format!(
            "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{name: auth, namespace: higress-system}}\n\
             spec:\n  url: oci://example.com/auth:1\n  failStrategy: FAIL_OPEN\n  defaultConfig: {{credential: {key}}}\n"
        )
    };
    let repo = repository();
    repo.write("shop/plugin.yaml", &plugin("OLD-CREDENTIAL"));
    repo.commit("plugin");
    repo.write("shop/plugin.yaml", &plugin("NEW-CREDENTIAL"));
    let run = plan(&repo, &["--format", "json"]);
    assert!(!run.stdout.contains("CREDENTIAL"), "{}", run.stdout);
    assert!(run.stdout.contains("/spec/defaultConfig"), "{}", run.stdout);
}

#[test]
fn moved_files_and_comments_are_no_change() {
    let repo = repository();
    repo.git(&["mv", "shop/web.yaml", "shop/moved.yaml"]);
    repo.write("shop/secret.yaml", &format!("# a remark\n{}", secret(OLD_KEY, "OLD-PASSWORD")));
    let run = plan(&repo, &["--detailed-exitcode"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(
        run.stdout
            .contains("\nNo change: files differ, but the 3 objects in them say what they said before.\n"),
        "{}",
        run.stdout
    );
}

#[test]
fn a_split_ingress_changes_no_behaviour() {
    let two = ingress("web", "shop.example.com").replace(
        "  - host: shop.example.com\n",
        "  - host: api.example.com\n    http:\n      paths:\n      - path: /\n        pathType: Prefix\n        backend:\n          \
         service:\n            name: web\n            port:\n              number: 80\n  - host: shop.example.com\n",
    );
    let repo = repository();
    repo.write("shop/web.yaml", &(two + "---\n" + SERVICE));
    repo.commit("two hosts");
    repo.write("shop/web.yaml", &(ingress("web", "shop.example.com") + "---\n" + SERVICE));
    repo.write("shop/api.yaml", &ingress("api", "api.example.com"));
    let run = plan(&repo, &[]);
    let line = "No change of behaviour: every request is answered as before.";
    assert!(run.stdout.lines().any(|shown| shown == line), "{}", run.stdout);
    assert!(run.stdout.contains("+ Ingress shop/api"), "{}", run.stdout);
}

#[test]
fn what_is_not_modelled_makes_the_plan_uncertain() {
    let repo = repository();
    let filter = "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: patch, namespace: higress-system}\nspec: {}\n";
    repo.write("shop/filter.yaml", filter);
    repo.write("shop/api.yaml", &ingress("api", "api.example.com"));
    let run = plan(&repo, &[]);
    assert!(run.stdout.contains("It may differ: 1 object is not modelled."), "{}", run.stdout);
    assert!(run.stdout.contains("GW0104") && run.stdout.contains("shop/filter.yaml:2"), "{}", run.stdout);
    assert!(run.stdout.contains("+ EnvoyFilter.networking.istio.io higress-system/patch"), "{}", run.stdout);
}

#[test]
fn levels_choose_the_details() {
    let repo = repository();
    repo.write("shop/api.yaml", &ingress("api", "api.example.com"));
    let run = plan(&repo, &["--level", "objects"]);
    assert!(
        run.stdout.contains("\nObjects\n") && !run.stdout.contains("\nxDS resources\n"),
        "{}",
        run.stdout
    );
    let run = plan(&repo, &["--format", "markdown", "--level", "behaviour"]);
    assert!(run.stdout.contains("behaviour (1)") && !run.stdout.contains("objects (1)"), "{}", run.stdout);
}

#[test]
fn a_pull_request_that_deletes_everything_fits_into_a_comment() {
    let repo = repository();
    let all: String = (0..600)
        .map(|n| ingress(&format!("web-{n}"), &format!("tenant-{n}.example.com")) + "---\n")
        .collect();
    repo.write("shop/many.yaml", &all);
    repo.commit("many");
    repo.remove("shop/many.yaml");
    let run = plan(&repo, &["--format", "markdown"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.len() <= 65_536, "{} bytes", run.stdout.len());
    assert!(run.stdout.contains("mass deletion"), "{}", run.stdout);
    for n in 0..600 {
        assert!(run.stdout.contains(&format!("tenant-{n}.example.com")), "{n}");
        assert!(run.stdout.contains(&format!("`web-{n}`")), "{n}");
    }
}

/// Remarks have no part in a plan, but for those about what it cannot know.
#[test]
fn what_a_plan_cannot_know_is_assumed_in_every_format() {
    let folder = Folder::clean();
    folder.write("base/web.yaml", &folder.read("shop/web.yaml"));
    folder.write("shop/made.yaml", "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: made, namespace: shop}\nspec: {secretName: made-tls, dnsNames: [a.test], issuerRef: {name: ours}}\n");
    let data = "ENC[AES256_GCM,data:c29tZQ==,iv:AAAA,tag:AAAA,type:str]";
    folder.write("shop/encrypted.yaml", &format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: shop}}\ntype: kubernetes.io/tls\ndata:\n  tls.crt: {data}\n  tls.key: {data}\nsops: {{mac: '{data}', version: 3.9.0}}\n"));
    for format in ["text", "markdown", "json"] {
        let run = folder.run(&["plan", "shop", "--base", "base", "--format", format]);
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.stdout.contains("GW0110") && run.stdout.contains("GW0111"), "{}", run.stdout);
    }
}
