//! The target of a request in its normal form, so that routes and upstreams see the same one.

use std::borrow::Cow;

use gatewright_http::path::{BadPath, is_legal, merge_slashes, normalize};
use http::uri::PathAndQuery;

/// Returns the normal form of a target; the query stays as it is.
pub(crate) fn normalized(target: PathAndQuery, merge: bool) -> Result<PathAndQuery, BadPath> {
    if !target.query().is_none_or(is_legal) {
        return Err(BadPath::Characters);
    }
    let normal = normalize(target.path())?;
    let merged = match normal {
        Cow::Borrowed(_) if !merge => return Ok(target),
        Cow::Borrowed(path) => merge_slashes(path),
        Cow::Owned(path) if merge => Cow::Owned(merge_slashes(&path).into_owned()),
        normal => normal,
    };
    if merged == target.path() {
        return Ok(target);
    }
    let text = match target.query() {
        Some(query) => format!("{merged}?{query}"),
        None => merged.into_owned(),
    };
    PathAndQuery::try_from(text).map_err(|_| BadPath::Characters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_stays_and_slashes_are_merged_last() {
        let check = |text: &str, merge| {
            let target = PathAndQuery::from_maybe_shared(bytes::Bytes::from(text.to_owned())).unwrap();
            normalized(target, merge).map(|target| target.to_string())
        };
        for (text, merge, normal) in [
            ("/a/../%61?q=%61//", false, "/a?q=%61//"),
            ("/a//b?q//", true, "/a/b?q//"),
            ("/a//b", false, "/a//b"),
            ("/a//../b", true, "/a/b"),
        ] {
            assert_eq!(check(text, merge).as_deref(), Ok(normal), "{text}");
        }
        for (text, why) in
            [("/a%00b", BadPath::ZeroByte), ("/ä", BadPath::Characters), ("/a?ä", BadPath::Characters)]
        {
            assert_eq!(check(text, false), Err(why), "{text}");
        }
    }
}
