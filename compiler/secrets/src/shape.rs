//! What is secret by its shape, wherever it stands.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::address::{self, Ends};
use crate::{pairs, replace};

fn expression(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a valid expression")
}

/// A private key in PEM, also with escaped line ends, cut off, or in base64 as Secrets hold it. Certificates begin with
/// `LS0tLS1CRUdJTiBD` and are public. None goes on behind a quote or bracket, so that what holds it stays whole.
static KEYS: LazyLock<Regex> = LazyLock::new(|| {
    expression(concat!(
        r#"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----(?:[^"'<>{}`]*?-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----"#,
        r"|[A-Za-z0-9+/=\s\\:,.\-]*)",
        r"|LS0tLS1CRUdJTiB[ABE-Z][A-Za-z0-9+/=]*(?m:[ \t]*\r?\n[ \t]*[A-Za-z0-9+/]+=*[ \t]*$)*",
        r"|AGE-SECRET-KEY-1[A-Z0-9]+",
    ))
});
/// Tokens of JWT, and of services that mark theirs.
static TOKENS: LazyLock<Regex> = LazyLock::new(|| {
    expression(concat!(
        r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)*",
        r"|(?-u:\b)(?:gh[pousr]_|github_pat_|glpat-|glptt-|gldt-|xox[abeprs]-|sk-ant-|sk-proj-|[srp]k_live_|rk_live_",
        r"|whsec_|npm_|pypi-|dckr_pat_|hvs\.|hvb\.|hf_|shpat_|dop_v1_|ya29\.|SG\.|AIza|LTAI|AKIA|ASIA)[A-Za-z0-9_\-.]{12,}",
        r"|(?-u:\b)sk-[A-Za-z0-9]{20,}",
    ))
});
/// `Bearer` and its like with what follows.
static SCHEMES: LazyLock<Regex> = LazyLock::new(|| {
    expression(r#"(?i)(?-u:\b)(?:bearer|basic|negotiate)(?:\s|%20|\+)+([A-Za-z0-9+/._~=:%-]{6,})"#)
});
/// `Digest` with its parameters (RFC 7616); a digest is something else, and public.
static DIGESTS: LazyLock<Regex> = LazyLock::new(|| {
    expression(r#"(?i)(?-u:\b)digest\s+((?:[a-z]+\*?=(?:\\?"[^"\\]*\\?"|[^\s,"'\\]+)(?:,\s*)?)+)"#)
});

/// Hides what is secret by an unmistakable shape: private keys, credentials and tokens in addresses, `Bearer` tokens,
/// JWTs, and tokens whose beginning tells whose they are. A text of any form stays of that form.
pub fn shapes(text: &str) -> Cow<'_, str> {
    let mut ranges = Vec::new();
    find(text, &mut ranges);
    replace(text, ranges)
}

/// How far behind a place the text is looked at for what stands at the place.
const AHEAD: usize = 16 * 1024;

/// Hides what [`shapes`] hides in the beginning of a text that goes on, as far as what follows cannot change it: to the end
/// of a line. Returns the length of that beginning, 0 if there is none, and what it becomes.
pub fn beginning(text: &str) -> (usize, Cow<'_, str>) {
    let mut ranges = Vec::new();
    find(text, &mut ranges);
    let line_end = |before: usize| text[..before].rfind('\n').map_or(0, |at| at + 1);
    let mut end = line_end(text.floor_char_boundary(text.len().saturating_sub(AHEAD)));
    while let Some(across) = ranges.iter().find(|range| range.start < end && end < range.end) {
        end = line_end(across.start);
    }
    ranges.retain(|range| range.end <= end);
    (end, replace(&text[..end], ranges))
}

/// Hides what [`shapes`] hides, `user:password@host` without a scheme, and values that follow a name which makes them
/// secret, as in `password: x` and `token=x`. For texts that people read.
pub fn text(text: &str) -> Cow<'_, str> {
    let mut ranges = Vec::new();
    find_all(text, &mut ranges);
    replace(text, ranges)
}

/// Finds what [`text`] hides.
pub(crate) fn find_all(text: &str, ranges: &mut Vec<Range<usize>>) {
    find(text, ranges);
    address::find_bare(text, ranges);
    pairs::find(text, ranges);
}

