//! Lists that must not lose an entry, in less and less room: one line each, names in a row, names that differ only in
//! digits as a range, and at last numbers per group.

use std::collections::BTreeMap;

use gatewright_diagnostics::outlet::markdown::{code, prose};

use super::super::words;

/// Entries that belong together.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    /// What they have in common, as markdown.
    pub(super) title: String,
    /// The entries.
    pub(super) entries: Vec<Entry>,
}

/// One entry.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its name.
    pub(super) name: String,
    /// What else is to say, as markdown; lost when room is short.
    pub(super) more: String,
}

/// How much room an entry gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Density {
    /// A line each, with everything.
    Full,
    /// Names in a row.
    Names,
    /// Names that differ in digits alone become a range.
    Ranges,
    /// Names become numbers.
    Numbers,
}

impl Density {
    /// Returns the next denser one.
    pub(super) fn denser(self) -> Option<Self> {
        match self {
            Density::Full => Some(Density::Names),
            Density::Names => Some(Density::Ranges),
            Density::Ranges => Some(Density::Numbers),
            Density::Numbers => None,
        }
    }
}

/// Writes groups at a density.
pub(super) fn write(groups: &[Group], density: Density) -> String {
    groups.iter().filter(|group| !group.entries.is_empty()).map(|group| one(group, density)).collect()
}

fn one(group: &Group, density: Density) -> String {
    let names = || group.entries.iter().map(|entry| entry.name.as_str());
    let entries = match density {
        Density::Full => {
            let lines =
                group.entries.iter().map(|entry| format!("  - {}{}\n", code(&entry.name), entry.more));
            return format!("- {}\n{}", group.title, lines.collect::<String>());
        }
        Density::Names => names().map(code).collect::<Vec<_>>().join(", "),
        Density::Ranges => ranges(names()).join(", "),
        Density::Numbers => match group.entries.as_slice() {
            [only] => code(&only.name),
            [first, .., last] => {
                let all = words::grouped(group.entries.len());
                format!("{all} in all, from {} to {}", code(&first.name), code(&last.name))
            }
            [] => String::new(),
        },
    };
    format!("- {}: {entries}\n", group.title)
}

/// Puts names that differ only in digits together, and keeps the order of first appearance.
fn ranges<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let mut order: Vec<String> = Vec::new();
    let mut families: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in names {
        let family = name.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>();
        let members = families.entry(family.clone()).or_default();
        if members.is_empty() {
            order.push(family);
        }
        members.push(name);
    }
    order
        .iter()
        .flat_map(|family| match families[family].as_slice() {
            few @ ([_] | [_, _] | [_, _, _]) => few.iter().map(|name| code(name)).collect(),
            many => vec![format!(
                "{} … {} ({}{})",
                code(many[0]),
                code(many[many.len() - 1]),
                words::grouped(many.len()),
                if consecutive(many) { "" } else { " of that form" }
            )],
        })
        .collect()
}

/// Returns whether the one number in the names counts up without a gap.
fn consecutive(names: &[&str]) -> bool {
    let number = |name: &str| -> Option<(String, u64, String)> {
        let start = name.find(|c: char| c.is_ascii_digit())?;
        let end = start + name[start..].find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len() - start);
        let rest = name[end..].to_owned();
        Some((name[..start].to_owned(), name[start..end].parse().ok()?, rest))
    };
    let numbers: Option<Vec<_>> = names.iter().map(|name| number(name)).collect();
    numbers.is_some_and(|numbers| {
        numbers
            .windows(2)
            .all(|pair| pair[0].0 == pair[1].0 && pair[0].2 == pair[1].2 && pair[0].1 + 1 == pair[1].1)
    })
}

/// Returns prose that says how a list was shortened.
pub(super) fn note(density: Density) -> Option<String> {
    let text = match density {
        Density::Full => return None,
        Density::Names => "Only names are shown here.",
        Density::Ranges => "Names that differ only in digits are shown as ranges.",
        Density::Numbers => "There are too many to name here; every one is counted.",
    };
    Some(prose(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(names: &[&str]) -> Group {
        let entries =
            names.iter().map(|name| Entry { name: (*name).to_owned(), more: " gone".into() }).collect();
        Group { title: "Hosts".into(), entries }
    }

    #[test]
    fn each_density_says_less() {
        let groups = [group(&["h1.a", "h2.a", "h3.a", "h4.a", "x"])];
        assert!(write(&groups, Density::Full).starts_with("- Hosts\n  - `h1.a` gone\n"));
        assert_eq!(write(&groups, Density::Names), "- Hosts: `h1.a`, `h2.a`, `h3.a`, `h4.a`, `x`\n");
        assert_eq!(write(&groups, Density::Ranges), "- Hosts: `h1.a` … `h4.a` (4), `x`\n");
        assert_eq!(write(&groups, Density::Numbers), "- Hosts: 5 in all, from `h1.a` to `x`\n");
    }

    #[test]
    fn a_range_with_gaps_says_so() {
        assert_eq!(ranges(["a1", "a2", "a4", "a5"].into_iter()), ["`a1` … `a5` (4 of that form)"]);
    }
}
