//! A place in an object under check: its members, and its pointer if that is asked for.

use std::borrow::Cow;

use gatewright_diagnostics::code;

use crate::finding::escape;
use crate::parse::fields::Fields;
use crate::parse::issue::{Issue, Repair, bounded, path};

/// A place with the way to it. Pointers are written for findings alone: most objects have none.
#[derive(Clone, Copy)]
pub(crate) struct At<'t, 'p> {
    fields: Fields<'t>,
    way: Option<(&'p At<'t, 'p>, Step<'p>)>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Member(&'p str),
    Element(usize),
}

impl<'t> At<'t, '_> {
    /// Returns the place of a whole object.
    pub(crate) fn root(fields: Fields<'t>) -> Self {
        At { fields, way: None }
    }

    /// Returns a member unless it is missing or null.
    pub(crate) fn member<'a>(&'a self, name: &'a str) -> Option<At<'t, 'a>> {
        Some(At { fields: self.fields.some_object(name)?, way: Some((self, Step::Member(name))) })
    }

    /// Returns the elements; nothing where there is no list.
    pub(crate) fn elements<'a>(&'a self) -> impl ExactSizeIterator<Item = At<'t, 'a>> {
        let step = move |(index, fields)| At { fields, way: Some((self, Step::Element(index))) };
        self.fields.elements().enumerate().map(step)
    }

    /// Returns the place as a text; none of another type.
    pub(crate) fn text(&self) -> Option<Cow<'t, str>> {
        self.fields.as_text()
    }

    /// Returns a member as a text; none if it is missing or of another type.
    pub(crate) fn text_of(&self, name: &str) -> Option<Cow<'t, str>> {
        self.fields.some_object(name)?.as_text()
    }

    /// Returns a member as a whole number; none if it is missing or of another type.
    pub(crate) fn number_of(&self, name: &str) -> Option<i64> {
        self.fields.some_object(name)?.as_number()
    }

    /// Returns whether there is a member that is not null, of whatever type.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.has(name)
    }

    /// Returns whether a member says nothing: it is missing, or an empty text.
    pub(crate) fn lacks_text(&self, name: &str) -> bool {
        !self.has(name) || self.text_of(name).is_some_and(|text| text.is_empty())
    }

    /// Returns whether a member says nothing: it is missing, or an empty list.
    pub(crate) fn lacks_elements(&self, name: &str) -> bool {
        self.fields.some_object(name).is_none_or(|list| list.is_a_list() && list.elements().len() == 0)
    }

    /// Returns whether the place is a mapping.
    pub(crate) fn is_mapping(&self) -> bool {
        self.fields.is_a_mapping()
    }

    /// Returns the fields of the place.
    pub(crate) fn fields(&self) -> Fields<'t> {
        self.fields
    }

    /// Returns the JSON pointer.
    pub(crate) fn pointer(&self) -> String {
        match self.way {
            None => String::new(),
            Some((parent, Step::Member(name))) => format!("{}/{}", parent.pointer(), escape(name)),
            Some((parent, Step::Element(index))) => format!("{}/{index}", parent.pointer()),
        }
    }

    /// Says that the value cannot be what it is; `reason` completes a sentence that starts with its path.
    pub(crate) fn refuse(&self, reason: &str, issues: &mut Vec<Issue>) {
        let pointer = self.pointer();
        issues.push(Issue::value(&code::GW0102, pointer.clone(), format!("{} {reason}", path(&pointer))));
    }

    /// Says that the value must be written in another form, which is the one that all write.
    pub(crate) fn rewrite(&self, form: &str, issues: &mut Vec<Issue>) {
        let pointer = self.pointer();
        let message = format!("{} must be written as \"{form}\"", path(&pointer));
        let issue = Issue::value(&code::GW0102, pointer, message).with_help(format!("write `{form}`"));
        issues.push(Issue { repair: Repair::Value(form.to_owned()), ..issue });
    }

    /// Says that the text breaks a rule, if it does.
    pub(crate) fn follow(&self, rule: fn(&str) -> Result<(), &'static str>, issues: &mut Vec<Issue>) {
        let Some(text) = self.text() else { return };
        if let Err(rule) = rule(&text) {
            let pointer = self.pointer();
            let message = format!("{} cannot be \"{}\"", path(&pointer), bounded(&text));
            issues.push(Issue::value(&code::GW0102, pointer, message).with_help(format!("use {rule}")));
        }
    }

    /// Says that a member is not there, or that none of several is; `why` completes the sentence or is empty.
    pub(crate) fn lack(&self, fields: &[&str], why: &str, issues: &mut Vec<Issue>) {
        let pointer = self.pointer();
        let place = if pointer.is_empty() { "the object".to_owned() } else { path(&pointer) };
        let message = format!("{place} lacks the field `{}`{why}", fields.join("` or `"));
        let issue = Issue::key(&code::GW0102, pointer, message);
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        issues.push(Issue { repair: Repair::Add(fields), ..issue });
    }

    /// Says that only one of two members may be set.
    pub(crate) fn both(&self, fields: &str, issues: &mut Vec<Issue>) {
        let pointer = self.pointer();
        let message = format!("{} has {fields}, and only one may be set", path(&pointer));
        issues.push(Issue::key(&code::GW0102, pointer, message));
    }

    /// Says that there are more elements than the API server takes.
    pub(crate) fn at_most(&self, most: usize, issues: &mut Vec<Issue>) {
        let count = self.fields.elements().len();
        if count > most {
            self.refuse(&format!("has {count} elements, and at most {most} are accepted"), issues);
        }
    }
}
