//! Route test files: reading them, and saying where they are wrong.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use gatewright_behaviour::Request;
use gatewright_compiler::finding::{Part, escape};
use gatewright_compiler::manifest::DocumentIndex;
use gatewright_compiler::parse::{Locator, nearest};
use gatewright_diagnostics::{Diagnostic, Label, Position, Span, code, sort};
use jsonschema::Validator;
use jsonschema::error::{ValidationError, ValidationErrorKind};
use serde::Deserialize;
use serde_json::Value;

/// The published schema of a test file.
pub const SCHEMA: &str = include_str!("../../../../schemas/gwtest.schema.json");

static VALIDATOR: LazyLock<(Value, Validator)> = LazyLock::new(|| {
    let schema = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is a schema");
    (schema, validator)
});

/// One test of a file.
#[derive(Clone, Debug)]
pub(super) struct RouteTest {
    /// What it shows.
    pub(super) name: String,
    /// Line of the file.
    pub(super) line: usize,
    pub(super) request: Request,
    pub(super) expect: Expect,
}

/// What must hold for a request; see the schema.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Expect {
    pub(super) status: Option<u16>,
    pub(super) forward: Option<Targets>,
    pub(super) redirect: Option<RedirectTo>,
    pub(super) refused: Option<String>,
    pub(super) no_route: bool,
    pub(super) closed: bool,
    pub(super) preflight: bool,
    pub(super) route: Option<String>,
    pub(super) host: Option<String>,
    pub(super) upstream_path: Option<String>,
    pub(super) upstream_host: Option<String>,
    pub(super) request_headers: BTreeMap<String, Option<String>>,
    pub(super) response_headers: BTreeMap<String, Option<String>>,
    pub(super) certificate: Option<String>,
    pub(super) plugins: Option<Vec<String>>,
    /// Plain facets by [`PlainFacet::key`](gatewright_behaviour::PlainFacet::key); the schema lets no other member pass.
    #[serde(flatten)]
    pub(super) plain: BTreeMap<String, Value>,
}

/// Where a request goes.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Targets {
    One(String),
    Weighted(Vec<Weighted>),
}

/// One of several targets.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Weighted {
    pub(super) to: String,
    /// Percent.
    pub(super) weight: f64,
}

/// The target of a redirect.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RedirectTo {
    pub(super) code: Option<u16>,
    pub(super) location: Option<String>,
}

/// A request as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum WrittenRequest {
    Text(String),
    Parts {
        method: Option<String>,
        url: String,
        #[serde(default)]
        headers: BTreeMap<String, Lines>,
        #[serde(default, deserialize_with = "present")]
        sni: Option<Option<String>>,
    },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Lines {
    One(String),
    Several(Vec<String>),
}

#[derive(Clone, Debug, Deserialize)]
struct WrittenTest {
    name: Option<String>,
    request: WrittenRequest,
    expect: Expect,
}

/// Tells a member that is null from one that is missing.
fn present<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads a test file. With findings there are no tests.
pub(super) fn read(path: &str, text: &[u8]) -> (Vec<RouteTest>, Vec<Diagnostic>) {
    let value: Value = match serde_yaml::from_slice(text) {
        Ok(value) => value,
        Err(error) => return (Vec::new(), vec![syntax(path, &error)]),
    };
    let file = File { path, locator: Locator::new(text) };
    let mut findings: Vec<Diagnostic> =
        VALIDATOR.1.iter_errors(&value).flat_map(|error| file.findings(&value, &error)).collect();
    let mut tests = Vec::new();
    if findings.is_empty() {
        for (index, test) in value["tests"].as_array().into_iter().flatten().enumerate() {
            match file.test(index, test) {
                Ok(test) => tests.push(test),
                Err(finding) => findings.push(*finding),
            }
        }
    }
    sort(&mut findings);
    if findings.is_empty() { (tests, findings) } else { (Vec::new(), findings) }
}

fn syntax(path: &str, error: &serde_yaml::Error) -> Diagnostic {
    let start = error.location().map_or_else(Position::default, |place| Position {
        offset: place.index(),
        line: place.line(),
        column: place.column(),
    });
    let text = error.to_string();
    // The place stands beside the message.
    let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
    finding_at(path, Span { start, end: start }, message)
}

fn finding_at(path: &str, span: Span, message: String) -> Diagnostic {
    Diagnostic::new(&code::GW0802, message, Label { path: path.to_owned(), span, text: String::new() })
}

