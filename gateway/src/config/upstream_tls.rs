//! TLS towards the endpoints of a cluster, without its secrets, which come on their own.

use std::sync::Arc;

use gatewright_xds::envoy::config::core::v3::TransportSocket;
use gatewright_xds::envoy::config::core::v3::transport_socket::ConfigType;
use gatewright_xds::envoy::extensions::transport_sockets::tls::v3 as xds;
use gatewright_xds::envoy::extensions::transport_sockets::tls::v3::common_tls_context::{
    CombinedCertificateValidationContext, ValidationContextType,
};
use gatewright_xds::google::protobuf::Any;
use rustls::{CipherSuite, SupportedProtocolVersion};
use rustls_pki_types::DnsName;

use super::cluster::UpstreamProtocol;
use super::error::{FieldError, Within};
use super::take::{ads, name, nothing_left, unpack};
use super::tls::parameters;
use super::validation::Validation;

/// TLS settings of a cluster.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamTls {
    /// The name that the endpoint is asked for; none asks for none.
    pub(crate) server_name: Option<DnsName<'static>>,
    pub(crate) alpn: Vec<Vec<u8>>,
    /// Never empty.
    pub(crate) versions: Vec<&'static SupportedProtocolVersion>,
    /// Allowed TLS 1.2 suites; empty means the defaults.
    pub(crate) suites: Vec<CipherSuite>,
    /// The secret that holds the certificate of the gateway.
    pub(crate) identity: Option<Arc<str>>,
    /// What the endpoint's certificate must fulfil, as far as it stands here.
    pub(crate) validation: Validation,
    /// The secret that holds the rest of that.
    pub(crate) validation_secret: Option<Arc<str>>,
    /// All of it as it came.
    message: Any,
}

impl PartialEq for UpstreamTls {
    fn eq(&self, other: &Self) -> bool {
        self.message == other.message && self.alpn == other.alpn
    }
}

impl UpstreamTls {
    /// Reads the settings of a cluster that speaks `protocol`, which its endpoints are offered where no other is named.
    pub(super) fn new(message: TransportSocket, protocol: UpstreamProtocol) -> Result<Self, FieldError> {
        let any = message.config_type.map(|ConfigType::TypedConfig(any)| any);
        let mut context: xds::UpstreamTlsContext = unpack(any.clone(), "typed_config")?;
        let server_name = server_name(std::mem::take(&mut context.sni))?;
        let common = context.common_tls_context.take().unwrap_or_default();
        nothing_left(&context)?;
        let field = "common_tls_context";
        let mut tls = Self::common(common).within(field)?;
        if tls.alpn.is_empty() {
            tls.alpn.push(protocol.alpn().to_vec());
        } else if !tls.alpn.iter().any(|offered| offered == protocol.alpn()) {
            let problem = "does not name the protocol of the cluster";
            return Err(FieldError::new("alpn_protocols", problem)).within(field);
        }
        Ok(Self { server_name, message: any.unwrap_or_default(), ..tls })
    }

    fn common(mut message: xds::CommonTlsContext) -> Result<Self, FieldError> {
        let mut identities = std::mem::take(&mut message.tls_certificate_sds_secret_configs);
        let field = "tls_certificate_sds_secret_configs";
        let identity = identities.pop();
        if !identities.is_empty() {
            return Err(FieldError::new(field, "must be one at most"));
        }
        let identity = identity.map(secret).transpose().within(format!("{field}[0]"))?;
        let (validation, validation_secret) = validation(message.validation_context_type.take())?;
        let (versions, suites) =
            parameters(message.tls_params.take().unwrap_or_default()).within("tls_params")?;
        let alpn = std::mem::take(&mut message.alpn_protocols).into_iter().map(String::into_bytes).collect();
        nothing_left(&message)?;
        Ok(Self {
            server_name: None,
            alpn,
            versions,
            suites,
            identity,
            validation,
            validation_secret,
            message: Any::default(),
        })
    }

    /// Returns the names of the secrets that are waited for.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Arc<str>> {
        self.identity.iter().chain(&self.validation_secret)
    }
}

fn server_name(sni: String) -> Result<Option<DnsName<'static>>, FieldError> {
    if sni.is_empty() {
        return Ok(None);
    }
    let problem = |_| FieldError::new("sni", format!("`{}` is no host name", sni.escape_debug()));
    DnsName::try_from(sni.clone()).map(Some).map_err(problem)
}

fn secret(message: xds::SdsSecretConfig) -> Result<Arc<str>, FieldError> {
    ads(message.sds_config, "sds_config")?;
    name(message.name, "name")
}

fn validation(message: Option<ValidationContextType>) -> Result<(Validation, Option<Arc<str>>), FieldError> {
    match message {
        None => Ok((Validation::default(), None)),
        Some(ValidationContextType::ValidationContext(message)) => {
            let validation = Validation::new(message).within("validation_context")?;
            refuse_hollow(&validation).within("validation_context")?;
            Ok((validation, None))
        }
        Some(ValidationContextType::ValidationContextSdsSecretConfig(message)) => {
            let secret = secret(message).within("validation_context_sds_secret_config")?;
            Ok((Validation::default(), Some(secret)))
        }
        Some(ValidationContextType::CombinedValidationContext(message)) => {
            combined(message).within("combined_validation_context")
        }
        Some(_) => Err(FieldError::unsupported("validation_context_type")),
    }
}

fn combined(
    mut message: CombinedCertificateValidationContext,
) -> Result<(Validation, Option<Arc<str>>), FieldError> {
    let default = message.default_validation_context.take().unwrap_or_default();
    let validation = Validation::new(default).within("default_validation_context")?;
    let field = "validation_context_sds_secret_config";
    let secret = message.validation_context_sds_secret_config.take();
    let secret = secret.ok_or_else(|| FieldError::missing(field))?;
    nothing_left(&message)?;
    Ok((validation, Some(self::secret(secret).within(field)?)))
}

/// Names that anybody can write protect nobody: Envoy refuses them as well.
fn refuse_hollow(validation: &Validation) -> Result<(), FieldError> {
    if validation.is_hollow() {
        return Err(FieldError::new("trusted_ca", "is required where names are asked for"));
    }
    Ok(())
}
