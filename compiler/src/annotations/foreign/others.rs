//! The keys of other widespread controllers, by their public documentation.

use super::{Controller, ForeignKey, Rest, guard, named, nginx, setting, snippet};

const PLAIN: &str = "";
const SOURCES: &str = "`whitelist-source-range`";
const DENIED: &str = "the WasmPlugin ip-restriction with its list of denied addresses";
const BASIC: &str = "the WasmPlugin basic-auth or key-auth";
const OIDC: &str = "the WasmPlugin oidc";
const WAF: &str = "the WasmPlugin waf";
const EXTERNAL: &str = "the WasmPlugin ext-auth, which asks a service before each request";
const CLIENTS: &str = "`auth-tls-secret`";
const TLS_REDIRECT: &str = "`ssl-redirect`";
const PROTOCOL: &str = "`backend-protocol`";
const TIMEOUT: &str = "`higress.io/timeout`, which limits the whole answer";
const RPS: &str = "`higress.io/route-limit-rps`";

/// Every controller but ingress-nginx.
pub(super) static CONTROLLERS: &[Controller] = &[
    Controller {
        name: "the gateway of Alibaba Cloud MSE",
        prefix: "mse.ingress.kubernetes.io/",
        keys: MSE,
        rest: Rest::LikeHigress,
    },
    Controller {
        name: "the old releases of ingress-nginx and haproxy-ingress",
        prefix: "ingress.kubernetes.io/",
        keys: nginx::KEYS,
        rest: Rest::LikeHigress,
    },
    Controller {
        name: "haproxy-ingress",
        prefix: "haproxy-ingress.github.io/",
        keys: HAPROXY,
        rest: Rest::LikeHigress,
    },
    Controller {
        name: "the HAProxy Technologies controller",
        prefix: "haproxy.org/",
        keys: HAPROXY_TECH,
        rest: Rest::Foreign,
    },
    Controller {
        name: "the NGINX Inc. controller",
        prefix: "nginx.org/",
        keys: NGINX_ORG,
        rest: Rest::Foreign,
    },
    Controller {
        name: "the NGINX Plus controller",
        prefix: "nginx.com/",
        keys: NGINX_COM,
        rest: Rest::Foreign,
    },
    Controller {
        name: "the NGINX App Protect modules",
        prefix: "appprotect.f5.com/",
        keys: APP_PROTECT,
        rest: Rest::Foreign,
    },
    Controller {
        name: "Traefik",
        prefix: "traefik.ingress.kubernetes.io/",
        keys: TRAEFIK,
        rest: Rest::Foreign,
    },
    Controller { name: "Kong", prefix: "konghq.com/", keys: KONG, rest: Rest::Foreign },
    Controller { name: "APISIX", prefix: "k8s.apisix.apache.org/", keys: APISIX, rest: Rest::Foreign },
    Controller {
        name: "the load balancer controllers of AWS and Alibaba Cloud",
        prefix: "alb.ingress.kubernetes.io/",
        keys: ALB,
        rest: Rest::Foreign,
    },
    Controller {
        name: "the Azure Application Gateway controller",
        prefix: "appgw.ingress.kubernetes.io/",
        keys: APPGW,
        rest: Rest::Foreign,
    },
    Controller {
        name: "the GKE controller",
        prefix: "ingress.gcp.kubernetes.io/",
        keys: GCP,
        rest: Rest::Foreign,
    },
    Controller { name: "the GKE controller", prefix: "networking.gke.io/", keys: GKE, rest: Rest::Foreign },
    Controller { name: "Contour", prefix: "projectcontour.io/", keys: CONTOUR, rest: Rest::Foreign },
    Controller { name: "Skipper", prefix: "zalando.org/", keys: SKIPPER, rest: Rest::Foreign },
    Controller { name: "cert-manager", prefix: "cert-manager.io/", keys: CERT_MANAGER, rest: Rest::Beside },
    Controller { name: "cert-manager", prefix: "acme.cert-manager.io/", keys: ACME, rest: Rest::Beside },
    Controller {
        name: "external-dns",
        prefix: "external-dns.alpha.kubernetes.io/",
        keys: EXTERNAL_DNS,
        rest: Rest::Beside,
    },
];

static MSE: &[ForeignKey] = &[
    guard("blacklist-source-range", DENIED),
    guard("domain-blacklist-source-range", DENIED),
    guard("domain-whitelist-source-range", SOURCES),
    setting("service-subset", PLAIN),
    setting("subset-labels", PLAIN),
    setting("warmup", PLAIN),
];

