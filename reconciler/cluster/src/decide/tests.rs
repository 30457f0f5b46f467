//! What is made, changed, deleted and refused.

use serde_json::json;

use super::*;

fn name() -> InventoryName {
    InventoryName { namespace: "higress-system".to_owned(), name: "gatewright".to_owned() }
}

fn set() -> String {
    name().id()
}

fn key(name: &str) -> EntityKey {
    EntityKey::new(Kind::ConfigMap, "shop", name)
}

fn manifest(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"},
        "data": {"k": "v"}})
}

fn wanting(names: &[&str]) -> BTreeMap<EntityKey, Desired> {
    names.iter().map(|name| (key(name), Desired::new(manifest(name)).unwrap())).collect()
}

/// Returns an object as an earlier apply left it, and then others changed it.
fn applied(name: &str, others: Value) -> LiveObject {
    let mut value = manifest(name);
    value["metadata"]["labels"] = json!({PART_OF: set()});
    let own = json!({"manager": MANAGER, "operation": "Apply", "fieldsV1": {
        "f:data": {"f:k": {}}, "f:metadata": {"f:labels": {format!("f:{PART_OF}"): {}}}}});
    let mut managers = vec![own];
    managers.extend(others.as_array().cloned().unwrap_or_default());
    value["metadata"]["managedFields"] = managers.into();
    LiveObject::new(Kind::ConfigMap, value).unwrap()
}

fn observed_of(names: &[&str]) -> Observed {
    let objects: BTreeMap<_, _> =
        names.iter().map(|name| (key(name), Arc::new(applied(name, json!([]))))).collect();
    let parent = name().manifest(&Members::of(objects.keys()), None);
    Observed { objects, parent: LiveObject::new(Kind::ConfigMap, parent), only: None }
}

fn live<'o>(observed: &'o mut Observed, name: &str) -> &'o mut Value {
    &mut Arc::make_mut(observed.objects.get_mut(&key(name)).unwrap()).value
}

fn actions(wanted: &[&str], observed: &Observed, budget: PruneBudget) -> Result<Vec<String>, Withheld> {
    let round = decide(&wanting(wanted), observed, &name(), Rules { budget, ..Rules::default() });
    if let Some(withheld) = round.withheld {
        return Err(withheld);
    }
    let word = |action: &Action| match action {
        Action::Create => "create".to_owned(),
        Action::Update(changes) => format!("update {}", changes.len()),
        Action::None => "none".to_owned(),
        Action::Correct(changes) => format!("correct {}", changes.len()),
        Action::Drifted(changes) => format!("drifted {}", changes.len()),
        Action::Conflict(changes) => format!("conflict {}", changes[0].owners.join(",")),
        Action::Delete => "delete".to_owned(),
        Action::Release(owners) => format!("release {}", owners.join(",")),
        Action::Keep(Keeping::NoInventory) => "keep".to_owned(),
        Action::Keep(Keeping::Errors) => "keep for errors".to_owned(),
        Action::Keep(Keeping::Encrypted) => "keep encrypted".to_owned(),
    };
    Ok(round.steps.iter().map(|step| format!("{} {}", step.key.name, word(&step.action))).collect())
}

#[test]
fn what_differs_is_sent_and_nothing_else() {
    let mut observed = observed_of(&["a", "b", "c"]);
    live(&mut observed, "b")["data"]["k"] = "other".into();
    let done = actions(&["a", "b", "d"], &observed, PruneBudget::Default).unwrap();
    assert_eq!(done, ["a none", "b update 1", "d create", "c delete"]);
    let settled = observed_of(&["a", "b"]);
    let round = decide(&wanting(&["a", "b"]), &settled, &name(), Rules::default());
    assert!(round.is_settled());
}

#[test]
fn references_come_first_and_deletions_in_reverse() {
    let object = |kind: Kind, name: &str| {
        let value = json!({"apiVersion": kind.api_version(), "kind": kind.as_str(),
            "metadata": {"name": name, "namespace": "shop", "labels": {PART_OF: set()}}});
        (Desired::new(value.clone()).unwrap(), LiveObject::new(kind, value).unwrap())
    };
    let kinds = [Kind::Ingress, Kind::WasmPlugin, Kind::Service, Kind::Secret];
    let wanted = kinds.map(|kind| object(kind, "new").0).map(|desired| (desired.key.clone(), desired));
    let mut observed = observed_of(&["a"]);
    observed.objects =
        kinds.map(|kind| object(kind, "old").1).map(|live| (live.key.clone(), Arc::new(live))).into();
    let round = decide(
        &wanted.into(),
        &observed,
        &name(),
        Rules { budget: PruneBudget::Objects(9), ..Rules::default() },
    );
    let order: Vec<String> =
        round.steps.iter().map(|step| format!("{} {}", step.key.kind.as_str(), step.key.name)).collect();
    assert_eq!(
        order,
        [
            "Secret new",
            "Service new",
            "WasmPlugin new",
            "Ingress new",
            "Ingress old",
            "WasmPlugin old",
            "Service old",
            "Secret old"
        ]
    );
}