fn find(text: &str, ranges: &mut Vec<Range<usize>>) {
    if text.len() < 8 {
        return;
    }
    address::find(text, Ends::AtQuotes, ranges);
    ranges.extend(KEYS.find_iter(text).map(|found| found.range()));
    ranges.extend(TOKENS.find_iter(text).map(|found| found.range()));
    let tokens = SCHEMES.captures_iter(text).filter_map(|found| found.get(1));
    ranges.extend(tokens.filter(|token| !is_word(token.as_str())).map(|token| token.range()));
    let parameters = DIGESTS.captures_iter(text).filter_map(|found| found.get(1));
    ranges.extend(parameters.map(|parameters| parameters.range()));
}

/// Prose speaks of "bearer tokens" and "basic authentication".
fn is_word(text: &str) -> bool {
    let text = text.trim_end_matches(['.', ':', '-']);
    text.len() < 20 && text.bytes().all(|byte| byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goes through a text as a writer does whose pieces are of some length.
    fn in_pieces(whole: &str, piece: usize) -> String {
        let (mut shown, mut waiting) = (String::new(), String::new());
        for c in whole.chars() {
            waiting.push(c);
            if waiting.len() % piece == 0 {
                let (length, hidden) = beginning(&waiting);
                shown.push_str(&hidden);
                waiting.drain(..length);
            }
        }
        shown + &shapes(&waiting)
    }

    #[test]
    fn a_text_in_pieces_is_hidden_as_a_whole() {
        let key = "-----BEGIN RSA PRIVATE KEY-----\n".to_owned() + &"c2VzYW1l\n".repeat(4000);
        let line = "https://u:SESAME@h/ is plain né\n";
        let texts = [
            line.repeat(2000),
            format!("{}{key}-----END RSA PRIVATE KEY-----\n{}", line.repeat(700), line.repeat(700)),
            format!("{}{key}", line.repeat(900)),
            format!("{}authorization: Bearer\n  SESAME-1\n{}", line.repeat(600), line.repeat(900)),
            "x".repeat(60_000),
        ];
        for text in texts {
            for piece in [AHEAD + 1, AHEAD + 700, 3 * AHEAD] {
                assert!(in_pieces(&text, piece) == shapes(&text), "{}", &text[..40]);
            }
        }
    }

    #[test]
    fn shapes_are_known_anywhere() {
        for (given, shown) in [
            ("a Bearer SESAME-1 b", "a Bearer [hidden] b"),
            ("authorization: basic U0VTQU1F", "authorization: basic [hidden]"),
            (r#"Digest username="u", uri=/x, response="SESAME" b"#, "Digest [hidden] b"),
            (r#"{"a":"Digest username=\"u\", response=\"SESAME\""}"#, r#"{"a":"Digest [hidden]"}"#),
            ("x eyJhbGciOiJI.eyJzdWIiOiIx.c2ln y", "x [hidden] y"),
            ("ghp_0123456789abcdef", "[hidden]"),
            ("k: -----BEGIN EC PRIVATE KEY-----\nSESAME\n-----END EC PRIVATE KEY-----\nx", "k: [hidden]\nx"),
            (
                r#"{"k":"-----BEGIN PRIVATE KEY-----\nSESAME\n-----END PRIVATE KEY-----\n"}"#,
                r#"{"k":"[hidden]\n"}"#,
            ),
            ("cut -----BEGIN PRIVATE KEY-----\nSESAME", "cut [hidden]"),
            ("tls.key: LS0tLS1CRUdJTiBQUklWQVRF", "tls.key: [hidden]"),
            ("tls.key: LS0tLS1CRUdJTiBQ\n  SESAME==\nname: x", "tls.key: [hidden]\nname: x"),
            (
                r#"{"a":"-----BEGIN PRIVATE KEY----- SESAME","b":"-----BEGIN PRIVATE KEY-----x"}"#,
                r#"{"a":"[hidden]","b":"[hidden]"}"#,
            ),
        ] {
            assert_eq!(shapes(given), shown, "{given}");
            assert!(matches!(shapes(shown), Cow::Borrowed(_)), "{shown} is hidden once");
        }
    }

    #[test]
    fn prose_and_public_things_stay() {
        for given in [
            "bearer tokens and basic authentication are read",
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
            "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t",
            "the Secret `default/tls` has no tls.key",
            "outbound|80||web.shop.svc.cluster.local",
            "Digest 3f2504e04f8911d39a0c0305e82c3301 of the digest\n3f2504e04f8911d39a0c0305e82c3301",
            "the Service shop/sk-checkout-frontend",
        ] {
            assert_eq!(text(given), given);
        }
    }
}