static HAPROXY: &[ForeignKey] = &[
    guard("allowlist-source-range", SOURCES),
    setting("affinity", "`affinity`"),
    setting("app-root", "`app-root`"),
    setting("auth-realm", PLAIN),
    guard("auth-secret", BASIC),
    guard("auth-tls-secret", CLIENTS),
    guard("auth-tls-strict", PLAIN),
    guard("auth-tls-verify-client", CLIENTS),
    guard("auth-type", BASIC),
    guard("auth-url", EXTERNAL),
    setting("backend-protocol", PROTOCOL),
    setting("balance-algorithm", "`load-balance`"),
    snippet("config-backend"),
    snippet("config-backend-early"),
    setting("cors-enable", "`enable-cors`"),
    guard("denylist-source-range", DENIED),
    setting("hsts", "`higress.io/response-header-control-update` with `strict-transport-security`"),
    guard("limit-connections", PLAIN),
    guard("limit-rps", RPS),
    guard("oauth", OIDC),
    setting("path-type", PLAIN),
    setting("proxy-body-size", PLAIN),
    setting("rewrite-target", "`rewrite-path`"),
    setting("secure-backends", "`backend-protocol: HTTPS`"),
    setting("ssl-redirect", TLS_REDIRECT),
    setting("timeout-server", TIMEOUT),
    guard("waf", WAF),
    guard("whitelist-source-range", SOURCES),
];

static HAPROXY_TECH: &[ForeignKey] = &[
    guard("allow-list", SOURCES),
    setting("auth-realm", PLAIN),
    guard("auth-secret", BASIC),
    guard("auth-type", BASIC),
    snippet("backend-config-snippet"),
    guard("blacklist", DENIED),
    setting("check", PLAIN),
    setting("cors-enable", "`enable-cors`"),
    guard("deny-list", DENIED),
    setting("load-balance", "`load-balance`"),
    setting("path-rewrite", "`higress.io/rewrite-path`"),
    guard("rate-limit-requests", RPS),
    setting("request-redirect", "`permanent-redirect`"),
    setting("request-set-header", "`higress.io/request-header-control-update`"),
    setting("response-set-header", "`higress.io/response-header-control-update`"),
    setting("server-ssl", "`backend-protocol: HTTPS`"),
    setting("set-host", "`upstream-vhost`"),
    setting("ssl-redirect", TLS_REDIRECT),
    setting("timeout-server", TIMEOUT),
    guard("whitelist", SOURCES),
];

static NGINX_ORG: &[ForeignKey] = &[
    guard("basic-auth-secret", BASIC),
    setting("basic-auth-realm", PLAIN),
    setting("client-max-body-size", PLAIN),
    setting("fail-timeout", PLAIN),
    setting("grpc-services", "`backend-protocol: GRPC`"),
    setting("hsts", "`higress.io/response-header-control-update` with `strict-transport-security`"),
    setting("hsts-behind-proxy", PLAIN),
    setting("hsts-include-subdomains", PLAIN),
    setting("hsts-max-age", PLAIN),
    setting("http-redirect-code", PLAIN),
    setting("keepalive", PLAIN),
    setting("lb-method", "`load-balance`"),
    guard("limit-req-rate", RPS),
    setting("listen-ports", PLAIN),
    setting("listen-ports-ssl", PLAIN),
    snippet("location-snippets"),
    setting("max-conns", PLAIN),
    setting("max-fails", PLAIN),
    setting(
        "mergeable-ingress-type",
        "an Ingress with all paths, or several of one host, which Higress merges",
    ),
    setting("path-regex", "`use-regex`"),
    guard("policies", "WasmPlugins, such as key-auth, ip-restriction or waf"),
    setting("proxy-buffer-size", PLAIN),
    setting("proxy-buffering", PLAIN),
    setting("proxy-buffers", PLAIN),
    setting("proxy-connect-timeout", PLAIN),
    setting("proxy-hide-headers", "`higress.io/response-header-control-remove`"),
    setting("proxy-max-temp-file-size", PLAIN),
    setting("proxy-pass-headers", PLAIN),
    setting("proxy-read-timeout", TIMEOUT),
    setting("proxy-send-timeout", TIMEOUT),
    setting("proxy-set-headers", "`higress.io/request-header-control-update`"),
    setting("redirect-to-https", TLS_REDIRECT),
    setting("rewrite-target", "`rewrite-target`"),
    setting("rewrites", "`higress.io/rewrite-path`"),
    snippet("server-snippets"),
    setting("server-tokens", PLAIN),
    setting("ssl-redirect", TLS_REDIRECT),
    setting("ssl-services", "`backend-protocol: HTTPS`"),
    setting("upstream-zone-size", PLAIN),
    setting("use-cluster-ip", PLAIN),
    setting("websocket-services", "nothing: Higress lets WebSocket through"),
];