struct File<'a> {
    path: &'a str,
    locator: Locator,
}

impl File<'_> {
    fn test(&self, index: usize, value: &Value) -> Result<RouteTest, Box<Diagnostic>> {
        let pointer = format!("/tests/{index}");
        let wrong = |pointer: &str, message: String| Box::new(self.finding(pointer, Part::Value, message));
        let written: WrittenTest = serde_json::from_value(value.clone())
            .map_err(|error| wrong(&pointer, format!("the test cannot be read: {error}")))?;
        let request =
            request(&written.request).map_err(|error| wrong(&format!("{pointer}/request"), error))?;
        Ok(RouteTest {
            name: written.name.unwrap_or_else(|| request.to_string()),
            line: self.span(&pointer, Part::Key).start.line,
            request,
            expect: written.expect,
        })
    }

    fn findings(&self, root: &Value, error: &ValidationError<'_>) -> Vec<Diagnostic> {
        let pointer = error.instance_path().to_string();
        let name = match pointer.trim_start_matches('/').replace('/', ".") {
            name if name.is_empty() => "the file".to_owned(),
            name => format!("`{name}`"),
        };
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let known = known(&pointer);
                let unknown = |key: &String| {
                    let place = format!("{pointer}/{}", escape(key));
                    let mut finding =
                        self.finding(&place, Part::Key, format!("{name} has no member `{key}`"));
                    finding.help =
                        nearest(key, known.iter().copied()).map(|meant| format!("write `{meant}`"));
                    finding
                };
                unexpected.iter().map(unknown).collect()
            }
            ValidationErrorKind::Required { property } => {
                let property = property.as_str().unwrap_or_default();
                vec![self.finding(&pointer, Part::Value, format!("{name} has no `{property}`"))]
            }
            ValidationErrorKind::Constant { expected_value } => {
                let message = format!("{name} is {expected_value} or left out");
                vec![self.finding(&pointer, Part::Value, message)]
            }
            ValidationErrorKind::MinProperties { .. } => {
                vec![self.finding(
                    &pointer,
                    Part::Value,
                    format!("{name} is empty, so it would check nothing"),
                )]
            }
            ValidationErrorKind::OneOfNotValid { .. } => self.alternatives(root, &pointer, &name),
            _ => vec![self.finding(&pointer, Part::Value, format!("{name}: {error}"))],
        }
    }

    /// Where a value may have two forms, says what is wrong with the one that it seems to have.
    fn alternatives(&self, root: &Value, pointer: &str, name: &str) -> Vec<Diagnostic> {
        let is_object = root.pointer(pointer).is_some_and(Value::is_object);
        let known = known(pointer);
        let members = root.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
        let unknown: Vec<Diagnostic> = members
            .filter(|(key, _)| is_object && !known.is_empty() && !known.contains(&key.as_str()))
            .map(|(key, _)| {
                let place = format!("{pointer}/{}", escape(key));
                let mut finding = self.finding(&place, Part::Key, format!("{name} has no member `{key}`"));
                finding.help = nearest(key, known.iter().copied()).map(|meant| format!("write `{meant}`"));
                finding
            })
            .collect();
        if !unknown.is_empty() {
            return unknown;
        }
        let form = match pointer.rsplit('/').next() {
            Some("request") => "a text such as `GET https://host/path`, or a mapping with `url`",
            Some("forward") => "one upstream as a text, or a list of `to` and `weight`",
            _ => "a text or a list of texts",
        };
        vec![self.finding(pointer, Part::Value, format!("{name} must be {form}"))]
    }

    fn finding(&self, pointer: &str, part: Part, message: String) -> Diagnostic {
        finding_at(self.path, self.span(pointer, part), message)
    }

    fn span(&self, pointer: &str, part: Part) -> Span {
        let document = DocumentIndex { document: 0, item: None };
        self.locator.locate(document, pointer, part).unwrap_or_default()
    }
}

fn request(written: &WrittenRequest) -> Result<Request, String> {
    let words = |error: gatewright_behaviour::RequestError| error.to_string();
    match written {
        WrittenRequest::Text(text) => Request::parse(text).map_err(words),
        WrittenRequest::Parts { method, url, headers, sni } => {
            // In quotes, so that nothing in the URL reads as another part.
            let mut request = Request::parse(&format!("'{}'", url.replace('\'', "%27"))).map_err(words)?;
            if let Some(method) = method {
                request.method.clone_from(method);
            }
            for (name, lines) in headers {
                let lines = match lines {
                    Lines::One(line) => std::slice::from_ref(line),
                    Lines::Several(lines) => lines,
                };
                request.headers.extend(lines.iter().map(|line| (name.clone(), line.clone())));
            }
            if let Some(sni) = sni {
                request.sni.clone_from(sni);
            }
            Ok(request)
        }
    }
}

