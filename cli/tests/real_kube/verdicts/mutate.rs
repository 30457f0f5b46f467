//! Changes of objects: what people write wrong, and what nobody does.

use serde_json::{Value, json};

/// Words that some field takes and another does not.
const WORDS: [&str; 70] = [
    "",
    "x",
    "Upper",
    "a b",
    "a/b",
    "a.b",
    "-a",
    "a-",
    "a_b",
    "a--b",
    "1a",
    "80",
    "*",
    "*.a.b",
    "a.*.b",
    "a.b.",
    "None",
    "IPv4",
    "IPv6",
    "TCP",
    "tcp",
    "Local",
    "Cluster",
    "ClusterIP",
    "LoadBalancer",
    "NodePort",
    "ExternalName",
    "ClientIP",
    "Exact",
    "prefix",
    "http",
    "/",
    "/a//b",
    "/a/../b",
    "/a/.",
    "a%2fb",
    "1.2.3.4",
    "169.254.1.1",
    "::1:2",
    "0.0.0.0",
    "10.0.0.0/33",
    "sixteen-letters-x",
    "2001:0db8::0001",
    "::ffff:1.2.3.4",
    "01.2.3.4",
    "1.2.3.4/32",
    "fe80::1%eth0",
    "a.b.c.d.e",
    "xn--a",
    "a:b",
    "-1",
    "1e3",
    "true",
    "/%41",
    "/a?b",
    "//",
    "*.*.a",
    "a..b",
    ".a",
    "a,b",
    "Exact ",
    "kubernetes.io/tls",
    "SCTP",
    "Namespace",
    "example.com/a/b",
    "a/",
    "v1",
    "apps/v1/x",
    "\u{1}",
    "\u{e9}\n",
];

const NUMBERS: [i64; 12] =
    [-1, 0, 1, 80, 443, 32_000, 65_535, 65_536, 86_401, 2_147_483_647, 2_147_483_648, 1 << 60];

/// Fields that one kind or another has, put where they may be out of place.
fn fields() -> Vec<(&'static str, Value)> {
    vec![
        ("unknown", json!("x")),
        ("nodePort", json!(31_500)),
        ("name", json!("a")),
        ("port", json!(80)),
        ("number", json!(80)),
        ("resource", json!({"kind": "K", "name": "n"})),
        ("service", json!({"name": "web", "port": {"number": 80}})),
        ("clusterIP", json!("None")),
        ("clusterIPs", json!(["10.0.7.7"])),
        ("ipFamilies", json!(["IPv4", "IPv4"])),
        ("ipFamilyPolicy", json!("SingleStack")),
        ("externalName", json!("b.example.com")),
        ("externalIPs", json!(["8.8.8.8"])),
        ("externalTrafficPolicy", json!("Cluster")),
        ("loadBalancerClass", json!("example.com/x")),
        ("healthCheckNodePort", json!(31_501)),
        ("sessionAffinity", json!("ClientIP")),
        ("ingressClassName", json!("other")),
        ("kubernetes.io/ingress.class", json!("nginx")),
        ("hostname", json!("h_x")),
        ("generateName", json!("Gen-")),
        ("stringData", json!({"tls.crt": "x", "a b": ""})),
        ("a b/c", json!("x")),
        ("..", json!("aGk=")),
        ("b", json!("text")),
    ]
}

/// Makes mutants, the same ones for the same seed.
pub(super) struct Mutator {
    state: u64,
    good: Vec<Value>,
    fields: Vec<(&'static str, Value)>,
}

impl Mutator {
    pub(super) fn new(seed: u64, good: Vec<Value>) -> Self {
        Mutator { state: seed, good, fields: fields() }
    }

    /// Returns a good object with one or two changes.
    pub(super) fn next(&mut self) -> Value {
        let good = self.pick(self.good.len());
        let mut object = self.good[good].clone();
        for _ in 0..1 + self.pick(4) / 3 {
            let mut places = Vec::new();
            collect(&object, "", &mut places);
            let place = places[self.pick(places.len())].clone();
            self.change(&mut object, &place);
        }
        object
    }

    /// A number below another.
    fn pick(&mut self, below: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % below.max(1) as u64) as usize
    }

