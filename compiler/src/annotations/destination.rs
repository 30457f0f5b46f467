//! `higress.io/destination`: `[WEIGHT%] HOST[:PORT] [SUBSET]`, one a line.

use gatewright_diagnostics::code;

use super::known::Support::Implemented;
use super::known::{KnownAnnotation, row};
use super::reader::Reader;
use crate::finding::{Finding, Place, Within};

/// The rows of the family.
pub(super) const ROWS: &[KnownAnnotation] =
    &[row("destination", false, Implemented, false, "weighted list of upstream services")];

/// The annotation's key.
pub(crate) const KEY: &str = "higress.io/destination";

/// One line of the annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) weight: i64,
    pub(crate) host: String,
    pub(crate) port: Option<u32>,
    pub(crate) subset: String,
    /// Where it stands in the annotation.
    pub(crate) written: Within,
}

/// Says that the annotation is there, and that a finding tells why it cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unusable;

/// Reads the annotation. As in Higress one bad weight or a line without address drops all of it.
pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Vec<Destination>, Unusable> {
    if reader.higress_string("destination").is_none() {
        return Ok(Vec::new());
    }
    let lines = reader.lines(KEY);
    let read = lines.into_iter().map(|(line, place)| parse_line(line, place).map_err(|why| (why, place)));
    let lines: Result<Vec<Destination>, (String, Within)> = read.collect();
    for line in lines.iter().flatten().filter(|line| !line.subset.is_empty()) {
        let place = Place::annotation_value(reader.entity, KEY).within(line.written);
        let message = format!(
            "subset `{}` of `{}` is defined by nothing that Higress makes, so its requests answer 503",
            line.subset, line.host
        );
        let finding = Finding::new(&code::GW0449, place, message)
            .with_note("a subset comes from a DestinationRule of Istio, which is not modelled")
            .with_help("name the Service of the subset instead");
        reader.findings.push(finding);
    }
    match lines {
        Ok(destinations) if weights_usable(&destinations) => Ok(destinations),
        Ok(_) => {
            let place = Place::annotation_value(reader.entity, KEY);
            let message = "the weights of the destinations are negative or sum to zero";
            reader.findings.push(Finding::new(&code::GW0407, place, message));
            Err(Unusable)
        }
        Err((reason, line)) => {
            let place = Place::annotation_value(reader.entity, KEY).within(line);
            reader.findings.push(
                Finding::new(&code::GW0406, place, format!("the destination cannot be read: {reason}"))
                    .with_help("write one `WEIGHT% HOST:PORT` a line"),
            );
            Err(Unusable)
        }
    }
}

fn weights_usable(destinations: &[Destination]) -> bool {
    destinations.len() == 1
        || (destinations.iter().all(|destination| destination.weight >= 0)
            && destinations.iter().any(|destination| destination.weight > 0))
}

fn parse_line(line: &str, written: Within) -> Result<Destination, String> {
    let mut fields = line.split_whitespace().peekable();
    let mut weight = 100;
    if let Some(text) = fields.peek().and_then(|field| field.strip_suffix('%')) {
        weight =
            text.parse::<i32>().map(i64::from).map_err(|_| format!("`{text}%` is not a whole percentage"))?;
        fields.next();
    }
    let address = fields.next().ok_or_else(|| format!("no address in `{line}`"))?;
    let (host, port) = split_port(address);
    let subset = fields.next().unwrap_or_default().to_owned();
    Ok(Destination { weight, host: host.to_owned(), port, subset, written })
}

/// Cuts a port number between 1 and 65535 off behind the last colon. Anything else stays part of the host, so the
/// cluster will not exist.
fn split_port(address: &str) -> (&str, Option<u32>) {
    match address.rsplit_once(':') {
        Some((host, port)) => match port.parse::<u32>() {
            Ok(port @ 1..=65535) => (host, Some(port)),
            _ => (address, None),
        },
        None => (address, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Destination, String> {
        super::parse_line(line, Within { start: 0, end: line.len() })
    }

    #[test]
    fn reads_weights_ports_and_subsets() {
        let line = parse_line("30% a.b.svc.cluster.local:8080 v2").unwrap();
        assert_eq!((line.weight, line.host.as_str(), line.port), (30, "a.b.svc.cluster.local", Some(8080)));
        assert_eq!(line.subset, "v2");
        assert_eq!(parse_line("x.static").unwrap().weight, 100);
    }

    #[test]
    fn the_last_colon_counts_only_before_a_port() {
        let host = "providers:com.x.Foo:0.0.0:.zookeeper";
        assert_eq!(parse_line(host).unwrap().host, host);
        assert_eq!(parse_line("svc:http").unwrap().host, "svc:http");
        assert_eq!(parse_line("svc:0").unwrap().port, None);
    }

    #[test]
    fn bad_weights_are_refused() {
        assert!(parse_line("1.5% a").is_err());
        assert!(parse_line("10%").is_err());
    }
}
