//! Seeded repositories: N Ingresses, each with its own host, two paths and one of 200 Services; 5 % have TLS and 5 % a
//! canary. One file per Ingress, as teams keep them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::process;

const SERVICES: usize = 200;
const NAMESPACES: usize = 10;
const CERTIFICATES: usize = 20;
const PERCENT_TLS: u64 = 5;
const PERCENT_CANARY: u64 = 5;
/// Where every Service's endpoint listens during a bench of requests.
pub(crate) const UPSTREAM_PORT: u16 = 18_080;
/// Changes with what is written, so that an old folder is not taken for a new one.
const RECIPE: &str = "1";

/// A generated folder of manifests.
pub(crate) struct Repository {
    /// The folder of manifests.
    pub(crate) folder: PathBuf,
    /// Ingresses, canaries not counted.
    pub(crate) ingresses: usize,
    /// Bytes of all manifests.
    pub(crate) bytes: u64,
}

impl Repository {
    /// Generates the repository below `folder`, or takes the one that is there.
    ///
    /// # Errors
    /// When files cannot be written or the openssl command fails.
    pub(crate) fn make(folder: &Path, ingresses: usize, seed: u64) -> Result<Self> {
        let manifests = folder.join(format!("{ingresses}/manifests"));
        let stamp = folder.join(format!("{ingresses}/recipe"));
        let recipe = format!("{RECIPE} {ingresses} {seed}\n");
        if fs::read_to_string(&stamp).ok().as_deref() != Some(&recipe) {
            if manifests.exists() {
                fs::remove_dir_all(&manifests)?;
            }
            write(&manifests, ingresses, seed, &certificate(folder)?)?;
            fs::write(&stamp, recipe)?;
        }
        let bytes = size(&manifests)?;
        Ok(Self { folder: manifests, ingresses, bytes })
    }

    /// Makes the folder a git repository whose last commit edits one file.
    ///
    /// # Errors
    /// When git fails.
    pub(crate) fn commit_edit(&self, within: Duration) -> Result<()> {
        let git = |arguments: &[&str]| {
            let mut git = Command::new("git");
            git.args(["-c", "user.name=Bench", "-c", "user.email=bench@example.com", "-c", "gc.auto=0"]);
            git.args(arguments).current_dir(&self.folder).env("GIT_CONFIG_GLOBAL", "/dev/null");
            let ended = process::run_quietly(&mut git, within)?;
            ensure!(ended.success(), "git {}: {}", arguments.join(" "), ended.lines.join(" "));
            Ok(())
        };
        let history = self.folder.join(".git");
        if history.exists() {
            fs::remove_dir_all(history)?;
        }
        git(&["init", "--quiet", "--initial-branch=main"])?;
        git(&["add", "--all"])?;
        git(&["commit", "--quiet", "--message", "everything"])?;
        fs::write(self.edited_file(), Self::edited_text("/moved"))?;
        git(&["commit", "--quiet", "--all", "--message", "one edit"])?;
        // A clone is packed; loose objects would measure the file system.
        git(&["repack", "-adq"])?;
        // Later measurements start from the same files as earlier ones.
        fs::write(self.edited_file(), Self::edited_text("/api"))?;
        Ok(())
    }

    /// Returns the file of one Ingress without TLS and canary: the one that edits touch.
    pub(crate) fn edited_file(&self) -> PathBuf {
        self.folder.join("edited/edited.yaml")
    }

    /// Returns the text of [`edited_file`](Self::edited_file) with this second path.
    pub(crate) fn edited_text(path: &str) -> String {
        ingress("edited", 0, 0, path, "")
    }
}

fn write(folder: &Path, ingresses: usize, seed: u64, secret: &Certificate) -> Result<()> {
    let mut random = Random(seed);
    put(folder, "platform/namespaces.yaml", &platform())?;
    for namespace in 0..NAMESPACES {
        let name = format!("{}/services.yaml", namespace_name(namespace));
        let services = (0..SERVICES).filter(|service| service % NAMESPACES == namespace).map(service);
        put(folder, &name, &services.collect::<String>())?;
    }
    for index in 0..CERTIFICATES {
        let namespace = namespace_name(index % NAMESPACES);
        put(folder, &format!("{namespace}/secret-{index:02}.yaml"), &secret.manifest(&namespace, index))?;
    }
    put(folder, "edited/edited.yaml", &Repository::edited_text("/api"))?;
    for index in 1..ingresses {
        let service = random.below(SERVICES as u64) as usize;
        let namespace = namespace_name(service % NAMESPACES);
        let name = format!("shop-{index:05}");
        let tls = random.below(100) < PERCENT_TLS;
        let canary = random.below(100) < PERCENT_CANARY;
        let tls = if tls { tls_of(&name, service % NAMESPACES, &mut random) } else { String::new() };
        let folder = &folder.join(&namespace);
        put(folder, &format!("{name}.yaml"), &ingress(&name, service % NAMESPACES, service, "/api", &tls))?;
        if canary {
            // The next Service of the same namespace.
            let other = (service + NAMESPACES) % SERVICES;
            let weight = 5 + random.below(90);
            put(folder, &format!("{name}-canary.yaml"), &canary_of(&name, &namespace, other, weight))?;
        }
    }
    Ok(())
}