    fn change(&mut self, object: &mut Value, pointer: &str) {
        match self.pick(12) {
            0..=2 => remove(object, pointer),
            3 => {
                let other = self.of_another_type();
                put(object, pointer, other);
            }
            4 => self.graft(object, pointer),
            5 => self.swap(object, pointer),
            _ => self.vary(object, pointer),
        }
    }

    /// Puts a piece of another object in the place.
    fn graft(&mut self, object: &mut Value, pointer: &str) {
        let other = self.pick(self.good.len());
        let other = self.good[other].clone();
        let mut places = Vec::new();
        collect(&other, "", &mut places);
        let name = pointer.rsplit('/').next().unwrap_or_default();
        // What has the same name is what somebody would mix up.
        let alike: Vec<&String> =
            places.iter().filter(|place| place.rsplit('/').next() == Some(name)).collect();
        let place = match alike.is_empty() {
            true => &places[self.pick(places.len())],
            false => alike[self.pick(alike.len())],
        };
        if let Some(piece) = other.pointer(place) {
            put(object, pointer, piece.clone());
        }
    }

    /// Swaps two values of the object, of which none holds the other.
    fn swap(&mut self, object: &mut Value, pointer: &str) {
        let mut places = Vec::new();
        collect(object, "", &mut places);
        places.retain(|place| !place.starts_with(pointer) && !pointer.starts_with(place.as_str()));
        if places.is_empty() {
            return;
        }
        let other = places[self.pick(places.len())].clone();
        if let (Some(one), Some(two)) = (object.pointer(pointer).cloned(), object.pointer(&other).cloned()) {
            put(object, pointer, two);
            put(object, &other, one);
        }
    }

    /// A value of any type but null, which is as good as none.
    fn of_another_type(&mut self) -> Value {
        [json!("text"), json!(5), json!(true), json!([]), json!({}), json!([{}]), json!(1.5)][self.pick(7)]
            .clone()
    }

    /// Another value of the same type.
    fn vary(&mut self, object: &mut Value, pointer: &str) {
        let Some(value) = object.pointer(pointer).cloned() else { return };
        let varied = match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Number(_) => NUMBERS[self.pick(NUMBERS.len())].into(),
            Value::Bool(value) => (!value).into(),
            Value::Array(mut elements) => {
                match (self.pick(3), elements.first().cloned()) {
                    (0, Some(first)) => elements.push(first),
                    (1, Some(_)) => elements.clear(),
                    _ => elements.push(self.of_another_type()),
                }
                elements.into()
            }
            Value::Object(mut members) => {
                let field = self.pick(self.fields.len());
                let (name, value) = self.fields[field].clone();
                members.insert(name.to_owned(), value);
                members.into()
            }
            Value::Null => return,
        };
        put(object, pointer, varied);
    }

    fn text(&mut self, text: &str) -> String {
        match self.pick(8) {
            0 => "a".repeat([15, 16, 63, 64, 253, 254][self.pick(6)]),
            1 => format!("{text}-"),
            2 => text.to_uppercase(),
            3 => format!("{text}.{text}"),
            _ => WORDS[self.pick(WORDS.len())].to_owned(),
        }
    }
}

/// Gathers the places that may change. What an object is, and where it is created, stay.
fn collect(value: &Value, pointer: &str, places: &mut Vec<String>) {
    if ["/apiVersion", "/kind", "/metadata/namespace"].contains(&pointer) {
        return;
    }
    if !pointer.is_empty() {
        places.push(pointer.to_owned());
    }
    match value {
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                collect(element, &format!("{pointer}/{index}"), places);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                collect(member, &format!("{pointer}/{name}"), places);
            }
        }
        _ => {}
    }
}

fn put(object: &mut Value, pointer: &str, value: Value) {
    if let Some(place) = object.pointer_mut(pointer) {
        *place = value;
    }
}

fn remove(object: &mut Value, pointer: &str) {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return };
    match object.pointer_mut(parent) {
        Some(Value::Object(members)) => drop(members.remove(&name.replace("~1", "/").replace("~0", "~"))),
        Some(Value::Array(elements)) => {
            if let Ok(index) = name.parse::<usize>() {
                elements.remove(index);
            }
        }
        _ => {}
    }
}
