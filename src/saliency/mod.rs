//! Attribution maps and masks.