fn put(folder: &Path, name: &str, text: &str) -> Result<()> {
    let file = folder.join(name);
    fs::create_dir_all(file.parent().context("a manifest has a folder")?)?;
    fs::write(&file, text).with_context(|| file.display().to_string())
}

fn namespace_name(index: usize) -> String {
    format!("team-{index:02}")
}

fn platform() -> String {
    let mut text = String::from(
        "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata:\n  name: higress\nspec:\n  controller: higress.io/higress-controller\n",
    );
    for index in 0..NAMESPACES {
        text.push_str(&format!(
            "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: {}\n",
            namespace_name(index)
        ));
    }
    text
}

fn service(index: usize) -> String {
    let namespace = namespace_name(index % NAMESPACES);
    format!(
        "---
apiVersion: v1
kind: Service
metadata:
  name: service-{index:03}
  namespace: {namespace}
spec:
  selector:
    app: service-{index:03}
  ports:
  - name: http
    port: 8080
    targetPort: 8080
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: service-{index:03}
  namespace: {namespace}
  labels:
    kubernetes.io/service-name: service-{index:03}
addressType: IPv4
endpoints:
- addresses:
  - 127.0.0.1
  conditions:
    ready: true
ports:
- name: http
  port: {UPSTREAM_PORT}
  protocol: TCP
"
    )
}

fn ingress(name: &str, namespace: usize, service: usize, path: &str, tls: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}
  namespace: {}
spec:
  ingressClassName: higress
{tls}  rules:
  - host: {name}.example.com
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: service-{service:03}
            port:
              number: 8080
      - path: {path}
        pathType: Prefix
        backend:
          service:
            name: service-{service:03}
            port:
              number: 8080
",
        namespace_name(namespace)
    )
}

fn tls_of(name: &str, namespace: usize, random: &mut Random) -> String {
    let secret = namespace + NAMESPACES * random.below((CERTIFICATES / NAMESPACES) as u64) as usize;
    format!("  tls:\n  - hosts:\n    - {name}.example.com\n    secretName: certificate-{secret:02}\n")
}

fn canary_of(name: &str, namespace: &str, service: usize, weight: u64) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}-canary
  namespace: {namespace}
  annotations:
    nginx.ingress.kubernetes.io/canary: \"true\"
    nginx.ingress.kubernetes.io/canary-weight: \"{weight}\"
spec:
  ingressClassName: higress
  rules:
  - host: {name}.example.com
    http:
      paths:
      - path: /api
        pathType: Prefix
        backend:
          service:
            name: service-{service:03}
            port:
              number: 8080
"
    )
}

/// A self-signed wildcard certificate, the same for every Secret and kept between runs.
struct Certificate {
    certificate: String,
    key: String,
}

impl Certificate {
    fn manifest(&self, namespace: &str, index: usize) -> String {
        let indent = |pem: &str| pem.lines().map(|line| format!("    {line}\n")).collect::<String>();
        format!(
            "apiVersion: v1
kind: Secret
metadata:
  name: certificate-{index:02}
  namespace: {namespace}
type: kubernetes.io/tls
stringData:
  tls.crt: |
{}  tls.key: |
{}",
            indent(&self.certificate),
            indent(&self.key)
        )
    }
}

fn certificate(folder: &Path) -> Result<Certificate> {
    fs::create_dir_all(folder)?;
    let (certificate, key) = (folder.join("wildcard.crt"), folder.join("wildcard.key"));
    if !certificate.is_file() {
        let mut openssl = Command::new("openssl");
        openssl
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args([
                "-days",
                "3650",
                "-subj",
                "/CN=*.example.com",
                "-addext",
                "subjectAltName=DNS:*.example.com",
            ])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate);
        let ended = process::run_quietly(&mut openssl, Duration::from_secs(60))?;
        ensure!(ended.success(), "openssl req: {}: {}", ended.reason(), ended.lines.join(" "));
    }
    Ok(Certificate { certificate: fs::read_to_string(certificate)?, key: fs::read_to_string(key)? })
}

fn size(folder: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        total += match entry.file_type()?.is_dir() {
            true if hidden => 0,
            true => size(&entry.path())?,
            false => entry.metadata()?.len(),
        };
    }
    Ok(total)
}

/// A small generator of numbers (splitmix64): the same seed gives the same repository on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let numbers = |seed| {
            let mut random = Random(seed);
            (0..5).map(|_| random.below(100)).collect::<Vec<_>>()
        };
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
    }

    #[test]
    fn an_ingress_has_a_host_and_two_paths() {
        let text = ingress("shop-00001", 3, 23, "/api", "");
        let read: serde_json::Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(read["metadata"]["namespace"], "team-03");
        assert_eq!(read["spec"]["rules"][0]["http"]["paths"].as_array().unwrap().len(), 2);
    }
}
