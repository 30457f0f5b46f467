//! Words that configurations and requests are made of. They are few, so that matches, near misses and conflicts are
//! common, and odd, because the odd ones are where two readers of one text part.

/// Names of Services with an endpoint; the echo backend of a Service has its name.
pub(crate) const SERVICES: [&str; 5] = ["s0", "s1", "s2", "s3", "s4"];
/// A Service without endpoints.
pub(crate) const EMPTY_SERVICE: &str = "hollow";
/// A Service that does not exist.
pub(crate) const MISSING_SERVICE: &str = "gone";

/// Literal paths. The first ones are chosen most.
pub(crate) const PATHS: &[&str] = &[
    "/", "/a", "/a/", "/a/b", "/b", "/a/b/", "/A", "/ab", "/b/c", "/a.b", "/a%20b", "/a;x", "/a~b", "/a+b",
    "/%61", "/a$b", "/a:b", "/a&b=c", "/a/b/c", "/a/./b", "/a//b", "/a%2Fb", "/a?b", "/.a", "/a(b)",
    "/a%7Eb", "//",
];

/// Paths that are regular expressions.
pub(crate) const PATTERNS: &[&str] = &[
    "/a/(.*)",
    "/(a|b)",
    "/[a-z]+/b",
    "/v[0-9]",
    "/a(/|$)(.*)",
    "/a.b",
    r"/\d+",
    "/(?i)a/(\\w+)",
    "/a{2,3}",
    "/.*",
    "/(a)(b)?(c)?",
    "/[^/]+",
    "/a/?$",
    "/(?:a|b)/c",
    "/x*",
    "/a",
    "/",
    "/a(",
    "/a{1,1001}",
    r"/\pL+",
    "/(a)/(b)/(c)",
];

/// Paths of requests beyond the literal ones, for expressions and for noise.
///
/// Without what the gateway's HTTP library keeps from it: `#` (Envoy answers 400, the gateway ignores what follows) and
/// `<`, `>`, `` ` `` (Envoy encodes them, the gateway answers 400).
pub(crate) const REQUEST_PATHS: &[&str] = &[
    "/v1",
    "/v12",
    "/aa",
    "/aaa",
    "/aaaa",
    "/a/b/c/d",
    "/123",
    "/12/b",
    "/x",
    "/xx",
    "/abc",
    "/ac",
    "/b/b",
    "/a-b",
    "/axb",
    "/a/%2e%2e/b",
    "/a/../b",
    "/a/b/..",
    "/./a",
    "/..",
    "/a/.",
    "/a%2fb",
    "/a%5Cb",
    r"/a\b",
    "/a/%41",
    "/%2561",
    "/a%zz",
    "/a%",
    "/a%00",
    "/a|b",
    "/a{b}",
    "/a\"b",
    "/a^b",
    "*",
    "a",
    "/é",
    "//a",
    "///",
    "/a//",
    "/a/;x",
    "/a/..;x/b",
    "/a/b;..",
    "/A/B",
    "/aB",
    "/b/",
    "/a/a/a",
    "/n",
    "/start",
    "/a_b",
    "/~a",
    "/a!b",
    "/a'b",
    "/a*b",
    "/a@b",
    "/a=b",
    "/,a",
    "/[a]",
    "/%C3%A9",
    "/a%0Ab",
    "/a%0D%0Ab",
    "/-",
    "/a/b/c?",
];

/// What is appended to a prefix.
pub(crate) const TAILS: &[&str] =
    &["", "b", "/b", "/", "x/y", "b/../c", "%2e", "//", "?", "B", "1", ";x=1", "b.c", "%20"];

/// Values of `rewrite-target`.
pub(crate) const TARGETS: &[&str] =
    &["/", "/n", "/n/", "/n/$1", "/$2", "/$1/$2", "/n/$0/x", "/n$", "/$1$3", "/n?x=1", r"/\1/n", "/n%20x"];

/// Values of `rewrite-path`.
pub(crate) const PREFIXES: &[&str] = &["/n", "/n/", "/", "/n/m", "/n?x=1", "/n%2Fm"];

/// Names of headers in conditions, edits and requests.
pub(crate) const HEADERS: &[&str] = &["x-a", "x-b", "X-C", "user-agent", "cookie", "x_d", "accept", "x-up"];
/// Names of headers that only edits use.
pub(crate) const EDITED: &[&str] =
    &["x-a", "x-b", "X-New", "x-up", "cookie", "accept", "user-agent", "x_d", "origin", "vary", "referer"];
/// Values of headers and query parameters.
pub(crate) const VALUES: &[&str] = &[
    "1", "v1", "v22", "a,b", "", "A", "a b", "abc", "always", "never", "xalwaysx", "*", "a%20b", "true", "é",
    "a;b",
];
/// Expressions for values.
pub(crate) const VALUE_PATTERNS: &[&str] =
    &["v[0-9]+", "*", ".*", "a|b", "(?i)ABC", r"\d+", ".+", "a,b|1", "[", "^v1$", r"\w*", "a.b", "x?"];
/// Names of query parameters.
pub(crate) const QUERIES: &[&str] = &["q", "Q", "q.x", "r-1", "q_"];
/// Methods of conditions and requests.
pub(crate) const METHODS: &[&str] = &["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"];

/// Targets of URL redirects.
pub(crate) const URLS: &[&str] = &[
    "http://new.test",
    "https://new.test:8443/p",
    "http://new.test/p?x=1#f",
    "https://new.test/",
    "http://new.test:80",
    "https://New.test/P",
    "ftp://new.test/",
    "/p",
    "http://new.test/a%20b",
    "https://new.test:443/a//b",
];
/// Values of `permanent-redirect-code`.
pub(crate) const CODES: &[&str] = &["301", "302", "303", "307", "308", "300", "299", "x"];
/// Values of `app-root`.
pub(crate) const ROOTS: &[&str] = &["/start", "/a/b", "/n?x=1", "start"];
/// Values of `upstream-vhost`.
pub(crate) const VHOSTS: &[&str] = &["up.test", "up.test:81", "Up.Test"];
/// Lines of header edits.
pub(crate) const EDIT_VALUES: &[&str] =
    &["1", "a b", "\"q, r\"", "'s'", "v1", "x;y", "a=\"b\"", "é", "5%%", "%REQ(x-a)%"];

/// Items of `cors-allow-origin`.
pub(crate) const ORIGIN_LISTS: &[&str] = &[
    "*",
    "https://one.test",
    "https://one.test, http://two.test:8080",
    "https://*.one.test",
    "http://*.two.test:8080,https://one.test",
    "one.test",
    "https://*",
    "https://o*e.test",
    "",
];
/// Origins of requests.
pub(crate) const ORIGINS: &[&str] = &[
    "https://one.test",
    "http://two.test:8080",
    "https://x.one.test",
    "http://x.one.test",
    "https://x.y.one.test",
    "http://z.two.test:8080",
    "https://ONE.test",
    "https://xone.test",
    "null",
    "one.test",
    "",
];
/// Values of the lists of methods and headers.
pub(crate) const NAME_LISTS: &[&str] = &["GET, PUT", "*", "X-A,x-b , X-C", "GET,*", "PUT"];
