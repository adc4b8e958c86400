//! The whole stack against real servers on loopback.

mod cancel;
mod dial;
mod secrecy;
mod send;
mod upstream;
mod world;
