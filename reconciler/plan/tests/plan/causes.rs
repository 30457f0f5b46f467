//! The causes of one class over many hosts: the definition on generated rules of what makes each host's part of it, and how
//! much is supposed to find them.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_behaviour::testing::Choices;
use gatewright_ir::{HostPattern, Ir, ListenerId, RouteId};
use gatewright_plan::{Changes, EntityName, Plan, Reach, Supposed};

use crate::common::{State, entity, plan_with};

/// When the requests of a host fare as in the head, by whether its own change is made, that of its group, that of all.
type Rule = fn(bool, bool, bool) -> bool;

/// Each holds with all three and not with none.
const RULES: [Rule; 9] = [
    |own, _, _| own,
    |_, group, _| group,
    |_, _, all| all,
    |own, group, _| own && group,
    |own, _, all| own && all,
    |own, _, all| own || all,
    |own, group, all| own && group && all,
    |own, group, all| (own || group) && all,
    // One change undoes another.
    |own, group, all| own ^ group ^ all,
];

const GROUP: usize = 8;

/// Hosts of which each is moved by some changes from one upstream to another: one class.
struct Fleet {
    rules: Vec<Rule>,
    base: State,
    head: State,
    supposed: Ir,
    names: Vec<EntityName>,
    /// How often a model was asked for.
    tries: usize,
}

impl Fleet {
    fn new(rules: Vec<Rule>) -> Self {
        let (mut base, mut head) = (State::new("base"), State::new("head"));
        for host in 0..rules.len() {
            base = base.host(&name(host), &[("/", &[("web", 1)])]);
            head = head.host(&name(host), &[("/", &[("next", 1)])]);
        }
        let own = (0..rules.len()).map(|host| entity("Ingress", &format!("own{host:05}")));
        let groups = (0..rules.len().div_ceil(GROUP)).map(|group| entity("Service", &format!("g{group:05}")));
        let names = own.chain(groups).chain([entity("WasmPlugin", "all")]).collect();
        Fleet { rules, base, head, supposed: Ir::default(), names, tries: 0 }
    }

    fn generated(choices: &mut Choices, hosts: usize) -> Self {
        Fleet::new((0..hosts).map(|_| choices.pick(&RULES)).collect())
    }

    fn holds(&self, host: usize, made: &BTreeSet<usize>) -> bool {
        let group = made.contains(&(self.rules.len() + host / GROUP));
        self.rules[host](made.contains(&host), group, made.contains(&(self.names.len() - 1)))
    }

    /// Whether the class is as it is with some changes.
    fn is_enough(&self, made: &BTreeSet<usize>) -> bool {
        (0..self.rules.len()).all(|host| self.holds(host, made))
    }

    fn plan(&mut self) -> Plan {
        let (base, head) = (std::mem::take(&mut self.base), std::mem::take(&mut self.head));
        self.supposed = base.ir.clone();
        self.supposed.clusters.extend(head.ir.clusters.clone());
        self.supposed.endpoints.extend(head.ir.endpoints.clone());
        let plan = plan_with(&base, &head, &mut Tried { fleet: self, base: &base.ir, head: &head.ir });
        (self.base, self.head) = (base, head);
        plan
    }

    /// Returns the causes of the one class; panics unless they are known for certain, and as the definition has them.
    fn causes(&mut self) -> BTreeSet<usize> {
        let plan = self.plan();
        let [class] = plan.behaviour.classes.as_slice() else { panic!("{:#?}", plan.behaviour.classes) };
        assert!(!class.candidates, "{} tries, {} causes", self.tries, class.causes.len());
        let index: BTreeMap<&EntityName, usize> = self.names.iter().zip(0..).collect();
        let causes: BTreeSet<usize> = class.causes.iter().map(|cause| index[&cause.entity]).collect();
        assert!(self.is_enough(&causes), "{causes:?} are not enough");
        for one in &causes {
            let mut others = causes.clone();
            others.remove(one);
            assert!(!self.is_enough(&others), "{one} of {} causes can be left out", causes.len());
        }
        causes
    }
}

fn name(host: usize) -> String {
    format!("h{host:05}.test")
}

struct Tried<'a> {
    fleet: &'a mut Fleet,
    base: &'a Ir,
    head: &'a Ir,
}

impl Changes for Tried<'_> {
    fn objects(&self) -> &[EntityName] {
        &self.fleet.names
    }

    fn owner(&self, route: &RouteId) -> Option<usize> {
        let host = route.host.to_string();
        (0..self.fleet.rules.len()).find(|index| name(*index) == host)
    }

    fn reach(&mut self) -> Option<Vec<Reach>> {
        let hosts = self.fleet.rules.len();
        let of = |hosts: std::ops::Range<usize>| {
            Reach::Hosts(hosts.map(|host| name(host).parse().expect("a host")).collect())
        };
        let own = (0..hosts).map(|host| of(host..host + 1));
        let groups =
            (0..hosts.div_ceil(GROUP)).map(|group| of(group * GROUP..hosts.min((group + 1) * GROUP)));
        Some(own.chain(groups).chain([Reach::Everything]).collect())
    }

    fn with(&mut self, made: &BTreeSet<usize>) -> Option<Supposed<'_>> {
        self.fleet.tries += 1;
        for host in 0..self.fleet.rules.len() {
            let side = if self.fleet.holds(host, made) { self.head } else { self.base };
            let pattern: HostPattern = name(host).parse().expect("a host");
            let key = (ListenerId::HTTP, pattern);
            self.fleet.supposed.hosts.insert(key.clone(), side.hosts[&key].clone());
        }
        Some(Supposed { ir: &self.fleet.supposed, work: 2 })
    }
}

#[test]
fn the_causes_of_a_class_of_many_hosts_are_enough_and_none_can_be_left_out() {
    for seed in 0..60 {
        let mut choices = Choices::new(seed);
        let hosts = choices.below(40) + 2;
        let mut fleet = Fleet::generated(&mut choices, hosts);
        fleet.causes();
    }
}

/// Some hosts are moved by their own change, some by that of all: then no host's answer is that of the class.
#[test]
fn the_tries_do_not_grow_with_the_hosts_of_a_class() {
    let tries = |hosts: usize| {
        let mut fleet = Fleet::generated(&mut Choices::new(1), hosts);
        let causes = fleet.causes();
        assert!(causes.len() > hosts / 4, "{} causes", causes.len());
        fleet.tries
    };
    let (few, many) = (tries(100), tries(1_600));
    assert!(many <= 40 && many <= few + 20, "{few} and {many} tries");
}

#[test]
fn one_change_of_all_hosts_stands_for_those_of_each() {
    let own_or_all: Rule = |own, _, all| own || all;
    let all: Rule = |_, _, all| all;
    let mut fleet = Fleet::new((0..400).map(|host| if host == 7 { all } else { own_or_all }).collect());
    let last = fleet.names.len() - 1;
    assert_eq!(fleet.causes(), BTreeSet::from([last]));
    assert!(fleet.tries <= 10, "{}", fleet.tries);
}
