//! One edit of many hosts: classes that hold them all, while what made each of them is not the same.

use gatewright_behaviour::testing::Choices;

use crate::ground::{Objects, planned};
use crate::{Seen, check_change};

fn ingress(name: &str, host: &str, annotations: &str, service: &str) -> (String, String) {
    let text = format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {name}, namespace: fleet, annotations: {{{annotations}}}}}\n\
         spec:\n  ingressClassName: higress\n  rules:\n  - host: '{host}'\n    http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: {service}, port: {{number: 80}}}}}}}}]}}\n"
    );
    (format!("Ingress fleet/{name}"), text)
}

fn service(name: &str) -> (String, String) {
    let text = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: fleet}}\nspec: {{ports: [{{name: web, port: 80}}]}}\n"
    );
    (format!("Service fleet/{name}"), text)
}

const TIMEOUT: &str = "higress.io/timeout: '5'";
const RETRIES: &str = "higress.io/timeout: '5', higress.io/proxy-next-upstream-tries: '3'";

/// Returns an edit of a fleet: most hosts get a timeout, each by its own Ingress, by a new and older one for the same host,
/// or lose the Service that they share with others, while an Ingress of all hosts changes beside them.
fn edit(choices: &mut Choices, hosts: usize) -> (Objects, Objects) {
    let mut base = Objects::from([service("web"), ingress("wide", "", "", "web")]);
    let groups = hosts.div_ceil(4);
    base.extend((0..groups).map(|group| service(&format!("s{group}"))));
    for host in 0..hosts {
        let (name, domain) = (format!("i{host:04}"), format!("h{host:04}.test"));
        base.extend([ingress(&name, &domain, "", &format!("s{}", host / 4))]);
    }
    let mut head = base.clone();
    head.extend([ingress("wide", "", TIMEOUT, "web")]);
    for host in 0..hosts {
        let (name, domain) = (format!("i{host:04}"), format!("h{host:04}.test"));
        let service = format!("s{}", host / 4);
        match choices.below(8) {
            0 => head.remove(&format!("Ingress fleet/{name}")),
            1 => None,
            2 => head.remove(&format!("Service fleet/{service}")),
            3 => {
                let (key, older) = ingress(&format!("a{host:04}"), &domain, TIMEOUT, &service);
                head.insert(key, older)
            }
            4 => {
                let (key, changed) = ingress(&name, &domain, RETRIES, &service);
                head.insert(key, changed)
            }
            _ => {
                let (key, changed) = ingress(&name, &domain, TIMEOUT, &service);
                head.insert(key, changed)
            }
        };
    }
    (base, head)
}

#[test]
fn with_all_other_changes_taken_back_a_class_of_many_hosts_is_as_it_is() {
    let mut seen = Seen::default();
    for seed in 0..8 {
        let mut choices = Choices::new(seed);
        let hosts = choices.below(8) + 6;
        let (base, head) = edit(&mut choices, hosts);
        check_change(seed, &mut choices, &base, &head, &mut seen);
    }
    assert!(seen.several * 4 > seen.classes && seen.narrowed * 2 > seen.classes, "{seen:?}");
    assert!(seen.doubtful * 50 < seen.classes, "{seen:?}");
}

/// What so many changes made is found out, not guessed.
#[test]
fn the_causes_of_classes_of_four_hundred_hosts_are_told_for_certain() {
    let (base, head) = edit(&mut Choices::new(1), 400);
    let plan = planned(&base, &head, 7, 5);
    let classes = &plan.behaviour.classes;
    assert!(classes.iter().all(|class| !class.candidates), "some are only perhaps");
    let most = classes.iter().max_by_key(|class| class.hosts.len()).unwrap();
    assert!(
        most.hosts.len() > 100 && most.causes.len() > 100,
        "{} hosts, {} causes",
        most.hosts.len(),
        most.causes.len()
    );
}
