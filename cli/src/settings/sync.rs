//! The part `sync` of the settings file: one application, or several by name.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use gatewright_diagnostics::code;
use serde::Deserialize;

use super::Problem;
use super::app::{AppSettings, Claim};

/// What is kept in sync with what. The words are those of `schemas/gatewright.schema.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncSettings {
    /// The one application, or what several have in common.
    #[serde(flatten)]
    only: AppSettings,
    #[serde(default)]
    apps: Vec<AppSettings>,
    listen: Option<String>,
}

impl SyncSettings {
    /// Returns the applications: those that are listed, each with what stands for all, else the only one, which has no name.
    pub fn apps(&self) -> Vec<AppSettings> {
        if self.apps.is_empty() {
            return vec![self.only.clone()];
        }
        self.apps.iter().map(|app| app.or(&self.only)).collect()
    }

    /// Returns where `/status` and the like are answered.
    pub fn listen(&self) -> Option<SocketAddr> {
        self.listen.as_ref()?.parse().ok()
    }

    /// Returns what the schema cannot see.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = self.only.problems("/sync");
        for (index, app) in self.apps.iter().enumerate() {
            problems.extend(app.problems(&place(index)));
        }
        if !self.apps.is_empty() {
            problems.extend(self.only.own().map(beside));
        }
        problems.extend(self.clashes());
        problems.extend(self.listen_problem());
        problems
    }

    fn listen_problem(&self) -> Option<Problem> {
        let address = self.listen.as_ref().filter(|address| address.parse::<SocketAddr>().is_err())?;
        let message = format!("`{address}` is not an address: write IP:PORT");
        Some(Problem::new("/sync/listen".to_owned(), message))
    }

    /// Finds what two applications have that one alone may have.
    fn clashes(&self) -> Vec<Problem> {
        let mut names: BTreeMap<&str, String> = BTreeMap::new();
        let mut claims: BTreeMap<Claim, (String, usize)> = BTreeMap::new();
        let mut clashes = Vec::new();
        for (index, app) in self.apps.iter().enumerate() {
            let at = place(index);
            let name = app.name.as_ref().map_or("", |name| name.as_str());
            let here = format!("{at}/name");
            match names.get(name) {
                Some(first) => clashes.push(same_name(name, here, first)),
                None => _ = names.insert(name, here),
            }
            for (below, claim) in app.claims() {
                let here = format!("{at}{below}");
                match claims.get(&claim) {
                    // What one application says twice is done twice, and harms nobody.
                    Some((_, owner)) if *owner == index => {}
                    Some((first, owner)) => clashes.push(same_claim(&claim, here, first, &place(*owner))),
                    None => _ = claims.insert(claim, (here, index)),
                }
            }
        }
        clashes
    }
}

fn place(index: usize) -> String {
    format!("/sync/apps/{index}")
}

fn beside(setting: &'static str) -> Problem {
    let message = format!("`sync.{setting}` stands beside `sync.apps`, and belongs to no application");
    Problem {
        help: Some(format!("move `{setting}` into the application that it is for")),
        ..Problem::new(format!("/sync/{setting}"), message)
    }
}

fn same_name(name: &str, here: String, first: &str) -> Problem {
    let message = format!("two applications are called `{name}`");
    Problem {
        code: &code::GW0803,
        other: Some((first.to_owned(), "the first one".to_owned())),
        help: Some("give each a name of its own".to_owned()),
        ..Problem::new(here, message)
    }
}

const ONE_SOURCE: &str =
    "a process serves one source: put both into one repository, or start a second process";

