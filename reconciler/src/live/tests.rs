//! What an edit costs where findings stand in every file.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use gatewright_compiler::source::{ContentId, ReadFile};

use super::*;
use crate::serve::ServeOptions;
use crate::source::{Credentials, Loader};

/// Counts the files that are read.
struct Counting {
    files: Arc<dyn ReadFile>,
    reads: Arc<AtomicUsize>,
}

impl ReadFile for Counting {
    fn read(&self, path: &str, content: &ContentId) -> Result<Arc<[u8]>, ReadError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.files.read(path, content)
    }
}

fn ingress(name: usize, path: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: web-{name}\n  namespace: shop\n  \
         annotations: {{higress.io/tiemout: '5'}}\nspec:\n  ingressClassName: higress\n  rules:\n  - host: h{name}.test\n    \
         http: {{paths: [{{path: {path}, pathType: Prefix, backend: {{service: {{name: s, port: {{number: 80}}}}}}}}]}}\n"
    )
}

#[test]
fn an_edit_reads_the_edited_file_however_many_files_have_findings() {
    const FILES: usize = 40;
    let folder = tempfile::tempdir().unwrap();
    let write =
        |n: usize, path: &str| fs::write(folder.path().join(format!("{n:02}.yaml")), ingress(n, path));
    (0..FILES).for_each(|n| write(n, "/").unwrap());
    let loader = Loader {
        working_folder: folder.path().to_owned(),
        cache_folder: folder.path().join(".cache"),
        credentials: Credentials::default(),
    };
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = |mut source: Source| {
        source.tree.reader = Arc::new(Counting { files: source.tree.reader, reads: reads.clone() });
        source
    };
    let server = SnapshotServer::new(ServeOptions::default());
    let mut live = Live::new(CompileOptions::higress_defaults(), server, OnErrors::Stop);
    let mut source = loader.load(&[".".parse().unwrap()]).unwrap();
    for edit in 0..3 {
        if edit > 0 {
            write(7, &format!("/{edit}")).unwrap();
            source = loader.reload(&source).unwrap().0;
        }
        reads.store(0, Ordering::Relaxed);
        let state = Arc::new(counted(loader.reload(&source).unwrap().0));
        assert!(matches!(live.offer(state).unwrap(), Offer::Published { .. }));
        assert_eq!(live.findings(Severity::Error).unwrap(), []);
        assert_eq!(reads.load(Ordering::Relaxed), if edit == 0 { FILES } else { 1 }, "edit {edit}");
    }
    assert!(live.findings(Severity::Info).unwrap().len() >= FILES);
}
