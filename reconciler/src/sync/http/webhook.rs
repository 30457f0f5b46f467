//! `POST /webhook`: wakes a sync, if whoever sends it has the secret.

use std::fmt;

use aws_lc_rs::hmac;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::pages::{Shared, plain};
use super::{LARGEST, PATIENCE};

/// Where a signature stands, and how it begins.
const SIGNATURE: &str = "x-hub-signature-256";
const ALGORITHM: &str = "sha256=";

/// What webhooks are signed with.
pub struct WebhookSecret(hmac::Key);

impl WebhookSecret {
    /// Takes a secret; none where it is empty and would protect nothing.
    pub fn new(secret: &[u8]) -> Option<Self> {
        (!secret.is_empty()).then(|| WebhookSecret(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// Returns whether a body has this signature, `sha256=` and 64 hexadecimal digits. The time that the answer takes says
    /// nothing about the right one.
    fn has_signed(&self, body: &[u8], signature: &str) -> bool {
        let tag = signature.strip_prefix(ALGORITHM).and_then(bytes_of_hex);
        tag.is_some_and(|tag| hmac::verify(&self.0, body, &tag).is_ok())
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let pairs = digits?;
    let bytes = pairs.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high * 16 + low).ok(),
        _ => None,
    });
    bytes.collect()
}

/// Answers a webhook. What its body says does not matter: it only has to be signed.
pub(super) async fn receive(State(shared): State<Shared>, request: Request) -> Response {
    let Some(secret) = shared.secret() else {
        return plain(StatusCode::NOT_FOUND, "there is no secret for webhooks\n");
    };
    let accepted = check(secret, request).await;
    shared.count_webhook(accepted.is_ok());
    match accepted {
        Ok(()) => {
            shared.wake();
            plain(StatusCode::ACCEPTED, "a round follows\n")
        }
        Err((status, why)) => plain(status, why),
    }
}

async fn check(secret: &WebhookSecret, request: Request<Body>) -> Result<(), (StatusCode, &'static str)> {
    let signature = request.headers().get(SIGNATURE).and_then(|value| value.to_str().ok());
    let signature = signature.ok_or((StatusCode::UNAUTHORIZED, "the signature is missing\n"))?.to_owned();
    let body = Limited::new(request.into_body(), LARGEST).collect();
    let body = match tokio::time::timeout(PATIENCE, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB\n"));
        }
        Ok(Err(_)) => return Err((StatusCode::BAD_REQUEST, "the body broke off\n")),
        Err(_) => return Err((StatusCode::REQUEST_TIMEOUT, "the body took too long\n")),
    };
    let signed = secret.has_signed(&body, &signature);
    signed.then_some(()).ok_or((StatusCode::UNAUTHORIZED, "the signature is wrong\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_signature_of_the_right_body_counts() {
        // printf body | openssl dgst -sha256 -hmac secret
        const SIGNED: &str = "sha256=dc46983557fea127b43af721467eb9b3fde2338fe3e14f51952aa8478c13d355";
        let secret = WebhookSecret::new(b"secret").unwrap();
        assert!(secret.has_signed(b"body", SIGNED));
        assert!(secret.has_signed(b"body", &SIGNED.to_uppercase().replace("SHA256", "sha256")));
        assert!(!secret.has_signed(b"bodi", SIGNED));
        assert!(!WebhookSecret::new(b"other").unwrap().has_signed(b"body", SIGNED));
        for wrong in ["", "sha256=", &SIGNED[..70], &SIGNED[..69], &SIGNED[7..], "sha256=zz", "sha256=é"] {
            assert!(!secret.has_signed(b"body", wrong), "{wrong}");
        }
        assert!(WebhookSecret::new(b"").is_none());
        assert_eq!(format!("{secret:?}"), "WebhookSecret(…)");
    }
}
