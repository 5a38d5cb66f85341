//! How often one may try: per address and per name, in memory.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Log-ins an address may try at once, and then each minute.
pub const PER_ADDRESS: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// Log-ins that may be tried for one name at once, and then each minute.
pub const PER_NAME: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// Forms without an account (takedown requests) that an address may send an hour.
pub const FORMS: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// Addresses and names remembered before those long quiet are forgotten.
const REMEMBERED: usize = 100_000;

pub struct Limits {
    addresses: DefaultKeyedRateLimiter<IpAddr>,
    names: DefaultKeyedRateLimiter<String>,
    forms: DefaultKeyedRateLimiter<IpAddr>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            addresses: RateLimiter::keyed(Quota::per_minute(PER_ADDRESS)),
            names: RateLimiter::keyed(Quota::per_minute(PER_NAME)),
            forms: RateLimiter::keyed(Quota::per_hour(FORMS)),
        }
    }
}

impl Limits {
    /// Whether a log-in may be tried now.
    pub fn log_in(&self, from: IpAddr, name: &str) -> bool {
        self.forget();
        self.addresses.check_key(&network(from)).is_ok()
            && self.names.check_key(&name.to_owned()).is_ok()
    }

    /// Whether somebody who has logged in may try the present password now.
    pub fn password(&self, name: &str) -> bool {
        self.names.check_key(&name.to_owned()).is_ok()
    }

    /// Whether a form that needs no account may be sent now.
    pub fn form(&self, from: IpAddr) -> bool {
        self.forget();
        self.forms.check_key(&network(from)).is_ok()
    }

    fn forget(&self) {
        if self.addresses.len() + self.names.len() + self.forms.len() > REMEMBERED {
            self.addresses.retain_recent();
            self.names.retain_recent();
            self.forms.retain_recent();
        }
    }
}

/// A household has a whole /64 of IPv6: it counts as one address.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        },
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_an_address_run_out_of_tries() {
        let limits = Limits::default();
        let at = |n: u8| IpAddr::from([10, 0, 0, n]);
        for n in 0..PER_NAME.get() as u8 {
            assert!(limits.log_in(at(n), "mira"), "{n}");
        }
        assert!(!limits.log_in(at(200), "mira"));
        assert!(limits.log_in(at(200), "noor"));
        for n in 0..PER_ADDRESS.get() {
            assert!(limits.log_in(at(100), &format!("name-{n}")), "{n}");
        }
        assert!(!limits.log_in(at(100), "another"));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let a: IpAddr = "2001:db8:1:2::1".parse().unwrap();
        let b: IpAddr = "2001:db8:1:2:ffff::9".parse().unwrap();
        let c: IpAddr = "2001:db8:1:3::1".parse().unwrap();
        assert_eq!(network(a), network(b));
        assert_ne!(network(a), network(c));
        assert_eq!(
            network("::ffff:10.0.0.1".parse().unwrap()),
            IpAddr::from([10, 0, 0, 1])
        );
    }
}
