//! Requests as people write them: `GET https://shop.example.com/cart?x=1 -H 'x-canary: always'`.

use std::fmt;
use std::net::IpAddr;

use gatewright_http::authority;
use gatewright_ir::ListenerId;
use serde::{Serialize, Serializer};

use crate::canonical::{BadRequest, Canonical};

/// One request, as a client sends it. Bodies are not looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// The listener.
    pub listener: ListenerId,
    /// The server name in the TLS handshake; none on the plain listener and for clients that send none.
    pub sni: Option<String>,
    /// The method.
    pub method: String,
    /// Host and optional port.
    pub authority: String,
    /// Path and query as sent.
    pub path: String,
    /// Header lines in order, names in any case.
    pub headers: Vec<(String, String)>,
    /// The client's address; no feature of this version looks at it.
    pub source: Option<IpAddr>,
}

/// Says why a text is no request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// A quote is not closed.
    OpenQuote,
    /// No URL.
    NoUrl,
    /// The URL starts with neither `http://` nor `https://`.
    Scheme(String),
    /// The URL has no host.
    NoHost(String),
    /// The URL has user information, which no client sends as a part of the host. It may be a password: not repeated.
    UserInformation,
    /// A header is not `name: value`.
    Header(String),
    /// An option other than `-H`, `-X`, `--sni`, `--no-sni`, or one without its value.
    Option(String),
    /// A second URL.
    Surplus(String),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = gatewright_secrets::argument;
        match self {
            RequestError::OpenQuote => f.write_str("a quote is not closed"),
            RequestError::NoUrl => f.write_str("no URL; expected `GET https://host/path -H 'name: value'`"),
            RequestError::Scheme(url) => {
                write!(f, "`{}` starts with neither `http://` nor `https://`", shown(url))
            }
            RequestError::NoHost(url) => write!(f, "`{}` has no host", shown(url)),
            RequestError::UserInformation => f.write_str(
                "the URL has user information before an `@`; give it as `-H 'authorization: ...'`",
            ),
            // What comes behind the name may be its value, whatever stands between them.
            RequestError::Header(text) => match text.split_once([':', '=', ' ', '\t']) {
                Some((name, _)) => write!(f, "`{} …` is not `name: value`", shown(name)),
                None => write!(f, "`{}` is not `name: value`", shown(text)),
            },
            RequestError::Option(text) => {
                let text = shown(text);
                write!(f, "`{text}` is not one of `-H 'name: value'`, `-X METHOD`, `--sni NAME`, `--no-sni`")
            }
            RequestError::Surplus(text) => write!(f, "`{}` stands after the URL", shown(text)),
        }
    }
}

impl std::error::Error for RequestError {}

impl Request {
    /// Returns a `GET` of `path` on `authority`, whose server name is the host where the listener is TLS.
    pub fn get(listener: ListenerId, authority: &str, path: &str) -> Self {
        Request {
            listener,
            sni: default_sni(listener, authority),
            method: "GET".into(),
            authority: authority.into(),
            path: path.into(),
            headers: Vec::new(),
            source: None,
        }
    }

    /// Writes the form that [`Request::parse`] reads, with what is secret replaced.
    pub fn shown(&self) -> String {
        use gatewright_secrets::{HIDDEN, address, is_secret_name, text};
        let header = |(name, value): &(String, String)| match is_secret_name(name) {
            true => (name.clone(), HIDDEN.to_owned()),
            false => (name.clone(), text(value).into_owned()),
        };
        let shown = Request {
            authority: address(&self.authority).into_owned(),
            path: text(&self.path).into_owned(),
            headers: self.headers.iter().map(header).collect(),
            ..self.clone()
        };
        let usual = self.sni == default_sni(self.listener, &self.authority);
        let sni = self.sni.as_ref().map(|name| address(name).into_owned());
        let sni = if usual { default_sni(self.listener, &shown.authority) } else { sni };
        Request { sni, ..shown }.to_string()
    }

    /// Reads `[METHOD] URL [-H 'name: value']... [-X METHOD] [--sni NAME | --no-sni]`, with shell-like quotes.
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        let words = split_words(text)?;
        let mut words = words.iter().map(String::as_str);
        let mut method = None;
        let mut request: Option<Request> = None;
        let mut headers = Vec::new();
        let mut sni = None;
        while let Some(word) = words.next() {
            match word {
                "-H" | "--header" => headers.push(parse_header(value_of(word, words.next())?)?),
                "-X" | "--request" => method = Some(value_of(word, words.next())?.to_owned()),
                "--sni" => sni = Some(Some(value_of(word, words.next())?.to_owned())),
                "--no-sni" => sni = Some(None),
                _ if word.starts_with('-') => return Err(RequestError::Option(word.into())),
                _ if request.is_some() => return Err(RequestError::Surplus(word.into())),
                _ if word.contains("://") => request = Some(parse_url(word)?),
                _ if method.is_none() => method = Some(word.to_owned()),
                _ => return Err(RequestError::Scheme(word.into())),
            }
        }
        let mut request = request.ok_or(RequestError::NoUrl)?;
        request.method = method.unwrap_or_else(|| "GET".into());
        for (name, value) in headers {
            request = request.with_header(&name, &value);
        }
        if let Some(sni) = sni {
            request.sni = sni;
        }
        Ok(request)
    }

    /// Adds a header line. `host` takes the place of the authority, as curl does it; the server name stays.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if name.eq_ignore_ascii_case("host") {
            self.authority = value.trim_matches([' ', '\t']).into();
        } else {
            self.headers.push((name.into(), value.into()));
        }
        self
    }

    /// Adds a header line given as `name: value` (the form of an `-H` option).
    pub fn with_header_line(self, line: &str) -> Result<Self, RequestError> {
        let (name, value) = parse_header(line)?;
        Ok(self.with_header(&name, &value))
    }

    /// Returns the form that is matched, or why it is answered before matching.
    pub fn canonical(&self) -> Result<Canonical, BadRequest> {
        Canonical::of(self)
    }

    /// Returns the URL.
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.listener.scheme.as_str(), self.authority, self.path)
    }
}

