//! The CORS policy of a route.

use gatewright_xds::envoy::extensions::filters::http::cors::v3 as xds;
use gatewright_xds::envoy::r#type::v3::fractional_percent::DenominatorType;
use http::HeaderValue;

use super::error::{FieldError, Within};
use super::take::nothing_left;
use super::text_test::TextTest;

/// A compiled CORS policy.
#[derive(Debug)]
pub(crate) struct CorsPolicy {
    pub(crate) origins: Box<[TextTest]>,
    pub(crate) methods: Option<HeaderValue>,
    pub(crate) headers: Option<HeaderValue>,
    pub(crate) expose: Option<HeaderValue>,
    pub(crate) max_age: Option<HeaderValue>,
    pub(crate) credentials: bool,
    /// Whether a preflight of another origin goes on to the upstream instead of being answered here.
    pub(crate) forward_foreign_preflights: bool,
}

impl TryFrom<xds::CorsPolicy> for CorsPolicy {
    type Error = FieldError;

    fn try_from(mut message: xds::CorsPolicy) -> Result<Self, FieldError> {
        let origins = std::mem::take(&mut message.allow_origin_string_match)
            .into_iter()
            .enumerate()
            .map(|(index, test)| {
                TextTest::try_from(test).within(format!("allow_origin_string_match[{index}]"))
            })
            .collect::<Result<_, _>>()?;
        always(&mut message)?;
        let policy = Self {
            origins,
            methods: header(std::mem::take(&mut message.allow_methods), "allow_methods")?,
            headers: header(std::mem::take(&mut message.allow_headers), "allow_headers")?,
            expose: header(std::mem::take(&mut message.expose_headers), "expose_headers")?,
            max_age: header(std::mem::take(&mut message.max_age), "max_age")?,
            credentials: message.allow_credentials.take().is_some_and(|value| value.value),
            forward_foreign_preflights: message
                .forward_not_matching_preflights
                .take()
                .is_none_or(|value| value.value),
        };
        nothing_left(&message)?;
        Ok(policy)
    }
}

/// Accepts a policy that is on for all requests.
fn always(message: &mut xds::CorsPolicy) -> Result<(), FieldError> {
    let Some(share) = message.filter_enabled.take() else { return Ok(()) };
    let share = share.default_value.ok_or_else(|| FieldError::missing("filter_enabled.default_value"))?;
    let whole = match DenominatorType::try_from(share.denominator) {
        Ok(DenominatorType::Hundred) => 100,
        Ok(DenominatorType::TenThousand) => 10_000,
        Ok(DenominatorType::Million) => 1_000_000,
        Err(_) => u32::MAX,
    };
    if share.numerator < whole {
        return Err(FieldError::new("filter_enabled", "only 100 % is supported"));
    }
    Ok(())
}

fn header(text: String, field: &str) -> Result<Option<HeaderValue>, FieldError> {
    if text.is_empty() {
        return Ok(None);
    }
    HeaderValue::from_str(&text)
        .map(Some)
        .map_err(|_| FieldError::new(field, "holds a byte that no header may hold"))
}
