//! The trusted side against a guest that is a closure: no VM, so every frame a guest could send can be sent.
//!
//! One binary, since each would link the hypervisor's library again. `guest` is the fake; the other files are named
//! by what they try.
#![expect(clippy::cast_possible_truncation, reason = "lengths of small test frames")]

mod answers;
mod audit;
mod every_request;
mod files;
mod gates;
mod guest;
mod hooks;
mod hostile;
mod http;
mod in_flight;
mod life;
mod limits;
mod pool;
mod trace;