impl fmt::Display for Request {
    /// Writes the form that [`Request::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What would be read as a part of the path, or not at all, is told beside the URL.
        let odd = self.authority.is_empty() || self.authority.contains(['/', '?', '@']);
        let authority = if odd { "host.invalid" } else { &self.authority };
        let url = format!("{}://{authority}{}", self.listener.scheme.as_str(), self.path);
        write!(f, "{} {}", self.method, quoted(&url))?;
        if odd {
            write!(f, " -H {}", quoted(&format!("host: {}", self.authority)))?;
        }
        for (name, value) in &self.headers {
            write!(f, " -H {}", quoted(&format!("{name}: {value}")))?;
        }
        match &self.sni {
            sni if *sni == default_sni(self.listener, authority) => Ok(()),
            Some(name) => write!(f, " --sni {}", quoted(name)),
            None => f.write_str(" --no-sni"),
        }
    }
}

impl Serialize for Request {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn default_sni(listener: ListenerId, authority: &str) -> Option<String> {
    (listener.is_tls()).then(|| authority::host(authority).into_owned())
}

fn value_of<'a>(option: &str, value: Option<&'a str>) -> Result<&'a str, RequestError> {
    value.ok_or_else(|| RequestError::Option(option.into()))
}

fn parse_url(url: &str) -> Result<Request, RequestError> {
    let (listener, rest) = match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (ListenerId::HTTP, rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (ListenerId::HTTPS, rest),
        _ => return Err(RequestError::Scheme(url.into())),
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.is_empty() {
        return Err(RequestError::NoHost(url.into()));
    }
    if authority.contains('@') {
        return Err(RequestError::UserInformation);
    }
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok(Request::get(listener, authority, &path))
}

fn parse_header(text: &str) -> Result<(String, String), RequestError> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(RequestError::Header(text.into())),
    }
}

/// Splits at white space outside of single and double quotes; inside double quotes `\` escapes.
fn split_words(text: &str) -> Result<Vec<String>, RequestError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => read_quoted(c, &mut chars, word.get_or_insert_default())?,
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn read_quoted(quote: char, chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), RequestError> {
    loop {
        match chars.next().ok_or(RequestError::OpenQuote)? {
            c if c == quote => return Ok(()),
            '\\' if quote == '"' => word.push(chars.next().ok_or(RequestError::OpenQuote)?),
            c => word.push(c),
        }
    }
}

/// Quotes a word where the parser, or a shell, would split or change it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/,=@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else if word.contains('\'') {
        format!("\"{}\"", word.replace('\\', r"\\").replace('"', "\\\""))
    } else {
        format!("'{word}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_human_form_reads_back() {
        for text in [
            "GET https://shop.example.com/cart",
            "POST http://shop.example.com:8080/cart -H 'x-canary: always' -H 'a: b'",
            "GET 'http://a.com/x?y=1&z'",
            "GET https://a.com/ --sni b.com",
            "GET https://a.com/ --no-sni",
            "GET http://a.com/ -H \"x: it's \\\"so\\\"\"",
            "GET 'http://a.com, b.com:#/x'",
            "GET http://host.invalid/x -H 'host: a.com?y'",
            "GET https://host.invalid/x -H 'host: u@a.com' --sni a.com",
            "GET http://host.invalid/x -H 'host: '",
        ] {
            assert_eq!(Request::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn parts_have_defaults() {
        let request = Request::parse("https://A.com?x").unwrap();
        assert_eq!(request.method, "GET");
        assert_eq!(request.path, "/?x");
        assert_eq!(request.sni.as_deref(), Some("a.com"));
        let canonical = request.canonical().unwrap();
        assert_eq!((canonical.path.as_str(), canonical.query_value("x")), ("/", Some("")));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, error) in [
            ("GET", RequestError::NoUrl),
            ("GET ftp://a/", RequestError::Scheme("ftp://a/".into())),
            ("GET a.com/", RequestError::Scheme("a.com/".into())),
            ("GET https:///x", RequestError::NoHost("https:///x".into())),
            ("GET https://user:word@a.com/x", RequestError::UserInformation),
            ("http://a/ -H x", RequestError::Header("x".into())),
            ("http://a/ -H", RequestError::Option("-H".into())),
            ("http://a/ --foo", RequestError::Option("--foo".into())),
            ("http://a/ 'x", RequestError::OpenQuote),
            ("http://a/ http://b/", RequestError::Surplus("http://b/".into())),
        ] {
            assert_eq!(Request::parse(text), Err(error));
        }
    }

    #[test]
    fn a_host_line_takes_the_place_of_the_authority() {
        let request = Request::parse("https://a.com/x -H 'Host:  b.com:1'").unwrap();
        assert_eq!((request.authority.as_str(), request.sni.as_deref()), ("b.com:1", Some("a.com")));
        assert!(request.headers.is_empty());
    }

    #[test]
    fn header_lines_are_joined() {
        let request = Request::get(ListenerId::HTTP, "a", "/").with_header("X", " 1").with_header("x", "2");
        assert_eq!(request.canonical().unwrap().header("x").as_deref(), Some("1,2"));
    }
}
