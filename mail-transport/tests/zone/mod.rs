//! A name server on loopback, with or without signatures of its own root.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "each test uses a part of it"
)]

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::SystemTime,
};

use hickory_resolver::proto::{
    dnssec::{
        Algorithm, SigningKey, TBS,
        crypto::Ed25519SigningKey,
        rdata::{DNSKEY, DNSSECRData, NSEC, RRSIG, sig::SigInput},
    },
    op::{Message, MessageType, ResponseCode},
    rr::{DNSClass, Name, RData, Record, RecordType as Type, SerialNumber, rdata::SOA},
};
use tokio::net::UdpSocket;

/// Records with their owners. What is below the owner of an NS record is in a zone that is not signed.
pub type Zone = Vec<(&'static str, RData)>;

pub fn name(text: &str) -> Name {
    let mut name = Name::from_ascii(text).unwrap();
    name.set_fqdn(true);
    name
}

/// The key of a root that signs all there is.
pub struct Root {
    key: Ed25519SigningKey,
    dnskey: DNSKEY,
}

impl Root {
    pub fn new() -> Self {
        let key = Ed25519SigningKey::from_pkcs8(&Ed25519SigningKey::generate_pkcs8().unwrap()).unwrap();
        let dnskey = DNSKEY::from_key(&key.to_public_key().unwrap());
        Self { key, dnskey }
    }

    pub fn public(&self) -> Vec<u8> {
        use hickory_resolver::proto::dnssec::PublicKey;
        self.dnskey.public_key().public_bytes().to_vec()
    }

    fn sign(&self, records: &[Record]) -> Record {
        let name = &records[0].name;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as u32;
        let input = SigInput {
            type_covered: records[0].record_type(),
            algorithm: Algorithm::ED25519,
            num_labels: name.num_labels(),
            original_ttl: 300,
            sig_expiration: SerialNumber::new(now + 3600),
            sig_inception: SerialNumber::new(now - 3600),
            key_tag: self.dnskey.calculate_key_tag().unwrap(),
            signer_name: Name::root(),
        };
        let tbs = TBS::from_input(name, DNSClass::IN, &input, records.iter()).unwrap();
        let signature = RRSIG::from_sig(input, self.key.sign(&tbs).unwrap());
        Record::from_rdata(name.clone(), 300, RData::DNSSEC(DNSSECRData::RRSIG(signature)))
    }

    /// That a name has these types of records, and no others, with the signatures.
    fn deny(&self, owner: &Name, types: Vec<Type>) -> Vec<Record> {
        let soa = SOA::new(Name::root(), Name::root(), 1, 300, 300, 300, 300);
        let next = owner.prepend_label(&b"\0"[..]).unwrap();
        let nsec = NSEC::new_cover_self(next, types);
        let proofs = [
            Record::from_rdata(Name::root(), 300, RData::SOA(soa)),
            Record::from_rdata(owner.clone(), 300, RData::DNSSEC(DNSSECRData::NSEC(nsec))),
        ];
        proofs.into_iter().flat_map(|proof| [self.sign(std::slice::from_ref(&proof)), proof]).collect()
    }
}

/// A name server on loopback. `change` can spoil what it says.
pub async fn name_server(
    zone: Zone,
    root: Option<Arc<Root>>,
    change: impl Fn(&mut Message) + Send + 'static,
) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let Ok(asked) = Message::from_vec(&buffer[..length]) else { continue };
            let mut answer = answer(&zone, root.as_deref(), &asked);
            change(&mut answer);
            socket.send_to(&answer.to_vec().unwrap(), peer).await.unwrap();
        }
    });
    address
}

fn answer(zone: &Zone, root: Option<&Root>, asked: &Message) -> Message {
    let query = asked.queries[0].clone();
    let (owner, kind) = (query.name().clone(), query.query_type());
    let mut answer = Message::new(asked.metadata.id, MessageType::Response, asked.metadata.op_code);
    answer.metadata.recursion_available = true;
    answer.metadata.recursion_desired = true;
    answer.add_query(query);
    let of_owner: Vec<_> = zone.iter().filter(|(known, _)| name(known) == owner).collect();
    let of_kind = |kind| {
        let records = of_owner.iter().filter(move |(_, data)| data.record_type() == kind);
        records.map(|(_, data)| Record::from_rdata(owner.clone(), 300, data.clone())).collect::<Vec<_>>()
    };
    let mut records = of_kind(kind);
    if records.is_empty() {
        records = of_kind(Type::CNAME);
    }
    if let (Some(root), Type::DNSKEY, true) = (root, kind, owner.is_root()) {
        let key = RData::DNSSEC(DNSSECRData::DNSKEY(root.dnskey.clone()));
        records = vec![Record::from_rdata(Name::root(), 300, key)];
    }
    let is_unsigned = zone.iter().any(|(cut, data)| {
        // The cut itself belongs to the zone above, as far as it says where the one below is.
        let is_below = name(cut).zone_of(&owner) && (name(cut) != owner || kind != Type::DS);
        data.record_type() == Type::NS && is_below
    });
    match (root.filter(|_| !is_unsigned), records.is_empty()) {
        (Some(root), true) => {
            let types = of_owner.iter().map(|(_, data)| data.record_type()).collect();
            answer.add_authorities(root.deny(&owner, types));
        }
        (Some(root), false) => _ = answer.add_answer(root.sign(&records)),
        (None, true) => answer.metadata.response_code = ResponseCode::NXDomain,
        (None, false) => {}
    }
    answer.add_answers(records);
    answer
}