/// Returns the members that the schema knows of the mapping at a place.
fn known(pointer: &str) -> Vec<&'static str> {
    let definition = match pointer.rsplit('/').next().unwrap_or_default() {
        "" => &VALIDATOR.0["properties"],
        "request" => &VALIDATOR.0["$defs"]["request"]["oneOf"][1]["properties"],
        "expect" => &VALIDATOR.0["$defs"]["expect"]["properties"],
        "redirect" => &VALIDATOR.0["$defs"]["expect"]["properties"]["redirect"]["properties"],
        index
            if index.parse::<usize>().is_ok()
                && pointer.starts_with("/tests/")
                && pointer.matches('/').count() == 2 =>
        {
            &VALIDATOR.0["$defs"]["test"]["properties"]
        }
        _ => return Vec::new(),
    };
    definition.as_object().into_iter().flat_map(|members| members.keys()).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        let (tests, findings) = read("a.gwtest.yaml", text.as_bytes());
        assert!(tests.is_empty() || findings.is_empty());
        let line = |finding: &Diagnostic| {
            let place = finding.primary.span.start;
            let help = finding.help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
            format!("{}:{} {}{help}", place.line, place.column, finding.message)
        };
        findings.iter().map(line).collect()
    }

    #[test]
    fn both_forms_of_a_request_are_read() {
        let text = "\
tests:
- request: \"POST https://a.com/x -H 'h: 1'\"
  expect: {status: 404}
- name: parts
  request: {method: PUT, url: 'https://a.com/x?q=1', headers: {h: [a, b]}, sni: null}
  expect: {forward: shop/web, timeout_ms: null}
";
        let (tests, findings) = read("a.gwtest.yaml", text.as_bytes());
        assert_eq!(findings, []);
        assert_eq!(tests[0].name, "POST https://a.com/x -H 'h: 1'");
        assert_eq!((tests[1].line, tests[1].name.as_str()), (4, "parts"));
        assert_eq!(tests[1].request.to_string(), "PUT 'https://a.com/x?q=1' -H 'h: a' -H 'h: b' --no-sni");
        let plain = |index: usize| tests[index].expect.plain.get("timeout_ms").cloned();
        assert_eq!((plain(0), plain(1)), (None, Some(Value::Null)));
    }

    #[test]
    fn every_plain_facet_can_be_expected() {
        let expect = &VALIDATOR.0["$defs"]["expect"]["properties"];
        for facet in gatewright_behaviour::Plain::default().facets() {
            assert!(expect.get(facet.key).is_some(), "{}", facet.key);
        }
    }

    #[test]
    fn mistakes_are_located_and_the_nearest_word_is_offered() {
        let text = "\
tests:
- request: {url: 'https://a.com/', methd: GET}
  expect: {status: 404}
- request: GET https://a.com/
  expect: {forwrd: shop/web}
- expect: {}
  request: GET a.com
";
        assert_eq!(
            messages(text),
            [
                "2:36 `tests.0.request` has no member `methd` (write `method`)",
                "5:12 `tests.1.expect` has no member `forwrd` (write `forward`)",
                "6:11 `tests.2.expect` is empty, so it would check nothing",
            ]
        );
    }

    #[test]
    fn requests_that_are_none_are_located() {
        let text = "tests:\n- request: GET a.com\n  expect: {status: 404}\n";
        assert_eq!(messages(text), ["2:12 `a.com` starts with neither `http://` nor `https://`"]);
    }

    #[test]
    fn broken_yaml_and_missing_parts_are_findings() {
        assert!(messages("tests: [\n")[0].starts_with("2:"));
        assert_eq!(messages("tests:\n- request: GET http://a/\n"), ["2:3 `tests.0` has no `expect`"]);
        assert_eq!(messages("{}\n"), ["1:1 the file has no `tests`"]);
        assert_eq!(
            messages("tests:\n- {request: [], expect: {no_route: false}}\n"),
            [
                "2:13 `tests.0.request` must be a text such as `GET https://host/path`, or a mapping with `url`",
                "2:36 `tests.0.expect.no_route` is true or left out",
            ]
        );
    }
}
