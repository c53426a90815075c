//! Python values as CBOR, and back.
//!
//! Guarantees: what is encoded passes the checks of the other side, or is a `ValueNotSendableError` that names the
//! path; decoding never panics, never hangs and never takes memory beyond the objects that the bytes spell out.
//! Never: calls code of the guest. Encoding calls code of the host's values (`model_dump`, properties), which may do
//! what it likes, changing the containers included.
//!
//! Before: `sandbox`. After: `hypercell-abi`, which checks structure and limits.

mod decode;
mod encode;
mod types;

pub(crate) use decode::{decode, decode_checked};
pub(crate) use encode::{encode, encode_named};