fn same_claim(claim: &Claim, here: String, first: &str, owner: &str) -> Problem {
    let (what, help) = match claim {
        Claim::Process(socket) => (format!("the process at `{}`", socket.display()), ONE_SOURCE),
        Claim::Address(address) => (format!("the process at `{address}`"), ONE_SOURCE),
        Claim::Inventory(_, cluster, _) => (
            match cluster.as_str() {
                "" => "the same inventory of the current cluster".to_owned(),
                name => format!("the same inventory of cluster `{name}`"),
            },
            "give one of them an `inventory` of its own, `NAMESPACE/NAME`",
        ),
        Claim::File(file) => (format!("the file `{}`", file.display()), "name another file"),
    };
    let owner = owner.trim_start_matches('/').replace('/', ".");
    Problem {
        code: &code::GW0803,
        other: Some((first.to_owned(), format!("`{owner}` has it first"))),
        help: Some(help.to_owned()),
        ..Problem::new(here, format!("two applications keep {what}"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use gatewright_compiler::options::CompileOptions;

    use super::super::Settings;
    use super::*;

    fn read(text: &str) -> SyncSettings {
        let (settings, findings) = Settings::read("gatewright.yaml", text.as_bytes());
        assert_eq!(findings, []);
        settings.sync
    }

    /// Returns what is found, each with its places, its code and its help.
    fn found(text: &str) -> Vec<String> {
        let (_, findings) = Settings::read("gatewright.yaml", text.as_bytes());
        let place = |label: &gatewright_diagnostics::Label| {
            format!("{}:{}", label.span.start.line, label.span.start.column)
        };
        let line = |finding: &gatewright_diagnostics::Diagnostic| {
            let others: Vec<String> = finding.related.iter().map(place).collect();
            let help = finding.help.as_deref().unwrap_or_default();
            let (code, at) = (finding.code.id, place(&finding.primary));
            format!("{code} {at} [{}] {} ({help})", others.join(" "), finding.message)
        };
        findings.iter().map(line).collect()
    }

    #[test]
    fn relative_paths_begin_at_the_folder_of_the_file() {
        let sync = read(
            "sync:\n  source: {repository: ../gateways, revision: main, path: shop/}\n  targets:\n  - control: run/a.sock\n  - control: /run/b.sock\n  - cluster: prod\n  interval: 5\n  timeout: 6\n  statusFile: status.json\n",
        );
        let folder = Path::new("ops");
        let [app] = sync.apps().try_into().unwrap();
        assert_eq!((&app.name, app.interval, app.timeout), (&None, Some(5), Some(6)));
        assert_eq!(app.source(folder).unwrap().unwrap().to_string(), "git+ops/../gateways@main:shop");
        let targets = app.targets(folder, &CompileOptions::higress_defaults());
        let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
        let cluster = "cluster prod inventory higress-system/gatewright";
        assert_eq!(targets, ["ops/run/a.sock", "/run/b.sock", cluster]);
        assert_eq!(app.status_file(folder).as_deref(), Some(Path::new("ops/status.json")));
    }

    #[test]
    fn a_repository_elsewhere_is_followed_at_its_default_branch() {
        let sync = read("sync: {source: {repository: \"https://git.test/team/gateways.git\"}}\n");
        let source = sync.apps()[0].source(Path::new("ops")).unwrap().unwrap();
        assert_eq!(source.to_string(), "git+https://git.test/team/gateways.git@HEAD");
        assert_eq!(read("{}\n"), SyncSettings::default());
    }

    #[test]
    fn applications_have_what_stands_for_all_unless_they_say_otherwise() {
        let sync = read(
            "sync:\n  interval: 5\n  policy: quarantine\n  apps:\n  - {name: shop, source: {repository: a}, targets: [{control: a}]}\n  - {name: docs, source: {repository: b}, targets: [{control: b}], interval: 7, policy: stop}\n",
        );
        let apps = sync.apps();
        let names: Vec<_> =
            apps.iter().filter_map(|app| app.name.as_ref()).map(ToString::to_string).collect();
        assert_eq!(names, ["shop", "docs"]);
        use crate::settings::PolicyArg::{Quarantine, Stop};
        let told: Vec<_> = apps.iter().map(|app| (app.interval, app.policy)).collect();
        assert_eq!(told, [(Some(5), Some(Quarantine)), (Some(7), Some(Stop))]);
    }

    #[test]
    fn what_two_applications_keep_is_refused_at_both_places() {
        let apps = |first: &str, second: &str| {
            let app = |name: &str, rest: &str| {
                format!("  - name: {name}\n    source: {{repository: {name}}}\n    {rest}\n")
            };
            found(&format!("sync:\n  apps:\n{}{}", app("a", first), app("b", second)))
        };
        let process = apps("targets: [{control: run/x}]", "targets: [{control: ./run/x}]");
        let help = "a process serves one source: put both into one repository, or start a second process";
        assert_eq!(
            process,
            [format!("GW0803 8:25 [5:25] two applications keep the process at `run/x` ({help})")]
        );
        let cluster = apps("targets: [{cluster: p}]", "targets: [{cluster: p}]");
        let help = "give one of them an `inventory` of its own, `NAMESPACE/NAME`";
        let message = "two applications keep the same inventory of cluster `p`";
        assert_eq!(cluster, [format!("GW0803 8:25 [5:25] {message} ({help})")]);
        let files = "targets: [{control: X}]\n    stateFile: state.json";
        let files = apps(&files.replace('X', "a"), &files.replace('X', "b"));
        assert_eq!(
            files,
            ["GW0803 10:16 [6:16] two applications keep the file `state.json` (name another file)"]
        );
        for (first, second) in [
            ("{cluster: p}", "{cluster: p, inventory: a/b}"),
            ("{cluster: p}", "{cluster: q}"),
            ("{cluster: p}", "{cluster: p, kubeconfig: k}"),
            ("{control: a}, {control: ./a}", "{control: b}"),
        ] {
            let found = apps(&format!("targets: [{first}]"), &format!("targets: [{second}]"));
            assert_eq!(found, <[String; 0]>::default(), "{first} {second}");
        }
    }

    #[test]
    fn mistakes_of_applications_are_located() {
        let text = "sync:\n  source: {repository: r}\n  apps:\n  - {name: a, source: {repository: r}, targets: [{control: x}]}\n  - {name: a, source: {repository: \"ftp://h/r\"}, targets: [{control: y, drift: report}]}\n";
        assert_eq!(
            found(text),
            [
                "GW0801 2:11 [] `sync.source` stands beside `sync.apps`, and belongs to no application (move `source` into the application that it is for)",
                "GW0803 5:12 [4:12] two applications are called `a` (give each a name of its own)",
                "GW0801 5:36 [] only http, https, ssh and file are supported ()",
                "GW0801 5:80 [] `sync.apps.1.targets.0`: `drift` is for clusters ()",
            ]
        );
        let text = "sync:\n  apps:\n  - {name: A_b, source: {repository: r}, targets: [{contol: x}], intervall: 3}\n  - {name: c}\n";
        assert_eq!(
            found(text),
            [
                "GW0801 3:12 [] `sync.apps.0.name` must be lower-case letters, digits and `-` between them, 63 at most ()",
                "GW0801 3:53 [] there is no setting `contol` (write `control`)",
                "GW0801 3:66 [] there is no setting `intervall` (write `interval`)",
                "GW0801 4:5 [] `sync.apps.1` needs `source` ()",
                "GW0801 4:5 [] `sync.apps.1` needs `targets` ()",
            ]
        );
    }
}
