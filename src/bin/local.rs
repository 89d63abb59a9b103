//! The AWS of your own machine.
fn main() {}
