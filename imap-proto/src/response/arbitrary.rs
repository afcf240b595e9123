//! Values for fuzzing, all of which can be written and read back.
