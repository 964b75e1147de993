//! Nothing: cargo fetches the vectors of the dependency.
