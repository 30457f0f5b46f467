//! The fields of Higress' two ConfigMaps, with what Higress accepts.

use crate::parse::inner::{Field, Rule, field, needed};

const WORD: i64 = u32::MAX as i64;
static PROVIDER: [Field; 2] = [needed("service", Rule::Filled), needed("port", Rule::Filled)];

/// Key `higress` of ConfigMap `higress-config`.
pub(super) static CONFIG: [Field; 7] = [
    field("tracing", Rule::Section(&TRACING)),
    field("gzip", Rule::Section(&GZIP)),
    field("downstream", Rule::Section(&DOWNSTREAM)),
    field("upstream", Rule::Section(&UPSTREAM)),
    field("disableXEnvoyHeaders", Rule::Flag),
    field("addXRealIpHeader", Rule::Flag),
    field("mcpServer", Rule::Section(&MCP_SERVER)),
];

static TRACING: [Field; 6] = [
    field("enable", Rule::Flag),
    field("sampling", Rule::Percent),
    field("timeout", Rule::Whole(1, i32::MAX as i64)),
    field("zipkin", Rule::Section(&PROVIDER)),
    field("skywalking", Rule::Section(&SKYWALKING)),
    field("opentelemetry", Rule::Section(&PROVIDER)),
];

static GZIP: [Field; 9] = [
    field("enable", Rule::Flag),
    field("minContentLength", Rule::Whole(1, i32::MAX as i64)),
    field("contentType", Rule::SomeTexts),
    field("disableOnEtagHeader", Rule::Flag),
    field("memoryLevel", Rule::Whole(1, 9)),
    field("windowBits", Rule::Whole(9, 15)),
    field("chunkSize", Rule::Whole(1, i32::MAX as i64)),
    field(
        "compressionLevel",
        Rule::Words(&[
            "BEST_COMPRESSION",
            "BEST_SPEED",
            "COMPRESSION_LEVEL_1",
            "COMPRESSION_LEVEL_2",
            "COMPRESSION_LEVEL_3",
            "COMPRESSION_LEVEL_4",
            "COMPRESSION_LEVEL_5",
            "COMPRESSION_LEVEL_6",
            "COMPRESSION_LEVEL_7",
            "COMPRESSION_LEVEL_8",
            "COMPRESSION_LEVEL_9",
        ]),
    ),
    field(
        "compressionStrategy",
        Rule::Words(&["DEFAULT_STRATEGY", "FILTERED", "HUFFMAN_ONLY", "RLE", "FIXED"]),
    ),
];

static DOWNSTREAM: [Field; 5] = [
    field("idleTimeout", Rule::Whole(0, WORD)),
    field("maxRequestHeadersKb", Rule::Whole(0, 8192)),
    field("connectionBufferLimits", Rule::Whole(0, WORD)),
    field("http2", Rule::Section(&HTTP2)),
    field("routeTimeout", Rule::Whole(0, WORD)),
];

static UPSTREAM: [Field; 2] =
    [field("idleTimeout", Rule::Whole(0, WORD)), field("connectionBufferLimits", Rule::Whole(0, WORD))];

static MCP_SERVER: [Field; 7] = [
    field("enable", Rule::Flag),
    field("redis", Rule::Section(&REDIS)),
    field("sse_path_suffix", Rule::Text),
    field("servers", Rule::List(&SERVERS)),
    field("match_list", Rule::List(&MATCH_LIST)),
    field("enable_user_level_server", Rule::Flag),
    field("rate_limit", Rule::Section(&RATE_LIMIT)),
];

/// Key `cert` of ConfigMap `higress-https`.
pub(super) static HTTPS: [Field; 6] = [
    field("automaticHttps", Rule::Flag),
    field("fallbackForInvalidSecret", Rule::Flag),
    field("renewBeforeDays", Rule::Whole(1, 89)),
    field("credentialConfig", Rule::List(&CREDENTIAL_CONFIG)),
    field("acmeIssuer", Rule::List(&ACME_ISSUER)),
    field("version", Rule::Text),
];

static SKYWALKING: [Field; 3] =
    [needed("service", Rule::Filled), needed("port", Rule::Filled), field("access_token", Rule::Text)];

static HTTP2: [Field; 3] = [
    field("maxConcurrentStreams", Rule::Whole(1, i32::MAX as i64)),
    field("initialStreamWindowSize", Rule::Whole(65535, i32::MAX as i64)),
    field("initialConnectionWindowSize", Rule::Whole(65535, i32::MAX as i64)),
];

static PASSWORD_SECRET: [Field; 3] =
    [field("namespace", Rule::Text), needed("name", Rule::Filled), needed("key", Rule::Filled)];

static REDIS: [Field; 5] = [
    field("address", Rule::Text),
    field("username", Rule::Text),
    field("password", Rule::Text),
    field("passwordSecret", Rule::Section(&PASSWORD_SECRET)),
    field("db", Rule::Whole(i64::MIN, i64::MAX)),
];

static SERVERS: [Field; 5] = [
    field("name", Rule::Text),
    field("path", Rule::Text),
    field("type", Rule::Text),
    field("config", Rule::Any),
    field("domain_list", Rule::Texts),
];

static MATCH_LIST: [Field; 6] = [
    field("match_rule_domain", Rule::Text),
    field("match_rule_path", Rule::Text),
    needed("match_rule_type", Rule::Words(&["exact", "prefix", "suffix", "contains", "regex"])),
    field("upstream_type", Rule::Words(&["", "rest", "sse", "streamable"])),
    field("enable_path_rewrite", Rule::Flag),
    field("path_rewrite_prefix", Rule::Text),
];

static RATE_LIMIT: [Field; 3] = [
    field("limit", Rule::Whole(i64::MIN, i64::MAX)),
    field("window", Rule::Whole(i64::MIN, i64::MAX)),
    field("white_list", Rule::Texts),
];

static CREDENTIAL_CONFIG: [Field; 4] = [
    needed("domains", Rule::SomeTexts),
    field("tlsIssuer", Rule::Words(&["", "letsencrypt"])),
    needed("tlsSecret", Rule::Filled),
    field("cacertSecret", Rule::Text),
];

static ACME_ISSUER: [Field; 4] = [
    needed("name", Rule::Words(&["letsencrypt"])),
    needed("email", Rule::Filled),
    field("ak", Rule::Text),
    field("sk", Rule::Text),
];
