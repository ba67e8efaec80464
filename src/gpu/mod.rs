//! Device, buffers, shaders.