#[test]
fn fields_of_others_are_not_taken_unless_the_manifest_says_so() {
    let mut observed = observed_of(&["a"]);
    let other = json!([{"manager": "helm", "operation": "Update", "fieldsV1": {"f:data": {"f:k": {}}}}]);
    let mut theirs = applied("a", other);
    theirs.value["data"]["k"] = "other".into();
    observed.objects.insert(key("a"), Arc::new(theirs));
    assert_eq!(actions(&["a"], &observed, PruneBudget::Default).unwrap(), ["a conflict helm"]);
    let mut forced = wanting(&["a"]);
    let annotations = json!({gatewright_kinds::FORCE_CONFLICTS: "true"});
    forced.get_mut(&key("a")).unwrap().value["metadata"]["annotations"] = annotations;
    let round = decide(&forced, &observed, &name(), Rules::default());
    assert!(round.steps[0].force && matches!(round.steps[0].action, Action::Update(_)));
}

#[test]
fn a_member_of_another_set_is_not_taken() {
    let mut observed = observed_of(&["a"]);
    live(&mut observed, "a")["metadata"]["labels"][PART_OF] = "other".into();
    let done = actions(&["a"], &observed, PruneBudget::Default).unwrap();
    assert_eq!(done, ["a conflict "]);
}

#[test]
fn an_empty_source_deletes_nothing() {
    let observed = observed_of(&["a"]);
    for budget in [PruneBudget::Default, PruneBudget::Objects(100)] {
        let withheld = actions(&[], &observed, budget).unwrap_err();
        assert_eq!(withheld, Withheld::Empty { inventory: name(), members: 1 });
    }
    assert_eq!(actions(&[], &Observed::default(), PruneBudget::Default), Ok(Vec::new()));
}

