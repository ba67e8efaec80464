//! Record, differentiate, compile, replay.
