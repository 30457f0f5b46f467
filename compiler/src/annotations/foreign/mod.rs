//! Annotations that other controllers read and Higress does not: what they are for, and what Higress has instead.
//!
//! The tables follow the public documentation of those controllers. A key that protects is marked, because where Higress
//! serves its routes without it they are open.

mod nginx;
mod others;

use super::known;
use super::reader::{HIGRESS, NGINX};
use super::words;

/// What a key of another controller is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It changes how requests are served.
    Setting,
    /// It keeps requests out: without it its routes are open.
    Protects,
    /// It is text of nginx or HAProxy, which may keep requests out.
    Snippet,
    /// It names things, whose names say whether they keep requests out.
    Names,
    /// Its controller serves no requests and does its work beside Higress.
    Beside,
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignKey {
    /// The key without prefix.
    pub suffix: &'static str,
    /// What it is for.
    pub role: Role,
    /// The nearest thing that Higress has, as a clause; empty where it has nothing.
    pub instead: &'static str,
}

/// A controller with its prefix.
#[derive(Debug)]
pub struct Controller {
    /// Its name in a sentence.
    pub name: &'static str,
    /// The prefix with its slash.
    pub prefix: &'static str,
    /// Its keys, those aside that Higress has under the same name.
    pub keys: &'static [ForeignKey],
    /// What is known of keys under its prefix that are not in the table.
    pub rest: Rest,
}

/// What is known of keys that are not in a controller's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Where Higress has a key of the same name, it means the same.
    LikeHigress,
    /// Names say nothing about Higress.
    Foreign,
    /// The controller serves no requests and does its work beside Higress.
    Beside,
}

const fn setting(suffix: &'static str, instead: &'static str) -> ForeignKey {
    ForeignKey { suffix, role: Role::Setting, instead }
}

const fn guard(suffix: &'static str, instead: &'static str) -> ForeignKey {
    ForeignKey { suffix, role: Role::Protects, instead }
}

const fn named(suffix: &'static str, instead: &'static str) -> ForeignKey {
    ForeignKey { suffix, role: Role::Names, instead }
}

const fn snippet(suffix: &'static str) -> ForeignKey {
    ForeignKey { suffix, role: Role::Snippet, instead: "" }
}

static INGRESS_NGINX: Controller =
    Controller { name: "ingress-nginx", prefix: NGINX, keys: nginx::KEYS, rest: Rest::LikeHigress };

/// Returns every controller, ingress-nginx first.
pub fn controllers() -> impl Iterator<Item = &'static Controller> {
    std::iter::once(&INGRESS_NGINX).chain(others::CONTROLLERS)
}

/// What is known of a key that Higress does not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Who reads it; none where nobody is known to.
    pub reader: Option<&'static str>,
    /// What it is for.
    pub role: Role,
    /// The nearest thing that Higress has; empty where it has nothing.
    pub instead: String,
}

/// Returns what is known of a key which Higress does not read; none where nothing is.
pub fn lookup(key: &str) -> Option<Foreign> {
    let of_higress = key.strip_prefix(HIGRESS).map(|suffix| (&INGRESS_NGINX, suffix, None));
    let of_controller = || {
        controllers().find_map(|controller| {
            Some((controller, key.strip_prefix(controller.prefix)?, Some(controller.name)))
        })
    };
    let (controller, suffix, reader) = of_higress.or_else(of_controller)?;
    if controller.rest == Rest::Beside {
        return Some(Foreign { reader, role: Role::Beside, instead: String::new() });
    }
    if let Some(row) = controller.keys.iter().find(|row| row.suffix == suffix) {
        return Some(Foreign { reader, role: row.role, instead: row.instead.to_owned() });
    }
    let same = known::KNOWN.iter().find(|known| known.suffix == suffix);
    if let Some(same) = same.filter(|_| controller.rest == Rest::LikeHigress) {
        let role = if same.protects() { Role::Protects } else { Role::Setting };
        // Under ingress-nginx' own prefix such a key is nobody's: Higress alone has it.
        let reader = reader.filter(|_| controller.prefix != NGINX);
        return Some(Foreign { reader, role, instead: format!("`{HIGRESS}{suffix}`") });
    }
    let role = if words::protect(suffix) { Role::Protects } else { Role::Setting };
    let reader = reader.filter(|_| controller.prefix != NGINX);
    reader.map(|_| Foreign { reader, role, instead: String::new() })
}

