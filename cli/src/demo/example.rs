//! The example that the demo tells its story with: the files of `examples/shop`, and the edits of each revision.

use std::collections::BTreeMap;

macro_rules! files {
    ($($path:literal,)*) => {
        /// The manifests of `examples/shop` by path.
        const FILES: &[(&str, &str)] = &[$(($path, include_str!(concat!("../../../examples/shop/", $path)))),*];
    };
}

files! {
    "catalog/certificate.yaml",
    "catalog/docs.yaml",
    "catalog/images.yaml",
    "catalog/products.yaml",
    "catalog/search.yaml",
    "catalog/services.yaml",
    "higress-system/bot-detect.yaml",
    "higress-system/ingress-class.yaml",
    "higress-system/mcpbridge.yaml",
    "payments/certificate.yaml",
    "payments/pay.yaml",
    "shop/assets.yaml",
    "shop/cart.yaml",
    "shop/certificate.yaml",
    "shop/everything-else.yaml",
    "shop/moved.yaml",
    "shop/services.yaml",
    "shop/storefront.yaml",
    "shop/tenants.yaml",
}

/// Files by path.
pub(super) type Files = BTreeMap<String, String>;

/// Says that the embedded example is not the one that the edits were written for.
#[derive(Debug, thiserror::Error)]
#[error("the example was altered: `{path}` has no `{expected}` any more")]
pub(super) struct Altered {
    path: String,
    expected: String,
}

/// Placeholder ports of the example's backends, in their order.
pub(super) fn backend_ports() -> Vec<u16> {
    let words = FILES.iter().flat_map(|(_, text)| text.split(|c: char| !c.is_ascii_digit()));
    let mut ports: Vec<u16> = words
        .filter(|word| word.len() == 5 && word.starts_with("18"))
        .filter_map(|word| word.parse().ok())
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Returns what a backend is called: the Service whose endpoints stand at that placeholder port.
pub(super) fn backend_name(port: u16) -> String {
    let slice = format!("    port: {port}\n");
    let documents = FILES.iter().flat_map(|(_, text)| text.split("\n---\n"));
    let label = "kubernetes.io/service-name: ";
    let found = documents
        .filter(|text| format!("{text}\n").contains(&slice))
        .find_map(|text| text.split(label).nth(1));
    found.and_then(|rest| rest.lines().next()).map_or_else(|| format!("acquirer-{port}"), str::to_owned)
}

/// Returns the first revision, with the real ports of the backends in the place of the placeholders.
pub(super) fn first(ports: &BTreeMap<u16, u16>) -> Files {
    FILES
        .iter()
        .map(|(path, text)| {
            let text = ports.iter().fold((*text).to_owned(), |text, (placeholder, real)| {
                text.replace(&placeholder.to_string(), &real.to_string())
            });
            ((*path).to_owned(), text)
        })
        .collect()
}

const CANARY: &str = "# A tenth of the visitors gets the new storefront.
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: storefront-next
  namespace: shop
  annotations:
    nginx.ingress.kubernetes.io/canary: \"true\"
    nginx.ingress.kubernetes.io/canary-weight: \"10\"
spec:
  ingressClassName: higress
  rules:
    - host: shop.example.com
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: cart-beta
                port: {number: 80}
";

/// Edits the first revision into the second: a canary, a moved path, a new header rule, a deleted route.
pub(super) fn second(files: &Files) -> Result<Files, Altered> {
    let mut files = files.clone();
    files.insert("shop/storefront-next.yaml".to_owned(), CANARY.to_owned());
    replace(&mut files, "shop/assets.yaml", "- path: /static", "- path: /files")?;
    replace(
        &mut files,
        "shop/cart.yaml",
        "    higress.io/timeout: \"15\"\n",
        "    higress.io/timeout: \"15\"\n    higress.io/response-header-control-add: x-frame-options DENY\n",
    )?;
    let docs = "catalog/docs.yaml";
    files.remove(docs).ok_or_else(|| Altered { path: docs.to_owned(), expected: "content".to_owned() })?;
    Ok(files)
}

/// Edits the first revision into one with a mistake: the name of a port is misspelled.
pub(super) fn mistaken(files: &Files) -> Result<Files, Altered> {
    let mut files = files.clone();
    replace(&mut files, "shop/cart.yaml", "port: {name: http}", "port: {name: htpp}")?;
    Ok(files)
}

fn replace(files: &mut Files, path: &str, old: &str, new: &str) -> Result<(), Altered> {
    let altered = || Altered { path: path.to_owned(), expected: old.trim().to_owned() };
    let text = files.get_mut(path).ok_or_else(altered)?;
    if !text.contains(old) {
        return Err(altered());
    }
    *text = text.replacen(old, new, 1);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backend_has_a_name_and_every_edit_its_place() {
        let ports = backend_ports();
        assert!(ports.len() > 10, "{ports:?}");
        assert_eq!(backend_name(ports[0]), "storefront");
        let files = first(&BTreeMap::new());
        assert!(second(&files).is_ok() && mistaken(&files).is_ok());
    }

    #[test]
    fn an_altered_example_is_noticed() {
        let mut files = first(&BTreeMap::new());
        files.insert("shop/cart.yaml".to_owned(), String::new());
        let error = mistaken(&files).map(drop).unwrap_err();
        assert!(error.to_string().contains("shop/cart.yaml"));
    }

    #[test]
    fn every_manifest_of_the_example_is_embedded() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/shop");
        let mut found: Vec<String> = Vec::new();
        let namespaces = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        for namespace in namespaces.filter(|path| path.is_dir()) {
            for file in std::fs::read_dir(&namespace).unwrap().map(|entry| entry.unwrap().path()) {
                if file.extension().is_some_and(|extension| extension == "yaml") {
                    found.push(file.strip_prefix(&folder).unwrap().display().to_string());
                }
            }
        }
        found.sort();
        let embedded: Vec<&str> = FILES.iter().map(|(path, _)| *path).collect();
        assert_eq!(embedded, found);
    }
}
