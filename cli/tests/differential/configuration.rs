//! Generated configurations: a few Ingresses on hosts of their own, with canaries, certificates and plugins, so that
//! hundreds share one gateway without touching each other.

use std::collections::BTreeMap;

use gatewright_behaviour::testing::Choices;
use gatewright_compiler::lookup_annotation;
use gatewright_ir::HostPattern;

use super::manifest::{Backend, Ingress, Path, Rule, plugin};
use super::vocabulary::*;

/// A configuration: one namespace of manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Configuration {
    /// Namespace, file name, and what its hosts begin with or lie below.
    pub(crate) name: String,
    /// YAML documents.
    pub(crate) documents: Vec<String>,
}

/// The configuration without hosts: what all others fall back to.
pub(crate) const STAR: &str = "star";

impl Configuration {
    /// Generates the configuration of a number. With `defaults` it may have default backends, which the newest Ingress
    /// of all gives `*` too, unless `*` has a root.
    pub(crate) fn generate(choices: &mut Choices, number: usize, defaults: bool) -> Self {
        let encrypted = choices.one_in(9);
        Self::of(Generator { choices, name: format!("c{number}"), encrypted, defaults })
    }

    /// Generates the one that uses `*`.
    pub(crate) fn star(choices: &mut Choices, rooted: bool) -> Self {
        let encrypted = choices.one_in(2);
        let mut star = Self::of(Generator { choices, name: STAR.to_owned(), encrypted, defaults: true });
        if rooted {
            star.documents.push(root().yaml());
        }
        star
    }

    fn of(mut generator: Generator<'_>) -> Self {
        let name = generator.name.clone();
        let documents = generator.documents();
        Configuration { name, documents }
    }

    /// Returns the file's text.
    pub(crate) fn text(&self) -> String {
        self.documents.join("---\n")
    }

    /// Returns whether a host pattern is one of this configuration.
    pub(crate) fn owns(&self, pattern: &HostPattern) -> bool {
        match pattern {
            HostPattern::Any => self.name == STAR,
            HostPattern::Exact(host) | HostPattern::Suffix(host) => {
                host.split('.').any(|label| label.strip_suffix("-a").unwrap_or(label) == self.name)
            }
        }
    }
}

/// A root for `*`.
fn root() -> Ingress {
    let path =
        Path { path: "/".to_owned(), path_type: "Prefix", backend: Backend::Service(SERVICES[0].to_owned()) };
    Ingress {
        namespace: STAR.to_owned(),
        name: "root".to_owned(),
        rules: vec![Rule { host: None, paths: vec![path] }],
        ..Ingress::default()
    }
}

struct Generator<'c> {
    choices: &'c mut Choices,
    name: String,
    encrypted: bool,
    defaults: bool,
}

/// Number of certificates; each is one filter chain with all routes in a static bootstrap, so they are shared.
pub(crate) const CERTIFICATES: usize = 3;