/// Returns whether a key with this value asks for a protection.
pub(super) fn asks_for_protection(role: Role, value: &str) -> bool {
    match role {
        Role::Setting | Role::Beside => false,
        Role::Protects => !words::switched_off(value),
        Role::Names => words::protect(value),
        Role::Snippet => snippet_protects(value),
    }
}

/// Directives of nginx and HAProxy that keep requests out.
const KEEPING_OUT: [&str; 13] = [
    "deny",
    "auth_basic",
    "auth_basic_user_file",
    "auth_request",
    "auth_jwt",
    "access_by_lua",
    "access_by_lua_block",
    "limit_req",
    "limit_conn",
    "modsecurity",
    "satisfy",
    "secure_link",
    "ssl_verify_client",
];

/// Statuses with which a snippet refuses a request.
const REFUSALS: [&str; 7] = ["401", "403", "404", "405", "410", "429", "444"];

/// Returns whether a statement of a snippet keeps requests out.
fn snippet_protects(text: &str) -> bool {
    let code = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    code.flat_map(|line| line.split([';', '{', '}'])).any(|statement| {
        let mut words = statement.split_whitespace();
        match (words.next(), words.next()) {
            (Some("return"), Some(status)) => REFUSALS.contains(&status),
            (Some("auth_basic"), Some("off")) | (Some("modsecurity"), Some("off")) => false,
            (Some("http-request" | "tcp-request"), Some(_)) => ["deny", "auth", "reject", "tarpit"]
                .iter()
                .any(|word| statement.split_whitespace().any(|w| w == *word)),
            (Some(directive), _) => KEEPING_OUT.contains(&directive),
            (None, _) => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_holds_each_key_once() {
        for controller in controllers() {
            let mut names: Vec<&str> = controller.keys.iter().map(|row| row.suffix).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{}", controller.prefix);
        }
    }

    #[test]
    fn no_row_of_ingress_nginx_is_a_key_that_higress_reads() {
        for row in nginx::KEYS {
            assert!(known::lookup(&format!("{NGINX}{}", row.suffix)).is_none(), "{}", row.suffix);
        }
    }

    #[test]
    fn snippets_protect_by_their_statements() {
        for text in
            ["deny all;", "allow 10.0.0.0/8; deny all;", "if ($x) { return 403; }", "auth_basic \"x\";"]
        {
            assert!(snippet_protects(text), "{text}");
        }
        for text in [
            "add_header X-Frame-Options deny;",
            "# deny all;",
            "return 301 https://x;",
            "auth_basic off;",
            "proxy_set_header X-Auth $x;",
        ] {
            assert!(!snippet_protects(text), "{text}");
        }
    }

    #[test]
    fn other_prefixes_say_who_reads_them() {
        let found = lookup("mse.ingress.kubernetes.io/whitelist-source-range").unwrap();
        assert_eq!(
            (found.role, found.instead.as_str()),
            (Role::Protects, "`higress.io/whitelist-source-range`")
        );
        assert_eq!(lookup("nginx.ingress.kubernetes.io/timeout").unwrap().reader, None);
        assert_eq!(lookup("nginx.org/policies").unwrap().role, Role::Protects);
        assert_eq!(lookup("cert-manager.io/issuer").unwrap().role, Role::Beside);
        assert_eq!(lookup("example.com/auth"), None);
    }
}
