//! Portolan's models: manifests, weights, tokenising, forward passes, remote clients and the vector
//! cache. Knows nothing of SQL and nothing of the kernels.
