//! The choice of an endpoint.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::config::LoadBalancing;
use crate::random::Random;
use crate::state::{Cluster, Endpoint};

/// Chooses an endpoint, avoiding those in `tried` for up to `attempts` further looks.
pub(crate) fn choose(
    cluster: &Cluster,
    random: &Random,
    tried: &[u64],
    attempts: u32,
) -> Option<Arc<Endpoint>> {
    let mut chosen = pick(cluster, random)?;
    for _ in 0..attempts {
        if !tried.contains(&chosen.id) {
            break;
        }
        chosen = pick(cluster, random)?;
    }
    Some(chosen.clone())
}

fn pick<'a>(cluster: &'a Cluster, random: &Random) -> Option<&'a Arc<Endpoint>> {
    let usable = &cluster.endpoints.usable;
    if usable.len() < 2 {
        return usable.first();
    }
    match (cluster.config.balancing, &cluster.endpoints.schedule) {
        (LoadBalancing::Random, None) => usable.get(random.below(usable.len() as u64) as usize),
        (LoadBalancing::Random, Some(schedule)) => {
            usable.get(usize::from(schedule[random.below(schedule.len() as u64) as usize]))
        }
        (LoadBalancing::RoundRobin, None) => usable.get(turn(cluster) % usable.len()),
        (LoadBalancing::RoundRobin, Some(schedule)) => {
            usable.get(usize::from(schedule[turn(cluster) % schedule.len()]))
        }
        (LoadBalancing::LeastRequest, schedule) => {
            // Two at random, by weight where weights differ; the one with fewer requests under way wins.
            let draw = || match schedule {
                None => random.below(usable.len() as u64) as usize,
                Some(schedule) => usize::from(schedule[random.below(schedule.len() as u64) as usize]),
            };
            let (first, second) = (usable.get(draw())?, usable.get(draw())?);
            let load = |endpoint: &Endpoint| endpoint.active_requests.load(Ordering::Relaxed);
            Some(if load(second) < load(first) { second } else { first })
        }
    }
}

fn turn(cluster: &Cluster) -> usize {
    cluster.shared.turn.fetch_add(1, Ordering::Relaxed)
}
