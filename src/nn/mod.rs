//! Layers and parameters.