#[test]
fn a_suddenly_smaller_source_deletes_nothing() {
    let shrunk = actions(&["a"], &observed_of(&["a", "b", "c", "d"]), PruneBudget::Default);
    assert_eq!(shrunk, Err(Withheld::Shrunk { deletions: 3, members: 4 }));
    let names: Vec<String> = (0..30).map(|index| format!("m{index:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let over = actions(&names[..19], &observed_of(&names), PruneBudget::Default);
    assert_eq!(over, Err(Withheld::Budget { deletions: 11, budget: 10 }));
    assert!(actions(&names[..20], &observed_of(&names), PruneBudget::Default).is_ok());
    assert!(actions(&names[..1], &observed_of(&names), PruneBudget::Objects(29)).is_ok());
}

#[test]
fn a_lost_inventory_deletes_nothing() {
    let mut observed = observed_of(&["a", "b"]);
    observed.parent = None;
    assert_eq!(actions(&["a"], &observed, PruneBudget::Default).unwrap(), ["a none", "b keep"]);
    // The next inventory still knows where the kept one is.
    let round = decide(&wanting(&["a"]), &observed, &name(), Rules::default());
    assert!(round.inventory_changes().is_some() && round.after.namespaces.contains("shop"));
}

#[test]
fn what_others_applied_to_stays() {
    let mut observed = observed_of(&["a", "b"]);
    let other = json!([{"manager": "argocd", "operation": "Apply", "fieldsV1": {"f:data": {"f:k": {}}}}]);
    observed.objects.insert(key("b"), Arc::new(applied("b", other)));
    assert_eq!(actions(&["a"], &observed, PruneBudget::Default).unwrap(), ["a none", "b release argocd"]);
}

#[test]
fn the_inventory_of_another_tool_stops_everything() {
    let mut observed = observed_of(&["a"]);
    observed.parent.as_mut().unwrap().value["metadata"]["annotations"] =
        json!({"applyset.kubernetes.io/tooling": "kubectl/v1.35.4"});
    assert!(matches!(actions(&["a"], &observed, PruneBudget::Default), Err(Withheld::Inventory(_))));
}

#[test]
fn with_errors_in_the_source_nothing_is_deleted_and_the_inventory_keeps_it() {
    let observed = observed_of(&["a", "b", "c", "d"]);
    assert_eq!(
        actions(&["a"], &observed, PruneBudget::Nothing).unwrap(),
        ["a none", "b keep for errors", "c keep for errors", "d keep for errors"]
    );
    let nothing = Rules { budget: PruneBudget::Nothing, ..Rules::default() };
    let nothing = decide(&wanting(&[]), &observed, &name(), nothing);
    assert_eq!((nothing.withheld.as_ref(), nothing.inventory_changes()), (None, None));
}

/// Returns what is done about an object whose value another manager took over.
fn drift(drift: Drift, applied: Option<&BTreeMap<EntityKey, Desired>>) -> (Action, bool) {
    let mut observed = observed_of(&["a"]);
    let taken =
        json!([{"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:data": {"f:k": {}}}}]);
    let mut edited = self::applied("a", taken);
    edited.value["data"]["k"] = "edited".into();
    observed.objects.insert(key("a"), Arc::new(edited));
    let rules = Rules { drift, applied, ..Rules::default() };
    let step = decide(&wanting(&["a"]), &observed, &name(), rules).steps.remove(0);
    (step.action, step.force)
}

#[test]
fn drift_is_corrected_reported_or_a_conflict() {
    let same = wanting(&["a"]);
    let mut other = wanting(&["a"]);
    other.get_mut(&key("a")).unwrap().value["data"]["k"] = "before".into();
    assert!(matches!(drift(Drift::Conflict, Some(&same)), (Action::Conflict(_), false)));
    for applied in [None, Some(&same), Some(&other)] {
        assert!(matches!(drift(Drift::Correct, applied), (Action::Correct(_), true)));
    }
    assert!(matches!(drift(Drift::Report, Some(&same)), (Action::Drifted(_), false)));
    // The source wants something else by now, and the field belongs to another one.
    assert!(matches!(drift(Drift::Report, Some(&other)), (Action::Conflict(_), false)));
}

#[test]
fn what_was_deleted_in_the_cluster_is_made_again_or_reported() {
    let same = wanting(&["a"]);
    let made = |drift, applied| {
        let rules = Rules { drift, applied, ..Rules::default() };
        decide(&wanting(&["a"]), &observed_of(&[]), &name(), rules).steps.remove(0).action
    };
    assert_eq!(made(Drift::Correct, Some(&same)), Action::Create);
    assert_eq!(made(Drift::Report, Some(&same)), Action::Drifted(Vec::new()));
    assert_eq!(made(Drift::Report, None), Action::Create);
}

#[test]
fn no_drift_policy_takes_what_was_never_ours() {
    let mut observed = observed_of(&["a"]);
    let theirs = json!([{"manager": "helm", "operation": "Apply", "fieldsV1": {"f:data": {"f:k": {}}}}]);
    let theirs = json!({"metadata": {"name": "a", "namespace": "shop", "managedFields": theirs}, "data": {"k": "other"}});
    observed.objects.insert(key("a"), Arc::new(LiveObject::new(Kind::ConfigMap, theirs).unwrap()));
    for drift in [Drift::Correct, Drift::Report] {
        let rules = Rules { drift, ..Rules::default() };
        let step = decide(&wanting(&["a"]), &observed, &name(), rules).steps.remove(0);
        assert!(matches!(step.action, Action::Conflict(_)) && !step.force);
    }
}

#[test]
fn what_the_source_has_encrypted_is_kept_as_it_is() {
    let observed = observed_of(&["a", "sealed", "gone"]);
    let encrypted = BTreeSet::from([key("sealed")]);
    let rules = Rules { encrypted: Some(&encrypted), ..Rules::default() };
    let round = decide(&wanting(&["a"]), &observed, &name(), rules);
    let actions: Vec<(&str, &Action)> =
        round.steps.iter().map(|step| (&*step.key.name, &step.action)).collect();
    assert_eq!(
        actions,
        [("a", &Action::None), ("gone", &Action::Delete), ("sealed", &Action::Keep(Keeping::Encrypted))]
    );
    // A source with nothing else is not empty.
    let alone = decide(&wanting(&[]), &observed_of(&["sealed"]), &name(), rules);
    assert_eq!(alone.withheld, None);
}