static NGINX_COM: &[ForeignKey] = &[
    setting("health-checks", PLAIN),
    setting("health-checks-mandatory", PLAIN),
    guard("jwt-key", "the WasmPlugin jwt-auth"),
    setting("jwt-login-url", PLAIN),
    setting("jwt-realm", PLAIN),
    setting("jwt-token", PLAIN),
    setting("slow-start", PLAIN),
    setting("sticky-cookie-services", "`affinity`"),
];

static APP_PROTECT: &[ForeignKey] = &[
    guard("app-protect-enable", WAF),
    guard("app-protect-policy", WAF),
    setting("app-protect-security-log", PLAIN),
    setting("app-protect-security-log-enable", PLAIN),
];

static TRAEFIK: &[ForeignKey] = &[
    guard("auth-secret", BASIC),
    guard("auth-type", BASIC),
    setting("frontend-entry-points", PLAIN),
    guard("rate-limit", RPS),
    setting("redirect-entry-point", TLS_REDIRECT),
    setting("router.entrypoints", PLAIN),
    named(
        "router.middlewares",
        "annotations of Higress, or WasmPlugins for authentication and address lists",
    ),
    setting("router.pathmatcher", PLAIN),
    setting("router.priority", PLAIN),
    setting("router.tls", "`spec.tls`"),
    setting("router.tls.certresolver", "`spec.tls` with a Secret"),
    setting("router.tls.options", PLAIN),
    setting("service.passhostheader", PLAIN),
    setting("service.serversscheme", PROTOCOL),
    setting("service.serverstransport", PLAIN),
    setting("service.sticky.cookie", "`affinity`"),
    guard("whitelist-source-range", SOURCES),
];

static KONG: &[ForeignKey] = &[
    setting("client-cert", "`proxy-ssl-secret`"),
    setting("connect-timeout", PLAIN),
    setting("headers-separator", PLAIN),
    setting("host-aliases", "a rule for each further host"),
    setting("host-header", "`upstream-vhost`"),
    setting("https-redirect-status-code", PLAIN),
    setting("methods", "`higress.io/match-method`"),
    setting("override", PLAIN),
    setting("path", "`higress.io/rewrite-path`"),
    setting("path-handling", PLAIN),
    named("plugins", "WasmPlugins of the same purpose, such as key-auth or ip-restriction"),
    setting("preserve-host", PLAIN),
    setting("protocol", PROTOCOL),
    setting("protocols", TLS_REDIRECT),
    setting("read-timeout", TIMEOUT),
    setting("regex-prefix", PLAIN),
    setting("regex-priority", PLAIN),
    setting("request-buffering", PLAIN),
    setting("response-buffering", PLAIN),
    setting("retries", "`proxy-next-upstream-tries`"),
    setting("rewrite", "`higress.io/rewrite-path`"),
    setting("snis", PLAIN),
    setting("strip-path", "`higress.io/rewrite-path: /`"),
    setting("tags", PLAIN),
    setting("upstream-policy", PLAIN),
    setting("write-timeout", PLAIN),
];

static APISIX: &[ForeignKey] = &[
    guard("allowlist-source-range", SOURCES),
    guard("auth-type", BASIC),
    guard("auth-uri", EXTERNAL),
    setting("auth-request-headers", PLAIN),
    setting("auth-upstream-headers", PLAIN),
    guard("blocklist-source-range", DENIED),
    setting("cors-allow-origin", "`cors-allow-origin`"),
    setting("enable-cors", "`enable-cors`"),
    guard("enable-csrf", PLAIN),
    setting("enable-websocket", "nothing: Higress lets WebSocket through"),
    setting("http-allow-methods", "`higress.io/match-method`"),
    guard("http-block-methods", "`higress.io/match-method` with the other methods"),
    setting("http-redirect", "`permanent-redirect`"),
    setting("http-to-https", TLS_REDIRECT),
    setting("plugin-config-name", PLAIN),
    setting("rewrite-target", "`rewrite-target`"),
    setting("upstream-scheme", PROTOCOL),
    setting("use-regex", "`use-regex`"),
];

