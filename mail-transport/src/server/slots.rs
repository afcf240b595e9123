//! Counting connections.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::ServerLimits;

/// The slots for connections, overall and per address.
#[derive(Debug)]
pub(super) struct Slots {
    limit: usize,
    limit_per_address: usize,
    fair_shares: bool,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Only addresses that have one: this map is never larger than `all`.
    by_address: HashMap<IpAddr, usize>,
}

/// So many slots an address can have however full the server is, if there are any: what the programs of
/// one person need.
const ALWAYS: usize = 8;

/// A slot, given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    address: Option<IpAddr>,
}

impl Slots {
    pub(super) fn new(limits: &ServerLimits) -> Arc<Self> {
        Arc::new(Self {
            limit: limits.connections,
            limit_per_address: limits.connections_per_address,
            fair_shares: limits.fair_shares,
            taken: Mutex::default(),
        })
    }

    /// How many slots one address may have. The fuller the server is, the fewer: so a handful of
    /// addresses cannot take all, however many each may have on an empty one.
    fn share(&self, taken: usize) -> usize {
        let free = self.limit.saturating_sub(taken);
        let fair = if self.fair_shares { (free / 10).max(ALWAYS) } else { usize::MAX };
        fair.min(self.limit_per_address)
    }

    pub(super) fn taken(&self) -> usize {
        self.lock().all
    }

    pub(super) fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Slot> {
        let address = address.map(customer);
        let mut taken = self.lock();
        if taken.all >= self.limit {
            return None;
        }
        if let Some(address) = address {
            let count = taken.by_address.get(&address).copied().unwrap_or(0);
            if count >= self.share(taken.all) {
                return None;
            }
            taken.by_address.insert(address, count.saturating_add(1));
        }
        taken.all = taken.all.saturating_add(1);
        Some(Slot { slots: Arc::clone(self), address })
    }

    /// Counts a slot by an address that was not known when it was taken. False if that address has its share.
    fn claim(&self, slot: &mut Option<IpAddr>, address: IpAddr) -> bool {
        let address = customer(address);
        let mut taken = self.lock();
        let count = taken.by_address.get(&address).copied().unwrap_or(0);
        // This one is among all that are taken, and none of the address's yet.
        if slot.is_some() || count >= self.share(taken.all.saturating_sub(1)) {
            return false;
        }
        taken.by_address.insert(address, count.saturating_add(1));
        *slot = Some(address);
        true
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Counts this one by the address of its client, once that is known. False if that has its share already.
    pub(super) fn claim(&mut self, address: IpAddr) -> bool {
        self.slots.claim(&mut self.address, address)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.lock();
        taken.all = taken.all.saturating_sub(1);
        if let Some(address) = self.address {
            match taken.by_address.get_mut(&address) {
                Some(count) if *count > 1 => *count = count.saturating_sub(1),
                _ => drop(taken.by_address.remove(&address)),
            }
        }
    }
}

/// The address by which somebody is counted: IPv4 in its own form, IPv6 by /64.
pub(super) fn customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) >> 64 << 64).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn slots(connections: usize, connections_per_address: usize) -> Arc<Slots> {
        Slots::new(&ServerLimits { connections, connections_per_address, ..ServerLimits::default() })
    }

    #[test]
    fn ten_addresses_do_not_take_all_slots() {
        let limits = ServerLimits::default();
        let slots = Slots::new(&limits);
        let mut taken = Vec::new();
        for round in 0..limits.connections {
            for host in 0..10 {
                taken.extend(slots.take(address(&format!("192.0.2.{host}"))));
            }
            assert!(round > 0 || taken.len() == 10);
        }
        assert!((400..=600).contains(&taken.len()), "{}", taken.len());
        // Each of some hundred others still gets what one person needs.
        for host in 0..50 {
            for _ in 0..8 {
                taken.push(slots.take(address(&format!("198.51.100.{host}"))).unwrap());
            }
        }
        let one = Slots::new(&ServerLimits { fair_shares: false, connections_per_address: 1000, ..limits });
        let all: Vec<_> = (0..1000).map_while(|_| one.take(address("192.0.2.1"))).collect();
        assert_eq!(all.len(), 1000, "a proxy may have all of them, if it is told");
    }

    #[test]
    fn places_are_limited_and_given_back() {
        let slots = slots(4, 2);
        let first = slots.take(address("192.0.2.1")).unwrap();
        let _second = slots.take(address("::ffff:192.0.2.1")).unwrap();
        assert!(slots.take(address("192.0.2.1")).is_none());
        drop(first);
        let _third = slots.take(address("192.0.2.1")).unwrap();
        let _fourth = slots.take(address("2001:db8::1")).unwrap();
        let fifth = slots.take(address("2001:db8::2")).unwrap();
        assert!(slots.take(None).is_none(), "all are taken");
        drop(fifth);
        assert!(slots.take(address("2001:db8::ffff:ffff:ffff:ffff")).is_some());
        assert_eq!(slots.taken(), 3);
    }

    #[test]
    fn ipv6_is_counted_by_customer() {
        let slots = slots(10, 1);
        let _one = slots.take(address("2001:db8:0:1::1")).unwrap();
        assert!(slots.take(address("2001:db8:0:1:ffff::1")).is_none());
        assert!(slots.take(address("2001:db8:0:2::1")).is_some());
        assert_eq!(slots.lock().by_address.len(), 1, "nothing is kept of those that are gone");
    }
}
