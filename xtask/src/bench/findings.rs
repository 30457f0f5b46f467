//! What findings cost: as many as objects, all in one file, as YAML documents and as a list of JSON on one line.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::measure::{self, Cost};
use super::report::Report;
use super::{RUN, memory, milliseconds, with};

/// Objects, each with one finding.
const OBJECTS: usize = 20_000;
const FORMATS: [&str; 6] = ["text", "json", "sarif", "junit", "github", "gitlab"];

/// Times `validate` in each form.
pub(super) fn run(gatewright: &Path, folder: &Path, report: &mut Report) -> Result<()> {
    for (name, text) in [("documents.yaml", documents()), ("list.json", list())] {
        let source: PathBuf = folder.join("findings").join(name);
        std::fs::create_dir_all(folder.join("findings"))?;
        std::fs::write(&source, &text)?;
        let mut most = Cost::default();
        for format in FORMATS {
            let validate = || with(gatewright, &["validate", "--format", format], &source);
            let cost = measure::mean(validate, 2, RUN)?;
            let what = format!("{OBJECTS} findings in {name}, as {format}, wall");
            report.row(what, milliseconds(cost.wall), "within 2000 ms");
            let what = format!("{OBJECTS} findings in {name}, as {format}, CPU");
            report.row(what, milliseconds(cost.cpu), "");
            most.peak = most.peak.max(cost.peak);
        }
        let what = format!("{OBJECTS} findings in {name}: peak memory");
        report.row(what, memory(&most, text.len() as u64), "at most 10x the input");
    }
    Ok(())
}

fn documents() -> String {
    (0..OBJECTS).fold(String::new(), |mut out, index| {
        // Writing into a String cannot fail.
        write!(
            out,
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: web-{index}\n  namespace: shop\n  \
             annotations:\n    higress.io/tiemout: \"5\"\n    team.example.com/owner: somebody-{index}\nspec:\n  \
             ingressClassName: higress\n  rules:\n  - host: host-{index}.example.com\n    http:\n      paths:\n      \
             - path: /api\n        pathType: Prefix\n        backend:\n          service:\n            name: web\n            \
             port:\n              number: 80\n---\n"
        )
        .ok();
        out
    })
}

fn list() -> String {
    let items: Vec<String> = (0..OBJECTS)
        .map(|index| {
            format!(
                "{{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"Ingress\",\"metadata\":{{\"name\":\"web-{index}\",\
                 \"namespace\":\"shop\",\"annotations\":{{\"higress.io/tiemout\":\"5\",\"team.example.com/owner\":\
                 \"somebody-{index}\"}}}},\"spec\":{{\"ingressClassName\":\"higress\",\"rules\":[{{\"host\":\
                 \"host-{index}.example.com\",\"http\":{{\"paths\":[{{\"path\":\"/api\",\"pathType\":\"Prefix\",\
                 \"backend\":{{\"service\":{{\"name\":\"web\",\"port\":{{\"number\":80}}}}}}}}]}}}}]}}}}"
            )
        })
        .collect();
    format!("{{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{}]}}\n", items.join(","))
}