static ALB: &[ForeignKey] = &[
    guard("auth-idp-cognito", OIDC),
    guard("auth-idp-oidc", OIDC),
    setting("auth-on-unauthenticated-request", PLAIN),
    setting("auth-scope", PLAIN),
    setting("auth-session-cookie", PLAIN),
    setting("auth-session-timeout", PLAIN),
    guard("auth-type", OIDC),
    setting("backend-protocol", PROTOCOL),
    setting("backend-protocol-version", PROTOCOL),
    setting("certificate-arn", "`spec.tls` with a Secret"),
    setting("group.name", PLAIN),
    setting("group.order", PLAIN),
    setting("healthcheck-interval-seconds", PLAIN),
    setting("healthcheck-path", PLAIN),
    setting("healthcheck-port", PLAIN),
    setting("healthcheck-protocol", PLAIN),
    setting("healthcheck-timeout-seconds", PLAIN),
    setting("healthy-threshold-count", PLAIN),
    guard("inbound-cidrs", SOURCES),
    setting("ip-address-type", PLAIN),
    guard("jwt-validation", "the WasmPlugin jwt-auth"),
    setting("listen-ports", PLAIN),
    setting("load-balancer-attributes", PLAIN),
    setting("load-balancer-name", PLAIN),
    guard("mutual-authentication", CLIENTS),
    setting("scheme", PLAIN),
    guard("security-group-prefix-lists", SOURCES),
    guard("security-groups", SOURCES),
    guard("shield-advanced-protection", PLAIN),
    setting("ssl-policy", "`tls-min-protocol-version`"),
    setting("ssl-redirect", TLS_REDIRECT),
    setting("subnets", PLAIN),
    setting("success-codes", PLAIN),
    setting("tags", PLAIN),
    setting("target-group-attributes", PLAIN),
    setting("target-type", PLAIN),
    setting("unhealthy-threshold-count", PLAIN),
    guard("waf-acl-id", WAF),
    guard("wafv2-acl-arn", WAF),
    guard("wafv2-acl-name", WAF),
    guard("web-acl-id", WAF),
];

static APPGW: &[ForeignKey] = &[
    setting("appgw-ssl-certificate", "`spec.tls` with a Secret"),
    guard("appgw-ssl-profile", CLIENTS),
    setting("appgw-trusted-root-certificate", PLAIN),
    setting("backend-hostname", "`upstream-vhost`"),
    setting("backend-path-prefix", "`higress.io/rewrite-path`"),
    setting("backend-protocol", PROTOCOL),
    setting("connection-draining", PLAIN),
    setting("connection-draining-timeout", PLAIN),
    setting("cookie-based-affinity", "`affinity`"),
    setting("health-probe-hostname", PLAIN),
    setting("health-probe-path", PLAIN),
    setting("health-probe-port", PLAIN),
    setting("hostname-extension", "a rule for each further host"),
    setting("override-frontend-port", PLAIN),
    setting("request-timeout", TIMEOUT),
    setting("rewrite-rule-set", PLAIN),
    setting("ssl-redirect", TLS_REDIRECT),
    setting("use-private-ip", PLAIN),
    guard("waf-policy-for-path", WAF),
];

static GCP: &[ForeignKey] = &[setting("pre-shared-cert", "`spec.tls` with a Secret")];

static GKE: &[ForeignKey] = &[
    setting("managed-certificates", "`spec.tls` with a Secret"),
    setting("v1beta1.FrontendConfig", "`ssl-redirect` and `tls-min-protocol-version`"),
];

static CONTOUR: &[ForeignKey] = &[
    setting("num-retries", "`proxy-next-upstream-tries`"),
    setting("per-try-timeout", "`proxy-next-upstream-timeout`"),
    setting("response-timeout", TIMEOUT),
    setting("retry-on", "`proxy-next-upstream`"),
    setting("tls-minimum-protocol-version", "`tls-min-protocol-version`"),
    setting("websocket-routes", "nothing: Higress lets WebSocket through"),
];

static SKIPPER: &[ForeignKey] = &[
    setting("backend-weights", "`canary-weight` or `higress.io/destination`"),
    guard("ratelimit", RPS),
    named("skipper-filter", "annotations of Higress, or WasmPlugins for authentication"),
    setting("skipper-ingress-path-mode", PLAIN),
    setting("skipper-ingress-redirect", TLS_REDIRECT),
    setting("skipper-predicate", PLAIN),
];

static CERT_MANAGER: &[ForeignKey] = &[
    setting("cluster-issuer", PLAIN),
    setting("common-name", PLAIN),
    setting("duration", PLAIN),
    setting("issuer", PLAIN),
    setting("issuer-group", PLAIN),
    setting("issuer-kind", PLAIN),
    setting("renew-before", PLAIN),
];

static ACME: &[ForeignKey] =
    &[setting("http01-edit-in-place", PLAIN), setting("http01-ingress-class", PLAIN)];

static EXTERNAL_DNS: &[ForeignKey] = &[
    setting("cloudflare-proxied", PLAIN),
    setting("hostname", PLAIN),
    setting("target", PLAIN),
    setting("ttl", PLAIN),
];
