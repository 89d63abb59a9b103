//! Tests of what goes wrong when.

use super::*;

fn faults_of(injector: &FaultInjector, count: usize) -> Vec<Option<InjectedFault>> {
    let connection = ConnectionFaults::default();
    std::iter::repeat_with(|| injector.next_fault(&connection)).take(count).collect()
}

#[test]
fn by_default_nothing_goes_wrong() {
    let injector = FaultInjector::new(Faults::default());
    assert!(faults_of(&injector, 1000).iter().all(Option::is_none));
    assert!(injector.counts().is_empty());
    assert_eq!(injector.refusal(), None);
}

#[test]
fn faults_come_at_their_rates_and_from_their_seed() {
    let faults = Faults {
        throttled_posts: 0.05,
        failed_posts: 0.01,
        hanging_posts: 0.02,
        seed: 7,
        ..Faults::default()
    };
    let injector = FaultInjector::new(faults.clone());
    let first = faults_of(&injector, 100_000);
    let counts = injector.counts();
    for (kind, expected) in
        [(FaultKind::Status(429), 5000), (FaultKind::Status(500), 1000), (FaultKind::Hang, 2000)]
    {
        assert!((expected * 9 / 10..expected * 11 / 10).contains(&counts[&kind]), "{counts:?}");
    }
    assert_eq!(counts.len(), 3);
    assert_eq!(faults_of(&FaultInjector::new(faults.clone()), 100_000), first);
    injector.set(faults.clone()).unwrap();
    assert_eq!(faults_of(&injector, 100_000), first, "it begins again");
    let other = FaultInjector::new(Faults { seed: 8, ..faults });
    assert_ne!(faults_of(&other, 100_000), first);
}

#[test]
fn a_rate_of_one_is_every_post() {
    let injector = FaultInjector::new(Faults { cut_posts: 1.0, ..Faults::default() });
    let cut = Some(InjectedFault::Post(PostFault::Cut));
    assert_eq!(faults_of(&injector, 1000), vec![cut; 1000]);
}

#[test]
fn faults_that_are_asked_for_come_at_their_posts() {
    let injector = FaultInjector::new(Faults::default());
    injector.fail_next(2, PostFault::Status(429));
    injector.fail_next(0, PostFault::Status(403));
    injector.fail_next(1, PostFault::LoseAnswer);
    injector.fail_from(5, PostFault::Status(410));
    injector.vanish_at(6);
    let fault = |fault| Some(InjectedFault::Post(fault));
    let [throttled, lost] = [PostFault::Status(429), PostFault::LoseAnswer].map(fault);
    let gone = fault(PostFault::Status(410));
    let vanish = Some(InjectedFault::Vanish);
    assert_eq!(faults_of(&injector, 7), [throttled, throttled, lost, None, gone, vanish, vanish],);
    injector.clear();
    assert!(faults_of(&injector, 10).iter().all(Option::is_none));
    assert_eq!(injector.counts()[&FaultKind::Status(429)], 2, "the counts stay");
}

#[test]
fn clients_vanish_at_their_rate_after_the_first_post() {
    let faults = Faults { vanishing_clients: 0.1, ..Faults::default() };
    let injector = FaultInjector::new(faults);
    let vanished = (0..1000).filter_map(|_| {
        faults_of(&injector, 60).iter().position(|fault| *fault == Some(InjectedFault::Vanish))
    });
    let at: Vec<usize> = vanished.collect();
    assert!((70..130).contains(&at.len()), "{} of 1000", at.len());
    assert!(at.iter().all(|at| (1..50).contains(at)), "{at:?}");
}

#[test]
fn rates_that_make_no_sense_are_refused() {
    let injector = FaultInjector::new(Faults::default());
    for rate in [-0.1, 1.1, f64::NAN] {
        let error = injector.set(Faults { failed_posts: rate, ..Faults::default() });
        let message = error.unwrap_err().to_string();
        assert!(message.starts_with("the rate of failed posts must be from 0 to 1"));
    }
    let sum = Faults { failed_posts: 0.6, cut_posts: 0.6, ..Faults::default() };
    assert_eq!(injector.set(sum), Err(FaultsError::Sum(1.2)));
}
