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
    let vanish = Some(InjectedFault::Lose(Loss::Vanish));
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
        let vanish = Some(InjectedFault::Lose(Loss::Vanish));
        faults_of(&injector, 60).iter().position(|fault| *fault == vanish)
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
    let sum = Faults { vanishing_clients: 0.6, swallowed_clients: 0.6, ..Faults::default() };
    assert_eq!(injector.set(sum), Err(FaultsError::SumOfClients(1.2)));
}

#[test]
fn a_client_is_lost_once_in_the_way_that_comes_first() {
    let injector = FaultInjector::new(Faults::default());
    injector.swallow_from(3);
    injector.half_open_from(2);
    let lost = Some(InjectedFault::Lose(Loss::HalfOpen));
    assert_eq!(faults_of(&injector, 5), [None, lost, None, None, None]);
    injector.half_open_from(4);
    let lost = Some(InjectedFault::Lose(Loss::Swallow));
    assert_eq!(faults_of(&injector, 5), [None, None, lost, None, None]);
}

#[test]
fn clients_are_lost_in_each_way_at_its_rate() {
    let faults = Faults { swallowed_clients: 0.2, half_open_clients: 0.3, ..Faults::default() };
    let injector = FaultInjector::new(faults);
    for _ in 0..1000 {
        assert!(faults_of(&injector, 60).iter().flatten().count() <= 1);
    }
    let counts = injector.counts();
    for (kind, expected) in [(FaultKind::Swallow, 200), (FaultKind::HalfOpen, 300)] {
        assert!((expected * 7 / 10..expected * 13 / 10).contains(&counts[&kind]), "{counts:?}");
    }
}

#[test]
fn of_several_wishes_about_a_call_the_earliest_that_is_not_used_up_counts() {
    let injector = FaultInjector::new(Faults::default());
    let (get, update) = (TableOperation::GetItem, TableOperation::UpdateItem);
    injector.fail_table_calls(1, TableCalls::of(update).after(1), TableFault::Hang);
    injector.fail_table_calls(2, TableCalls::all().containing("parts"), TableFault::Cut);
    let faults = [
        injector.table_fault(get, b"{}"),
        injector.table_fault(update, b"{\"parts\":1}"),
        injector.table_fault(update, b"{\"parts\":1}"),
        injector.table_fault(get, b"{\"parts\":1}"),
        injector.table_fault(get, b"{\"parts\":1}"),
    ];
    let (hang, cut) = (Some(TableFault::Hang), Some(TableFault::Cut));
    assert_eq!(faults, [None, cut, hang, cut, None]);
    assert_eq!(injector.counts()[&FaultKind::Table(TableFault::Cut)], 2);
    injector.clear();
    injector.fail_table_calls(u32::MAX, TableCalls::all(), TableFault::Throttled);
    assert_eq!(injector.table_fault(get, b""), Some(TableFault::Throttled));
}
