//! Object stores, with servers that the tests start on loopback.
