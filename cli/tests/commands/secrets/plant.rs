//! Objects with a secret in every text field that their schema has, so that a new field is covered by itself.

use gatewright_compiler::KNOWN;
use serde_json::{Map, Value, json};

/// No output may hold it, nor what was made of it.
pub(super) const MARK: &str = "cAnArY7x9";

/// Schemas as they are published.
const SCHEMAS: [&str; 9] = [
    include_str!("../../../../schemas/manifests/ConfigMap.json"),
    include_str!("../../../../schemas/manifests/EndpointSlice.json"),
    include_str!("../../../../schemas/manifests/Endpoints.json"),
    include_str!("../../../../schemas/manifests/Ingress.json"),
    include_str!("../../../../schemas/manifests/IngressClass.json"),
    include_str!("../../../../schemas/manifests/McpBridge.json"),
    include_str!("../../../../schemas/manifests/Secret.json"),
    include_str!("../../../../schemas/manifests/Service.json"),
    include_str!("../../../../schemas/manifests/WasmPlugin.json"),
];
/// Shapes of secrets, with `@` for the mark and a number.
const SHAPES: [&str; 8] = [
    "https://user:@@h.test/x.wasm",
    "https://user:@/y@h.test/x",
    "https://h.test/x?a=1&access_token=@&b=2",
    "user:@@h.test",
    "Bearer @==",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIi@.c2ln",
    "ghp_@0123456789",
    "-----BEGIN PRIVATE KEY-----\n@\n-----END PRIVATE KEY-----\n",
];
/// Pieces of names that make any value secret, in lower case. The program's own list is not asked.
const SECRET_NAMES: [&str; 6] = ["accesskey", "secretkey", "token", "password", "credential", "apikey"];
/// Keys that are added to every map of texts.
const KEYS: [&str; 5] = [
    "higress.io/exact-match-header-x-api-key",
    "higress.io/exact-match-query-token",
    "example.com/admin-password",
    "API_TOKEN",
    "note",
];

/// Returns every kind with a secret of each shape in each text field: 72 objects and more secrets than fields.
pub(super) fn objects() -> Vec<Value> {
    let mut objects = Vec::new();
    for schema in SCHEMAS {
        let schema: Value = serde_json::from_str(schema).expect("a schema");
        for (number, shape) in SHAPES.iter().enumerate() {
            let mut planter = Planter { shape, count: 0, free: false };
            let mut object = planter.value(&schema, "");
            object["metadata"]["name"] = format!("planted-{number}").into();
            object["metadata"]["namespace"] = "higress-system".into();
            objects.push(object);
        }
    }
    objects
}

struct Planter<'a> {
    shape: &'a str,
    count: usize,
    /// Whether the fields are those of a plugin, where everything is secret.
    free: bool,
}

impl Planter<'_> {
    fn value(&mut self, schema: &Value, name: &str) -> Value {
        if let Some(only) = schema.get("const").or_else(|| schema["enum"].get(0)) {
            return only.clone();
        }
        if let Some(first) = schema["anyOf"].get(0).or_else(|| schema["oneOf"].get(0)) {
            return self.value(first, name);
        }
        let wanted = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
        match wanted {
            Some("string") => self.text(name).into(),
            Some("integer" | "number") => 1.into(),
            Some("boolean") => true.into(),
            Some("array") => json!([self.value(&schema["items"], name)]),
            _ => self.mapping(schema, name),
        }
    }

    fn mapping(&mut self, schema: &Value, name: &str) -> Value {
        let mut members = Map::new();
        // Names of fields, which the API server writes.
        if name == "fieldsV1" {
            return members.into();
        }
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            members.insert(field.clone(), self.value(schema, field));
        }
        let of_texts = schema["additionalProperties"]["type"] == "string";
        if of_texts && name == "annotations" {
            let known = KNOWN.iter().map(|known| format!("higress.io/{}", known.suffix));
            members.extend(known.map(|key| (key.clone(), self.text(&key).into())).collect::<Vec<_>>());
        }
        if of_texts {
            members.extend(KEYS.map(|key| (key.to_owned(), self.text(key).into())));
            members.insert("file".into(), format!("redis: {{a: b, password: {}}}\n", self.mark()).into());
        }
        if members.is_empty() && !name.to_ascii_lowercase().contains("config") {
            members.insert("key".into(), self.text("key").into());
        }
        if members.is_empty() {
            self.free = true;
            let (one, two) = (self.mark(), self.mark());
            members.insert("consumers".into(), json!([{"name": one, "url": self.text("url"), "n": two}]));
            self.free = false;
        }
        // An unknown field puts a finding beside all of its neighbours.
        members.insert("zzUnknown".into(), 1.into());
        members.into()
    }

    fn mark(&mut self) -> String {
        self.count += 1;
        format!("{MARK}{}", self.count)
    }

    fn text(&mut self, name: &str) -> String {
        let mark = self.mark();
        let lower = name.to_ascii_lowercase().replace(['-', '_'], "");
        if lower.ends_with("headercontroladd") || lower.ends_with("headercontrolupdate") {
            return format!("Authorization Basic {mark}\nx-api-key {mark}\nx-open {}", self.shaped(&mark));
        }
        // Where a secret is, and a switch.
        let points = ["name", "authsecret", "allowcredentials"].iter().any(|end| lower.ends_with(end));
        if self.free || (!points && SECRET_NAMES.iter().any(|piece| lower.contains(piece))) {
            return mark;
        }
        self.shaped(&mark)
    }

    fn shaped(&self, mark: &str) -> String {
        self.shape.replacen('@', mark, 1)
    }
}

/// Writes an object as one line of YAML.
pub(super) fn flow(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{name}: {}", flow(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        scalar => scalar.to_string(),
    }
}

/// Returns an object in every spelling: block, lines of brackets, JSON; sound, and broken in the middle and at the end.
pub(super) fn spellings(object: &Value) -> Vec<String> {
    let block = serde_yaml::to_string(object).expect("an object is YAML");
    let mut texts = Vec::new();
    for sound in [block, flow(object) + "\n", object.to_string() + "\n"] {
        let middle = sound.floor_char_boundary(sound.len() / 2);
        let line = sound[..middle].rfind('\n').map_or(0, |at| at + 1);
        let (before, behind) = sound.split_at(line);
        texts.push(format!("{before}\t: broken: line\n{behind}"));
        texts.push(format!("{before} odd: \"open\n{behind}"));
        let comma = sound[middle..].find(", ").or_else(|| sound[middle..].find(','));
        if let Some(comma) = comma {
            texts.push(format!("{} ]}} {}", &sound[..middle + comma], &sound[middle + comma..]));
        }
        texts.push(sound[..sound.len() - 2].to_owned());
        texts.push(sound);
    }
    texts
}
