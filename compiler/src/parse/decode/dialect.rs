//! The operations guide's dialect: forms that Higress does not know, with the canonical words for each.

use gatewright_diagnostics::code;

use crate::finding::Part;
use crate::options::Profile;
use crate::parse::issue::{Issue, Repair};

/// Collects the dialect forms of a manifest.
pub(crate) struct Dialect {
    /// Whether the forms are understood at all.
    pub(crate) allowed: bool,
    /// JSON pointer and form of each.
    pub(crate) forms: Vec<(String, Form)>,
}

/// One form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A phase `DEFAULT`.
    DefaultPhase,
    /// A registry of type `fixed`.
    FixedType,
    /// A registry of type `edas`.
    EdasType,
    /// Addresses under `address`; the canonical `domain`.
    Address(String),
    /// A `domain` that is a list; the canonical text.
    DomainList(String),
    /// Registries under `spec.dns` or `spec.nacos`; the section's name.
    Section(&'static str),
}

impl Dialect {
    /// Starts with none.
    pub(crate) fn new(profile: Profile) -> Self {
        Dialect { allowed: profile == Profile::Native, forms: Vec::new() }
    }

    /// Notes a form.
    pub(super) fn note(&mut self, pointer: impl Into<String>, form: Form) {
        self.forms.push((pointer.into(), form));
    }
}

impl Form {
    /// Returns the finding about the form.
    pub(crate) fn issue(self, pointer: String) -> Issue {
        let part = match self {
            Form::DefaultPhase | Form::FixedType | Form::EdasType => Part::Value,
            Form::Address(_) | Form::DomainList(_) | Form::Section(_) => Part::Key,
        };
        Issue {
            part,
            notes: vec!["only the native profile reads it; Higress itself would not serve this".into()],
            help: Some(self.help()),
            repair: self.repair(),
            ..Issue::value(&code::GW0437, pointer, self.message())
        }
    }

    /// Returns what is wrong.
    fn message(&self) -> String {
        match self {
            Form::DefaultPhase => "Higress knows no phase `DEFAULT`".into(),
            Form::FixedType => "Higress knows no registry type `fixed`".into(),
            Form::EdasType => "Higress knows no registry type `edas`".into(),
            Form::Address(_) => "a registry of Higress has no field `address`".into(),
            Form::DomainList(_) => "`domain` is a list, and Higress takes one text".into(),
            Form::Section(name) => format!("an McpBridge of Higress has no field `spec.{name}`"),
        }
    }

    /// Returns what to do.
    fn help(&self) -> String {
        match self {
            Form::DefaultPhase => "write `phase: UNSPECIFIED_PHASE`, or leave the phase out".into(),
            Form::FixedType => "write `type: static`".into(),
            Form::EdasType => {
                "if the endpoint speaks the Nacos protocol, write `type: nacos2` with `nacosNamespaceId` and \
                 `nacosGroups`; otherwise there is no equivalent"
                    .into()
            }
            Form::Address(domain) | Form::DomainList(domain) => format!("write `domain: \"{domain}\"`"),
            Form::Section("dns") => "move each entry to `spec.registries` and add `type: dns`".into(),
            Form::Section(_) => {
                "move each entry to `spec.registries` as `type: nacos2` with `domain`, `port`, `nacosNamespaceId` and \
                 `nacosGroups`"
                    .into()
            }
        }
    }

    /// Returns the replacement.
    fn repair(&self) -> Repair {
        match self {
            Form::DefaultPhase => Repair::Value("UNSPECIFIED_PHASE".into()),
            Form::FixedType => Repair::Value("static".into()),
            Form::Address(domain) | Form::DomainList(domain) => {
                Repair::Entry(format!("domain: \"{domain}\""))
            }
            Form::EdasType | Form::Section(_) => Repair::ByHand,
        }
    }
}
