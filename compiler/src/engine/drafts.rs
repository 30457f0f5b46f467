//! Findings on their way to diagnostics. Spans are not kept: files are read again for them, each once, and nothing of a
//! file stays behind its places.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_diagnostics::{Diagnostic, Label, Span, code};
use gatewright_kinds::EntityKey;
use rayon::prelude::*;

use super::files::{Definition, Files};
use crate::finding::{Finding, Part, Place, Within};
use crate::input::is_no_file;
use crate::manifest::DocumentIndex;
use crate::parse::{Asked, FileFinding, locate_all};
use crate::source::{ReadError, SourceTree};

/// Where an object stands.
#[derive(Clone, Debug)]
pub(super) struct Site {
    path: Arc<str>,
    document: DocumentIndex,
}

impl Site {
    /// Returns where a definition stands.
    pub(super) fn of(definition: &Definition) -> Self {
        Site { path: definition.path.clone(), document: definition.manifest.document }
    }
}

/// Knows where objects stand.
pub(super) trait Sites {
    /// Returns where an object stands, or its first definition; none if it is none of the source.
    fn site(&self, key: &EntityKey) -> Option<Site>;
}

impl Sites for Files {
    fn site(&self, key: &EntityKey) -> Option<Site> {
        self.definitions(key).first().map(Site::of)
    }
}

impl Sites for BTreeMap<EntityKey, Site> {
    fn site(&self, key: &EntityKey) -> Option<Site> {
        self.get(key).cloned()
    }
}

/// Diagnostics, and the places that their labels still lack.
#[derive(Default)]
pub(super) struct Drafts {
    diagnostics: Vec<Diagnostic>,
    wanted: BTreeMap<Arc<str>, Vec<Wanted>>,
}

/// The place of one label.
struct Wanted {
    /// Index of the diagnostic.
    diagnostic: usize,
    /// Its label: 0 for the primary one, then the related ones.
    label: usize,
    document: DocumentIndex,
    pointer: String,
    part: Part,
    within: Option<Within>,
}

impl Drafts {
    /// Makes room for some more diagnostics.
    pub(super) fn reserve(&mut self, more: usize) {
        self.diagnostics.reserve_exact(more);
    }

