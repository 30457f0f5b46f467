//! Where we judge otherwise than the API server, and why.

use super::Verdicts;

/// One way to judge otherwise.
pub(super) struct Reason {
    /// Why it is right.
    pub(super) why: &'static str,
    applies: fn(&Verdicts) -> bool,
}

/// All of them.
pub(super) const ALL: &[Reason] = &[
    Reason {
        why: "only a cluster knows its ranges of addresses and ports, and its IP families",
        applies: |verdicts| {
            they_say(
                verdicts,
                &["provided IP is not in the valid range", "provided port is not in the valid range"],
            ) || they_say(verdicts, &["not configured on this cluster", "not configured for dual-stack"])
                || they_say(verdicts, &["provided port is already allocated", "is not configured"])
        },
    },
    Reason {
        why: "loopback addresses are for tests and examples, which run where the gateway runs",
        applies: |verdicts| they_say(verdicts, &["may not be in the loopback range"]),
    },
    Reason {
        why: "Envoy refuses ports and addresses that the API server takes, and a whole assignment for one of them",
        applies: |verdicts| {
            verdicts.theirs.is_none()
                && verdicts.object["kind"] == "EndpointSlice"
                && verdicts
                    .ours
                    .iter()
                    .all(|said| said.contains("].port must be") || said.contains("address: "))
        },
    },
    Reason {
        why: "a dry run hands out no node port: in earnest one beyond every range is refused",
        applies: |verdicts| {
            verdicts.theirs.is_none()
                && verdicts.ours.iter().all(|said| said.contains(".nodePort must be at "))
        },
    },
    Reason {
        why: "a name that the API server makes up cannot be known before, and kubectl apply refuses it",
        applies: |verdicts| {
            verdicts.theirs.is_none()
                && verdicts.object["metadata"].get("generateName").is_some()
                && verdicts.ours.iter().all(|said| said.contains("lacks the field `name`"))
        },
    },
    Reason {
        why: "bytes as a list of numbers, which Go takes in the place of base64",
        applies: |verdicts| {
            verdicts.theirs.is_none()
                && verdicts.ours.iter().all(|said| said.contains("ata.") && said.contains("found a list"))
        },
    },
    Reason {
        why: "an empty object in a list where the published schema has a required field",
        applies: |verdicts| {
            verdicts.theirs.is_none()
                && verdicts
                    .ours
                    .iter()
                    .all(|said| said.contains("forZones[") && said.contains("lacks the field `name`"))
        },
    },
];

/// Returns why two verdicts are apart, if there is a reason.
pub(super) fn of(verdicts: &Verdicts) -> Option<&'static str> {
    ALL.iter().find(|reason| (reason.applies)(verdicts)).map(|reason| reason.why)
}

fn they_say(verdicts: &Verdicts, parts: &[&str]) -> bool {
    let theirs = verdicts.theirs.as_deref().unwrap_or_default();
    verdicts.ours.is_empty() && parts.iter().any(|part| theirs.contains(part))
}
