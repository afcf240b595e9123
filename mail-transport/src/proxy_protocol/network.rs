use std::{fmt, net::IpAddr, str::FromStr};

/// A block of addresses, as `192.0.2.0/24`, `2001:db8::/32` or a single address.
///
/// # Examples
///
/// ```
/// use mailwire_transport::proxy_protocol::Network;
///
/// let network: Network = "10.1.0.0/16".parse()?;
/// assert!(network.contains("10.1.2.3".parse()?));
/// // An address of IPv4 is that, too, where a socket gives it as one of IPv6.
/// assert!(network.contains("::ffff:10.1.2.3".parse()?));
/// assert!("10.1.2.3/16".parse::<Network>().is_err(), "rather 10.1.0.0/16, or 10.1.2.3");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    length: u8,
}

/// The reason why a text is no [`Network`].
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// What stands before the slash is no address.
    #[error("{0:?} does not begin with an address: 192.0.2.0/24, 2001:db8::/32")]
    Address(String),
    /// What stands after the slash is no number of bits, or more than an address has.
    #[error("{0:?} does not end with a number of bits: 0 to 32 for IPv4, 0 to 128 for IPv6")]
    Length(String),
    /// The address has bits beyond the length: a network was meant, or a single address, and nobody can know which.
    #[error("{given} is an address within {network}: name that, or the address without a length")]
    Bits {
        /// The text.
        given: String,
        /// The network in which the address is.
        network: Network,
    },
}

impl Network {
    /// The network with the first `length` bits of `address`.
    ///
    /// # Errors
    ///
    /// An address has fewer bits, or this one has others than zeros after them.
    pub fn new(address: IpAddr, length: u8) -> Result<Self, NetworkError> {
        let given = || format!("{address}/{length}");
        if length > bits(address).1 {
            return Err(NetworkError::Length(given()));
        }
        let network = Self { address: first(address, length), length };
        if network.address == address {
            Ok(network)
        } else {
            Err(NetworkError::Bits { given: given(), network })
        }
    }

    /// Whether an address is in this network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        [address, address.to_canonical()]
            .iter()
            .any(|one| one.is_ipv4() == self.address.is_ipv4() && first(*one, self.length) == self.address)
    }
}

/// The address as a number, its highest bit first, and how many bits it has.
fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

/// The address with zeros after the first `length` bits.
fn first(address: IpAddr, length: u8) -> IpAddr {
    let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length.into())).unwrap_or(0);
    let number = bits(address).0 & mask;
    match address {
        IpAddr::V4(_) => IpAddr::V4(u32::try_from(number >> 96).unwrap_or(0).into()),
        IpAddr::V6(_) => IpAddr::V6(number.into()),
    }
}

/// A single address.
impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self { address, length: bits(address).1 }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address(text.to_owned()))?;
        let Some(length) = length else { return Ok(address.into()) };
        let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        let length = length.parse().ok().filter(|_| digits);
        Self::new(address, length.ok_or_else(|| NetworkError::Length(text.to_owned()))?)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}