    /// Adds a diagnostic that knows its places.
    pub(super) fn add(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Adds a finding of the parser.
    pub(super) fn add_of_file(&mut self, path: &str, finding: FileFinding) {
        let located = !is_no_file(path);
        let label = |span: Span, text: String| {
            let span = if located { span } else { Span::default() };
            Label { path: path.to_owned(), span, text }
        };
        let primary = label(finding.span, String::new());
        let mut diagnostic = Diagnostic::new(finding.code, finding.message, primary);
        diagnostic.related = finding.related.into_iter().map(|(span, text)| label(span, text)).collect();
        diagnostic.notes = finding.notes;
        diagnostic.help = finding.help;
        diagnostic.fix = finding.fix;
        diagnostic.entity = finding.entity.as_ref().map(ToString::to_string);
        self.add(diagnostic);
    }

    /// Adds a finding of a later stage; nothing where its object is none of the source.
    pub(super) fn add_of_unit(&mut self, sites: &impl Sites, finding: Finding) {
        if let Some(site) = sites.site(&finding.place.entity) {
            self.describe(sites, finding, &site, None);
        }
    }

    /// Adds a finding about one of several definitions.
    pub(super) fn add_of_definition(&mut self, sites: &impl Sites, finding: Finding, site: &Site) {
        self.describe(sites, finding, site, Some(site));
    }

    /// Adds that an object is defined several times.
    pub(super) fn add_duplicate(&mut self, key: &EntityKey, sites: &[Site]) {
        let Some((last, others)) = sites.split_last() else { return };
        let name = || Place::value(key, "/metadata/name");
        let message = format!("{key} is defined {} times", sites.len());
        let primary = self.label(0, last, name(), String::new());
        let mut diagnostic = Diagnostic::new(&code::GW0201, message, primary);
        for (index, other) in others.iter().enumerate() {
            diagnostic.related.push(self.label(index + 1, other, name(), "also defined here".to_owned()));
        }
        diagnostic.help =
            Some("keep one definition; where these are overlays, give one of them as SOURCE".to_owned());
        diagnostic.entity = Some(key.to_string());
        self.add(diagnostic);
    }

    fn describe(&mut self, sites: &impl Sites, finding: Finding, site: &Site, of: Option<&Site>) {
        let entity = finding.place.entity.clone();
        let primary = self.label(0, site, finding.place, String::new());
        let mut diagnostic = Diagnostic::new(finding.code, finding.message, primary);
        for (place, text) in finding.related {
            let this = of.filter(|_| place.entity == entity).cloned();
            if let Some(found) = this.or_else(|| sites.site(&place.entity)) {
                diagnostic.related.push(self.label(diagnostic.related.len() + 1, &found, place, text));
            }
        }
        diagnostic.notes = finding.notes;
        diagnostic.help = finding.help;
        diagnostic.entity = Some(entity.to_string());
        self.add(diagnostic);
    }

    /// Returns a label of the next diagnostic, whose place is wanted.
    fn label(&mut self, label: usize, found: &Site, place: Place, text: String) -> Label {
        let Place { pointer, part, within, .. } = place;
        let (diagnostic, document) = (self.diagnostics.len(), found.document);
        let wanted = Wanted { diagnostic, label, document, pointer, part, within };
        self.wanted.entry(found.path.clone()).or_default().push(wanted);
        Label { path: found.path.to_string(), span: Span::default(), text }
    }

    /// Returns the diagnostics with all their places, in the order in which they were added.
    ///
    /// # Errors
    /// A file to which a finding points cannot be read any more.
    pub(super) fn placed(self, tree: Option<&SourceTree>) -> Result<Vec<Diagnostic>, ReadError> {
        let Drafts { mut diagnostics, wanted } = self;
        let files: Vec<(Arc<str>, Vec<Wanted>)> = wanted.into_iter().collect();
        let found: Vec<Result<Vec<Option<Span>>, ReadError>> = files
            .par_iter()
            .map(|(path, wanted)| {
                let asked: Vec<Asked<'_>> = wanted.iter().map(Wanted::asked).collect();
                places(tree, path, &asked)
            })
            .collect();
        for ((_, wanted), spans) in files.into_iter().zip(found) {
            for (wanted, span) in wanted.into_iter().zip(spans?) {
                let diagnostic = &mut diagnostics[wanted.diagnostic];
                let label = match wanted.label.checked_sub(1) {
                    None => &mut diagnostic.primary,
                    Some(index) => &mut diagnostic.related[index],
                };
                label.span = span.unwrap_or_default();
            }
        }
        Ok(diagnostics)
    }
}

impl Wanted {
    fn asked(&self) -> Asked<'_> {
        Asked { document: self.document, pointer: &self.pointer, part: self.part, within: self.within }
    }
}

/// Returns a place in what stands at a site.
///
/// # Errors
/// The file cannot be read any more.
pub(super) fn place(tree: Option<&SourceTree>, found: &Site, place: &Place) -> Result<Label, ReadError> {
    let Place { pointer, part, within, .. } = place;
    let asked = Asked { document: found.document, pointer, part: *part, within: *within };
    let span = places(tree, &found.path, &[asked])?.into_iter().next().flatten();
    Ok(Label { path: found.path.to_string(), span: span.unwrap_or_default(), text: String::new() })
}

fn places(
    tree: Option<&SourceTree>,
    path: &Arc<str>,
    asked: &[Asked<'_>],
) -> Result<Vec<Option<Span>>, ReadError> {
    if is_no_file(path) {
        return Ok(vec![None; asked.len()]);
    }
    let lost = || ReadError { path: path.to_string(), reason: "not part of the source".to_owned() };
    let tree = tree.ok_or_else(lost)?;
    let content = tree.content(path).ok_or_else(lost)?;
    Ok(locate_all(&tree.reader.read(path, content)?, asked))
}
