//! The bundled gateway: a data plane fed by xDS.
