//! What a chunk costs in allocations. Time differs from machine to machine and from run to run, and
//! so tells nothing in a test; allocations do not. `tests/instructions.rs` counts instructions, and
//! `tests/integration/relay.rs` posts.

use crate::recorded::{Recorded, Speaker};

/// The allocations of one more chunk of a long turn, so many of which come together.
fn allocations_of_a_chunk(speaker: Speaker, together: usize) -> f64 {
    let recorded = Recorded::of(speaker);
    let allocations =
        |chunks| allocation_counter::measure(|| drop(recorded.turn(chunks, together))).count_total;
    // The first turn fills what lasts as long as the process.
    allocations(1);
    let further = allocations(1200) - allocations(200);
    f64::from(u32::try_from(further).unwrap_or(u32::MAX)) / 1000.0
}

/// More would be a regression. Fewer are welcome: lower the figure then.
fn assert_close(counted: f64, expected: f64) {
    assert!((counted - expected).abs() <= expected * 0.02, "{counted} instead of {expected}");
}

#[test]
fn a_chunk_in_a_post_of_its_own_costs_these_allocations() {
    assert_close(allocations_of_a_chunk(Speaker::Agent, 1), 329.0);
}

#[test]
fn a_chunk_among_others_in_a_post_costs_these_allocations() {
    assert_close(allocations_of_a_chunk(Speaker::Agent, 100), 15.2);
}

#[test]
fn a_chunk_of_a_harness_costs_no_more_than_one_of_an_agent() {
    for together in [1, 100] {
        let [agent, harness] = [Speaker::Agent, Speaker::Harness]
            .map(|speaker| allocations_of_a_chunk(speaker, together));
        assert!(harness <= agent * 1.1, "{harness} beside {agent}");
    }
}
