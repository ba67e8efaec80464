//! SAC and SGQN.
