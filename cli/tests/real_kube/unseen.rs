//! What the source does not hold in clear: objects that something else makes, and ciphertext. A real API server takes neither
//! for what it stands for.

use super::scene::Scene;
use super::sync::Followed;

/// A Certificate that makes a Secret, in a kind that no cluster of the tests has.
const MADE: &str = "
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: made, namespace: NS}
spec: {secretName: made-tls, dnsNames: [web.NS.example.com], issuerRef: {name: ours}}
";

/// A Secret as SOPS writes it.
const ENCRYPTED: &str = "
apiVersion: v1
kind: Secret
metadata: {name: shop-tls, namespace: NS}
type: kubernetes.io/tls
data:
  tls.crt: ENC[AES256_GCM,data:c29tZQ==,iv:AAAA,tag:AAAA,type:str]
  tls.key: ENC[AES256_GCM,data:b3RoZXI=,iv:AAAA,tag:AAAA,type:str]
sops: {mac: 'ENC[AES256_GCM,data:AAAA,iv:AAAA,tag:AAAA,type:str]', version: 3.9.0}
";

/// The same Secret before it was encrypted.
const CLEAR: &str = "
apiVersion: v1
kind: Secret
metadata: {name: shop-tls, namespace: NS}
type: kubernetes.io/tls
stringData: {tls.crt: SESAME, tls.key: SESAME}
";

fn here(text: &str, namespace: &str) -> String {
    text.replace("NS", namespace)
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn a_plan_says_what_it_assumes_of_what_it_cannot_see() {
    let scene = Scene::new("assumed");
    scene.write("made.yaml", &here(MADE, scene.namespace));
    scene.write("encrypted.yaml", &here(ENCRYPTED, scene.namespace));
    let tls = "spec:\n  tls:\n  - {hosts: [web.assumed.example.com], secretName: shop-tls}\n";
    scene.write("ingress.yaml", &scene.ingress("web").replace("spec:\n", tls));
    let plan = scene.run("plan", &["--format", "json"]);
    assert_eq!(plan.code, 0, "{plan:?}");
    let document = plan.json();
    let assumed = document["assumptions"].as_array().expect("a plan has assumptions");
    let of = |code: &str| assumed.iter().filter(|finding| finding["code"] == code).count();
    assert_eq!((of("GW0110"), of("GW0111")), (1, 1), "{assumed:#?}");
    let steps = document["cluster"]["steps"].as_array().expect("a plan for a cluster has steps");
    let created: Vec<&str> = steps.iter().filter_map(|step| step["entity"]["kind"].as_str()).collect();
    assert_eq!(created, ["Service", "Ingress"], "{steps:#?}");
    let text = scene.run("plan", &[]).stdout;
    assert!(text.contains("GW0110") && text.contains("GW0111"), "{text}");
    assert!(!text.contains("ENC["), "{text}");
    assert_eq!(scene.writes(), 0);
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn ciphertext_is_not_applied_and_what_it_stands_for_stays() {
    let scene = Scene::new("encrypted");
    scene.write("encrypted.yaml", &here(ENCRYPTED, scene.namespace));
    let run = scene.apply();
    assert!(run.stdout.contains("2 created, 0 updated, 0 deleted, 0 as wanted, 0 failed"), "{run:?}");
    assert_eq!(scene.object("api/v1", "secrets", "shop-tls"), None);
    // One that was applied in the clear is left as it is when it is encrypted.
    scene.write("encrypted.yaml", &here(CLEAR, scene.namespace));
    let run = scene.apply();
    assert!(run.stdout.contains("1 created"), "{run:?}");
    let live = scene.object("api/v1", "secrets", "shop-tls");
    scene.write("encrypted.yaml", &here(ENCRYPTED, scene.namespace));
    let writes = scene.writes();
    let run = scene.apply();
    assert!(run.stdout.contains("0 created, 0 updated, 0 deleted"), "{run:?}");
    assert_eq!(scene.object("api/v1", "secrets", "shop-tls"), live);
    assert_eq!(scene.writes(), writes);
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn a_sync_leaves_what_is_encrypted_to_the_cluster() {
    let followed = Followed::new("sync-encrypted", "");
    let scene = &followed.scene;
    followed.write("secret.yaml", &here(CLEAR, scene.namespace));
    followed.commit("in the clear");
    followed.round(0);
    let live = scene.object("api/v1", "secrets", "shop-tls");
    assert!(live.is_some());
    followed.write("secret.yaml", &here(ENCRYPTED, scene.namespace));
    followed.commit("encrypted");
    let told = followed.round(0);
    assert!(told.contains("0 created, 0 updated, 0 deleted"), "{told}");
    assert_eq!(scene.object("api/v1", "secrets", "shop-tls"), live);
    // What leaves the source is deleted like anything else that was applied.
    followed.remove("secret.yaml");
    followed.commit("gone");
    assert!(followed.round(0).contains("    Secret sync-encrypted/shop-tls deleted\n"));
}
