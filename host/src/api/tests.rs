//! Tests of the front over a real socket.
