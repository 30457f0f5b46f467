//! Filter chains inside their listener, for clients that do not take them one by one: stock Envoy.

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::Message as _;

use crate::envoy::config::listener::v3::{FilterChain, FilterChainMatch, Listener};
use crate::resource::Resource;
use crate::snapshot::XdsSnapshot;
use crate::{names, type_url};

impl XdsSnapshot {
    /// Returns the snapshot with every filter chain in its listener. Chains that differ by their server name alone become
    /// one, so that a certificate of many names is one chain.
    pub fn with_inline_chains(&self) -> Self {
        self.inlined(None)
    }

    /// Does the same, and takes listeners from what was made of an earlier snapshot where nothing of them has changed.
    pub fn with_inline_chains_after(&self, earlier: &Self, inlined: &Self) -> Self {
        self.inlined(Some((earlier, inlined)))
    }

    fn inlined(&self, earlier: Option<(&Self, &Self)>) -> Self {
        let same = |earlier: &Self| {
            [type_url::LISTENER, type_url::FILTER_CHAIN].iter().all(|kind| self.shares(earlier, kind))
        };
        let mut whole = self.clone();
        whole.remove_type(type_url::FILTER_CHAIN);
        for resource in self.of_type(type_url::LISTENER) {
            let known = earlier.filter(|(earlier, _)| same(earlier));
            let known = known.and_then(|(_, inlined)| inlined.get(type_url::LISTENER, resource.name()));
            match known {
                Some(known) => drop(whole.insert(known.clone())),
                None => drop(self.inline(resource).map(|listener| whole.insert(listener))),
            }
        }
        whole
    }

    /// Returns a listener with its chains; none where it has them already.
    fn inline(&self, resource: &Arc<Resource>) -> Option<Resource> {
        let listener: Listener = resource.decode().ok()?;
        listener.fcds_config.as_ref()?;
        let prefix = names::filter_chain(resource.name(), "");
        let chains = self.with_prefix(type_url::FILTER_CHAIN, &prefix);
        let chains: Vec<FilterChain> = chains.map(|chain| chain.decode()).collect::<Result<_, _>>().ok()?;
        Some(Resource::of(&inline_chains(listener, chains)))
    }
}

/// Puts filter chains that were made to come on their own into their listener.
pub fn inline_chains(mut listener: Listener, chains: impl IntoIterator<Item = FilterChain>) -> Listener {
    listener.fcds_config = None;
    let filters = listener.default_filter_chain.take().unwrap_or_default().filters;
    let (mut named, mut rest): (Vec<(String, FilterChain)>, Vec<FilterChain>) = (Vec::new(), Vec::new());
    for mut chain in chains {
        let name = std::mem::take(&mut chain.name);
        if chain.filters.is_empty() {
            chain.filters.clone_from(&filters);
        }
        match names::filter_chain_parts(&name).filter(|_| chain.filter_chain_match.take().is_some()) {
            Some((_, server_name)) => named.push((server_name.to_owned(), chain)),
            None => rest.push(chain),
        }
    }
    // Single names before wider ones.
    named.sort_by(|(one, _), (two, _)| (one.starts_with('*'), one).cmp(&(two.starts_with('*'), two)));
    listener.filter_chains = merged(named);
    listener.filter_chains.append(&mut rest);
    listener
}

/// Returns one chain for each set of settings, in the order of their first names.
fn merged(named: Vec<(String, FilterChain)>) -> Vec<FilterChain> {
    let mut known: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    let mut chains: Vec<(FilterChain, Vec<String>)> = Vec::new();
    for (name, chain) in named {
        let index = *known.entry(chain.encode_to_vec()).or_insert(chains.len());
        if index == chains.len() {
            chains.push((chain, Vec::new()));
        }
        chains[index].1.push(name);
    }
    let with_names = |(chain, server_names)| {
        let names = FilterChainMatch { server_names, ..FilterChainMatch::default() };
        FilterChain { filter_chain_match: Some(names), ..chain }
    };
    chains.into_iter().map(with_names).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::config::core::v3::TransportSocket;
    use crate::envoy::config::listener::v3::Filter;
    use crate::envoy::config::listener::v3::listener::FcdsConfig;

    fn filter(name: &str) -> Filter {
        Filter { name: name.to_owned(), ..Filter::default() }
    }

    fn chain(server_name: &str, tls: &str, filters: &[&str]) -> Resource {
        let names = FilterChainMatch { server_names: vec![server_name.to_owned()], ..Default::default() };
        Resource::of(&FilterChain {
            name: names::filter_chain("l", server_name),
            filter_chain_match: (server_name != "*").then_some(names),
            filters: filters.iter().map(|name| filter(name)).collect(),
            transport_socket: Some(TransportSocket { name: tls.to_owned(), config_type: None }),
            ..FilterChain::default()
        })
    }

    fn snapshot() -> XdsSnapshot {
        let listener = Listener {
            name: "l".to_owned(),
            fcds_config: Some(FcdsConfig::default()),
            default_filter_chain: Some(FilterChain { filters: vec![filter("http")], ..Default::default() }),
            ..Listener::default()
        };
        let chains = [
            chain("*", "one", &[]),
            chain("*.a", "one", &[]),
            chain("b", "one", &[]),
            chain("a", "two", &["refuse"]),
        ];
        let plain = Listener { name: "plain".to_owned(), ..Listener::default() };
        chains.into_iter().chain([Resource::of(&listener), Resource::of(&plain)]).collect()
    }

    /// Returns names, TLS and filters of each chain of the listener `l`.
    fn shown(snapshot: &XdsSnapshot) -> Vec<(String, String, String)> {
        let listener: Listener = snapshot.get(type_url::LISTENER, "l").unwrap().decode().unwrap();
        assert_eq!((listener.fcds_config, listener.default_filter_chain), (None, None));
        let chains = listener.filter_chains.into_iter().map(|chain| {
            let names = chain.filter_chain_match.unwrap_or_default().server_names.join(" ");
            (names, chain.transport_socket.unwrap().name, chain.filters[0].name.clone())
        });
        chains.collect()
    }

    #[test]
    fn chains_stand_in_their_listener_merged_and_the_narrowest_first() {
        let inlined = snapshot().with_inline_chains();
        let expected = [("a", "two", "refuse"), ("b *.a", "one", "http"), ("", "one", "http")];
        let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(shown(&inlined), expected);
        assert_eq!(inlined.count(type_url::FILTER_CHAIN), 0);
        assert_eq!(
            inlined.get(type_url::LISTENER, "plain"),
            snapshot().get(type_url::LISTENER, "plain"),
            "a listener that has its chains stays as it is"
        );
    }

    #[test]
    fn what_was_made_before_is_taken_only_while_nothing_of_it_changes() {
        let before = snapshot();
        let inlined = before.with_inline_chains();
        let again = before.clone().with_inline_chains_after(&before, &inlined);
        let listener = |snapshot: &XdsSnapshot| snapshot.get(type_url::LISTENER, "l").cloned().unwrap();
        assert!(Arc::ptr_eq(&listener(&again), &listener(&inlined)), "nothing is made anew");
        let mut now = before.clone();
        now.insert(chain("c", "two", &["refuse"]));
        let after = now.with_inline_chains_after(&before, &inlined);
        assert_eq!(after, now.with_inline_chains());
        assert_eq!(shown(&after)[0].0, "a c");
    }
}
