//! Nothing committed is lost when the process is killed.
