//! A bounded memory.

use std::collections::HashMap;
use std::hash::Hash;

/// What is remembered by a key, up to a bound: the least recently used is forgotten first.
#[derive(Debug)]
pub(crate) struct RecentlyUsed<K, V> {
    values: HashMap<K, (u64, V)>,
    capacity: usize,
    /// Counts the uses.
    clock: u64,
}

impl<K: Clone + Eq + Hash, V: Default> RecentlyUsed<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { values: HashMap::new(), capacity, clock: 0 }
    }

    /// The value of a key, which is used now. What is not remembered is new.
    pub(crate) fn get_or_default(&mut self, key: &K) -> &mut V {
        self.clock += 1;
        if self.values.len() >= self.capacity && !self.values.contains_key(key) {
            self.forget_oldest();
        }
        let (used, value) = self.values.entry(key.clone()).or_default();
        *used = self.clock;
        value
    }

    /// The value of a key that is remembered.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.values.get_mut(key).map(|(_, value)| value)
    }

    /// Forgets a key, and returns what was remembered.
    pub(crate) fn forget(&mut self, key: &K) -> Option<V> {
        self.values.remove(key).map(|(_, value)| value)
    }

    fn forget_oldest(&mut self) {
        let oldest = self.values.iter().min_by_key(|(_, (used, _))| *used);
        if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
            self.values.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_is_forgotten_first() {
        let mut counts: RecentlyUsed<&str, u32> = RecentlyUsed::new(3);
        let mut count = |key| {
            let count = counts.get_or_default(&key);
            *count += 1;
            *count
        };
        assert_eq!([count("first"), count("first"), count("second")], [1, 2, 1]);
        assert_eq!(count("third"), 1);
        assert_eq!(count("second"), 2);
        assert_eq!(count("fourth"), 1);
        assert_eq!(count("second"), 3, "it was used later than `first`");
        assert_eq!(count("first"), 1);
        assert_eq!(counts.forget(&"second"), Some(3));
        assert_eq!(counts.get_mut(&"second"), None);
    }
}