impl Generator<'_> {
    fn documents(&mut self) -> Vec<String> {
        let mut documents = Vec::new();
        let mut ingresses = Vec::new();
        // What `*` has is repeated behind every host.
        let most = if self.name == STAR { 2 } else { 4 };
        for index in 0..1 + self.choices.below(most) {
            let base = self.ingress(index);
            if self.choices.one_in(3) {
                documents.push(self.canary(&base).yaml());
            }
            if self.choices.one_in(20) {
                documents.push(Ingress { name: format!("{}-w", base.name), ..self.canary(&base) }.yaml());
            }
            documents.push(base.yaml());
            ingresses.push(base);
        }
        if self.choices.one_in(8) {
            documents.push(self.plugin(&ingresses));
        }
        documents
    }

    fn hosts(&self) -> Vec<Option<String>> {
        if self.name == STAR {
            return vec![None];
        }
        let name = &self.name;
        [
            format!("{name}-a.test"),
            format!("x.{name}.test"),
            format!("y.x.{name}.test"),
            format!("*.{name}.test"),
            format!("*.x.{name}.test"),
        ]
        .into_iter()
        .map(Some)
        .collect()
    }

    fn ingress(&mut self, index: usize) -> Ingress {
        let mut annotations = BTreeMap::new();
        let regex = self.path_mode(&mut annotations);
        let destination = self.choices.one_in(6);
        if destination {
            annotations.insert("higress.io/destination".to_owned(), self.destination());
        }
        self.conditions(&mut annotations);
        self.effects(&mut annotations);
        let mut ingress = Ingress {
            namespace: self.name.clone(),
            name: format!("i{index}"),
            annotations,
            ..Ingress::default()
        };
        let hosts = self.hosts();
        for _ in 0..1 + self.choices.below(2) {
            let host = hosts[self.choices.below(hosts.len())].clone();
            let paths = (0..1 + self.choices.below(3)).map(|_| self.path(regex, destination)).collect();
            ingress.rules.push(Rule { host, paths });
        }
        if self.defaults && self.choices.one_in(9) {
            ingress.default_backend = Some(Backend::Service(self.service()));
        }
        if self.encrypted && !self.choices.one_in(3) {
            ingress.tls.push(self.tls(&ingress.rules));
        }
        ingress
    }

    fn tls(&mut self, rules: &[Rule]) -> (Vec<String>, String) {
        let hosts = rules.iter().filter_map(|rule| rule.host.clone()).collect();
        let secret = match self.choices.below(12) {
            0 => "missing".to_owned(),
            _ => format!("cert-{}", self.choices.below(CERTIFICATES)),
        };
        (hosts, secret)
    }

    /// A canary of `base`: the same hosts, paths and conditions, another Service.
    fn canary(&mut self, base: &Ingress) -> Ingress {
        let mut canary = Ingress { name: format!("{}-c", base.name), ..base.clone() };
        canary.tls.clear();
        canary.default_backend = None;
        let kept = ["match-", "use-regex", "full-path-regex", "rewrite-target", "ignore-path-case"];
        canary.annotations.retain(|key, _| kept.iter().any(|part| key.contains(part)));
        for path in canary.rules.iter_mut().flat_map(|rule| &mut rule.paths) {
            path.backend = Backend::Service(self.service());
        }
        let header = self.choices.pick(&["x-a", "X-Canary", "x-b"]);
        self.put(&mut canary.annotations, "canary", "true");
        match self.choices.below(6) {
            0 => self.put(&mut canary.annotations, "canary-by-header", header),
            1 => {
                let value = self.choices.pick(&["true", "v1", "a.b", "1|2", "a,b"]);
                self.put(&mut canary.annotations, "canary-by-header", header);
                self.put(&mut canary.annotations, "canary-by-header-value", value);
            }
            2 => {
                let value = self.choices.pick(&["v", "v[0-9]", "abc|1"]);
                self.put(&mut canary.annotations, "canary-by-header", header);
                self.put(&mut canary.annotations, "canary-by-header-pattern", value);
            }
            3 => self.put(&mut canary.annotations, "canary-by-cookie", "user"),
            _ => {
                let weight = self.choices.pick(&["10", "0", "50", "53", "100", "25"]);
                self.put(&mut canary.annotations, "canary-weight", weight);
                if self.choices.one_in(4) {
                    self.put(&mut canary.annotations, "canary-weight-total", "200");
                }
            }
        }
        if self.choices.one_in(2) {
            self.header_control(&mut canary.annotations);
        }
        canary
    }

    fn plugin(&mut self, ingresses: &[Ingress]) -> String {
        let name = format!("{}-p", self.name);
        let strategy = self.choices.pick(&["FAIL_OPEN", "FAIL_CLOSE", "FAIL_CLOSE"]);
        let ingress = &ingresses[self.choices.below(ingresses.len())];
        if self.name == STAR || self.choices.one_in(3) {
            return plugin(&name, strategy, "ingress", &[format!("{}/{}", self.name, ingress.name)]);
        }
        let domain = match self.choices.below(5) {
            0 => format!("x.{}.test", self.name),
            1 => format!("*.{}.test", self.name),
            2 => format!("*x.{}.test", self.name),
            3 => format!("{}-*", self.name),
            _ => format!("any.{}.test", self.name),
        };
        plugin(&name, strategy, "domain", &[domain])
    }

    fn service(&mut self) -> String {
        match self.choices.below(24) {
            0 => MISSING_SERVICE.to_owned(),
            1 => EMPTY_SERVICE.to_owned(),
            _ => self.choices.pick(&SERVICES).to_owned(),
        }
    }

    fn path(&mut self, regex: bool, destination: bool) -> Path {
        let path = match regex {
            true if !self.choices.one_in(5) => self.choices.pick(PATTERNS),
            // The front of the list is ordinary, the back is odd.
            _ if !self.choices.one_in(4) => self.choices.pick(&PATHS[..8]),
            _ => self.choices.pick(PATHS),
        };
        let path_type = match (regex, self.choices.below(10)) {
            (true, 0..=5) | (false, 9) => "ImplementationSpecific",
            (true, _) | (false, 0..=4) => "Prefix",
            (false, _) => "Exact",
        };
        let backend = if destination { Backend::Destination } else { Backend::Service(self.service()) };
        Path { path: path.to_owned(), path_type, backend }
    }

    /// Chooses how paths are read and rewritten; returns whether they are regular expressions.
    fn path_mode(&mut self, annotations: &mut BTreeMap<String, String>) -> bool {
        match self.choices.below(12) {
            0 | 1 => {
                let value = self.choices.pick(PREFIXES);
                self.put(annotations, "rewrite-path", value);
                false
            }
            2 => {
                let value = self.choices.pick(TARGETS);
                self.put(annotations, "rewrite-target", value);
                false
            }
            3 | 4 => {
                let value = self.choices.pick(&TARGETS[3..]);
                self.put(annotations, "rewrite-target", value);
                true
            }
            5 => {
                let key = self.choices.pick(&["use-regex", "full-path-regex"]);
                self.put(annotations, key, "true");
                if self.choices.one_in(3) {
                    let value = self.choices.pick(PREFIXES);
                    self.put(annotations, "rewrite-path", value);
                }
                true
            }
            _ => false,
        }
    }

    fn destination(&mut self) -> String {
        let weights: &[&str] = match self.choices.below(5) {
            0 => &["60%", "40%"],
            1 => &["47%", "53%"],
            2 => &["50%", "30%", "20%"],
            3 => &["90%", "10%", "0%"],
            _ => &[""],
        };
        let lines = weights.iter().map(|weight| format!("{weight} {}", self.destination_host()));
        let lines: Vec<String> = lines.collect();
        lines.join("\n")
    }

    fn destination_host(&mut self) -> String {
        match self.choices.below(8) {
            0 => "pair.static:80".to_owned(),
            1 => "single.static".to_owned(),
            2 => "nowhere.static:80".to_owned(),
            3 => format!("{}.{}.svc.cluster.local", self.service(), self.name),
            _ => format!("{}.{}.svc.cluster.local:80", self.service(), self.name),
        }
    }

    /// Conditions on method, headers and query.
    fn conditions(&mut self, annotations: &mut BTreeMap<String, String>) {
        if self.choices.one_in(7) {
            let value = self.choices.pick(&[
                "GET",
                "POST",
                "GET POST",
                "PUT GET",
                "get",
                "HEAD",
                "OPTIONS GET",
                "FOO",
            ]);
            self.put(annotations, "match-method", value);
        }
        for _ in 0..[0, 0, 0, 0, 0, 1, 1, 2][self.choices.below(8)] {
            let name = self.choices.pick(HEADERS);
            self.condition(annotations, "header", name);
        }
        for _ in 0..[0, 0, 0, 0, 0, 0, 1, 2][self.choices.below(8)] {
            let name = self.choices.pick(QUERIES);
            self.condition(annotations, "query", name);
        }
        if self.choices.one_in(16) {
            let (key, value) = match self.choices.below(7) {
                0 => ("exact-match-pseudo-header-authority", format!("x.{}.test", self.name)),
                1 => ("prefix-match-pseudo-header-authority", "x.".to_owned()),
                2 => ("regex-match-pseudo-header-authority", r".*\.test(:\d+)?".to_owned()),
                3 => ("exact-match-pseudo-header-path", "/a?q=1".to_owned()),
                4 => ("prefix-match-pseudo-header-path", "/a".to_owned()),
                5 => ("regex-match-pseudo-header-method", "GET|P.*".to_owned()),
                _ => ("exact-match-pseudo-header-scheme", "http".to_owned()),
            };
            self.put(annotations, key, &value);
        }
    }

    fn condition(&mut self, annotations: &mut BTreeMap<String, String>, what: &str, name: &str) {
        let (test, value) = match self.choices.below(4) {
            0 => ("regex", self.choices.pick(VALUE_PATTERNS)),
            1 => ("prefix", self.choices.pick(&["v", "a", "", "1"])),
            _ => ("exact", self.choices.pick(&VALUES[..8])),
        };
        self.put(annotations, &format!("{test}-match-{what}-{name}"), value);
    }

    /// Everything that a route does beside choosing its requests.
    fn effects(&mut self, annotations: &mut BTreeMap<String, String>) {
        if self.choices.one_in(8) {
            let value = self.choices.pick(&["true", "true", "false", "yes"]);
            self.put(annotations, "ignore-path-case", value);
        }
        if self.choices.one_in(8) {
            let value = self.choices.pick(&["60", "30", "2", "0", "x"]);
            self.put(annotations, "timeout", value);
        }
        if self.choices.one_in(8) {
            let value = self.choices.pick(VHOSTS);
            self.put(annotations, "upstream-vhost", value);
        }
        if self.choices.one_in(6) {
            self.redirect(annotations);
        }
        if self.choices.one_in(12) {
            let value = self.choices.pick(ROOTS);
            self.put(annotations, "app-root", value);
        }
        if self.choices.one_in(3) {
            self.header_control(annotations);
        }
        if self.choices.one_in(5) {
            self.cors(annotations);
        }
        if self.choices.one_in(8) {
            let value = self.service();
            self.put(annotations, "default-backend", &value);
        }
        if self.choices.one_in(16) {
            self.protection(annotations);
        }
    }

    fn redirect(&mut self, annotations: &mut BTreeMap<String, String>) {
        match self.choices.below(4) {
            0 => {
                let value = self.choices.pick(URLS);
                self.put(annotations, "temporal-redirect", value);
            }
            1 => {
                let value = self.choices.pick(URLS);
                self.put(annotations, "permanent-redirect", value);
                if self.choices.one_in(2) {
                    let code = self.choices.pick(CODES);
                    self.put(annotations, "permanent-redirect-code", code);
                }
            }
            _ => {
                let key = self.choices.pick(&["ssl-redirect", "force-ssl-redirect"]);
                self.put(annotations, key, "true");
            }
        }
    }

    fn header_control(&mut self, annotations: &mut BTreeMap<String, String>) {
        for side in ["request", "response"] {
            for verb in ["add", "update"] {
                if !self.choices.one_in(3) {
                    continue;
                }
                let lines = (0..1 + self.choices.below(2)).map(|_| {
                    let name = if side == "request" && self.choices.one_in(12) {
                        self.choices.pick(&["host", ":authority"])
                    } else {
                        self.choices.pick(EDITED)
                    };
                    format!("{name} {}", self.choices.pick(EDIT_VALUES))
                });
                let lines: Vec<String> = lines.collect();
                self.put(annotations, &format!("{side}-header-control-{verb}"), &lines.join("\n"));
            }
            if self.choices.one_in(3) {
                let names: Vec<&str> =
                    (0..1 + self.choices.below(2)).map(|_| self.choices.pick(EDITED)).collect();
                self.put(annotations, &format!("{side}-header-control-remove"), &names.join(","));
            }
        }
    }

    fn cors(&mut self, annotations: &mut BTreeMap<String, String>) {
        self.put(annotations, "enable-cors", "true");
        if !self.choices.one_in(3) {
            let value = self.choices.pick(ORIGIN_LISTS);
            self.put(annotations, "cors-allow-origin", value);
        }
        for key in ["cors-allow-methods", "cors-allow-headers", "cors-expose-headers"] {
            if self.choices.one_in(2) {
                let value = self.choices.pick(NAME_LISTS);
                self.put(annotations, key, value);
            }
        }
        if self.choices.one_in(3) {
            let value = self.choices.pick(&["false", "true", "no"]);
            self.put(annotations, "cors-allow-credentials", value);
        }
        if self.choices.one_in(3) {
            let value = self.choices.pick(&["600", "0", "-1", "x"]);
            self.put(annotations, "cors-max-age", value);
        }
    }

    fn protection(&mut self, annotations: &mut BTreeMap<String, String>) {
        let (key, value) = match self.choices.below(5) {
            0 => ("whitelist-source-range", "10.0.0.0/8"),
            1 => ("whitelist-source-range", "*"),
            2 => ("route-limit-rps", "1"),
            3 => ("auth-tls-secret", "cert-0"),
            _ => ("auth-type", "basic"),
        };
        self.put(annotations, key, value);
    }

    /// Adds an annotation under one of the prefixes that it may have.
    fn put(&mut self, annotations: &mut BTreeMap<String, String>, suffix: &str, value: &str) {
        let nginx = format!("nginx.ingress.kubernetes.io/{suffix}");
        let key = match lookup_annotation(&nginx) {
            Some(_) if self.choices.one_in(2) => nginx,
            _ => format!("higress.io/{suffix}"),
        };
        annotations.insert(key, value.to_owned());
    }
}
