//! Users and their passwords.

use std::{borrow::Cow, time::SystemTime};

use mailwire_core::Secret;
use mailwire_imap::extensions::acl::Rights;
use mailwire_transport::{
    run_blocking,
    sasl::{Authenticator, LoginContext, Mechanism, ScramKeys, StoredPassword, Unavailable},
};
use tokio_postgres::Row as Line;

use super::{
    Inner, PostgresStore, lines as table,
    lines::account_columns,
    save::{Part, save},
    sql::{Query, get, int, lines, nat, query, small},
};
use crate::{
    AccountId, Error, MailboxPath, Result,
    kept::{check_name, is_ours, kept_password, key, tables::micros},
};

/// The account of a user.
fn named(name: &str) -> Query {
    query!("SELECT id FROM account WHERE key=$1", key(name))
}

/// The first column of the first line.
fn id(lines: &[Line]) -> Result<Option<i64>> {
    lines.first().map(|line| get(line, 0)).transpose()
}

impl Inner {
    /// Who logs in by this name, or gets the mail for this address: `ada@example.org`, or `ada`.
    pub(super) async fn resolve(&self, name: &str) -> Result<i64> {
        let mut keys = vec![key(name)];
        if let Some(account) = keys.first().and_then(|key| self.named.get(key)) {
            return Ok(account);
        }
        match name.rsplit_once('@') {
            Some((local, domain)) if is_ours(&self.config.domains, domain) => keys.push(key(local)),
            _ => {}
        }
        let text = concat!("SELECT ", account_columns!(), " FROM account WHERE key=ANY($1)");
        let found = self.ask(vec![query!(text, keys.clone())]).await?;
        let accounts = lines(&found, 0).iter().map(|line| table::account(line, &self.config));
        let accounts = accounts.collect::<Result<Vec<_>>>()?;
        let mut named = keys.iter().filter_map(|key| accounts.iter().find(|account| account.key == *key));
        let account = named.next().ok_or(Error::NoSuchAccount)?;
        self.rooms.put(account);
        // What its own name is, and nothing else, names it for ever.
        if keys.first() == Some(&account.key) {
            self.named.put(account.key.clone(), account.id);
        }
        Ok(account.id)
    }

    /// The user `postmaster`, otherwise the one who was added first; of a domain, only if anybody gets mail there.
    pub(super) async fn postmaster(&self, domain: Option<&str>) -> Result<i64> {
        let first = "SELECT id FROM account ORDER BY id LIMIT 1";
        let mut look = vec![named("postmaster"), query!(first)];
        if let Some(domain) = domain.filter(|domain| !is_ours(&self.config.domains, domain)) {
            let text =
                "SELECT id FROM account WHERE length(key)>length($1) AND right(key, length($1))=$1 LIMIT 1";
            look.push(query!(text, format!("@{}", domain.to_lowercase())));
        }
        let found = self.ask(look).await?;
        if found.len() > 2 {
            id(lines(&found, 2))?.ok_or(Error::NoSuchAccount)?;
        }
        match id(lines(&found, 0))? {
            Some(account) => Ok(account),
            None => id(lines(&found, 1))?.ok_or(Error::NoSuchAccount),
        }
    }
}

fn password(lines: &[Line]) -> Result<Option<StoredPassword>> {
    let (mut sha1, mut sha256, mut sha512) = (None, None, None);
    for line in lines {
        let (salt, iterations): (Vec<u8>, u32) = (get(line, 1)?, small(line, 2)?);
        let keys = ScramKeys::new(salt, iterations, get::<Vec<u8>>(line, 3)?, get::<Vec<u8>>(line, 4)?);
        match get::<String>(line, 0)?.as_str() {
            "SHA-1" => sha1 = Some(keys),
            "SHA-256" => sha256 = Some(keys),
            "SHA-512" => sha512 = Some(keys),
            // Of a later version of this crate.
            _ => {}
        }
    }
    let Some(sha256) = sha256 else { return Ok(None) };
    let stored = StoredPassword::from_keys(sha256, sha1);
    Ok(Some(match sha512 {
        Some(sha512) => stored.with_sha512(sha512),
        None => stored,
    }))
}

/// Statements that give an account a password.
fn set_password(account: i64, password: &StoredPassword, shared: Option<&Secret>) -> Vec<Query> {
    let mut write = vec![query!("DELETE FROM password WHERE account=$1", account)];
    let hashes =
        [("SHA-1", password.sha1()), ("SHA-256", Some(password.sha256())), ("SHA-512", password.sha512())];
    for (hash, keys) in hashes {
        let Some(keys) = keys else { continue };
        let (stored, server) = (keys.stored_key.expose().to_vec(), keys.server_key.expose().to_vec());
        let text = "INSERT INTO password VALUES($1, $2, $3, $4, $5, $6)";
        let (salt, iterations) = (keys.salt.to_vec(), i64::from(keys.iterations));
        write.push(query!(text, account, hash, salt, iterations, stored, server));
    }
    let shared = shared.map(|shared| shared.expose().to_vec());
    write.push(query!("UPDATE account SET shared=$2 WHERE id=$1", account, shared));
    write
}

impl PostgresStore {
    /// Adds a user: `ada`, who gets mail for `ada` at any of the store's [domains](super::Config::domains), or
    /// `ada@example.org`, who gets mail for that address. Names are the same in any case of their letters.
    ///
    /// # Errors
    ///
    /// [`Error::Account`]: the name is taken, empty or has control characters, or this cannot be a password. The database
    /// cannot be written.
    pub async fn add_user(&self, name: &str, password: impl Into<Secret>) -> Result<AccountId> {
        check_name(name)?;
        let (password, shared) = self.hashed(password.into()).await?;
        let mut conn = self.inner.conn().await.map_err(super::sql::Failure::not_done)?;
        let text = concat!(
            "INSERT INTO account(name, key) VALUES($1, $2) ON CONFLICT (key) DO NOTHING RETURNING ",
            account_columns!()
        );
        let begun = conn.begin(vec![query!(text, name.to_owned(), key(name))]).await;
        let added = begun.map_err(super::sql::Failure::not_done)?;
        let Some(line) = lines(&added, 0).first() else {
            conn.roll_back().await;
            return Err(Error::Account("the user name is taken"));
        };
        let mut account = table::account(line, &self.inner.config)?;
        account.mailboxes = 1;
        let (uid_validity, change) = (i64::from(account.uid_validity().get()), int(account.next_change()));
        let inbox = MailboxPath::inbox().as_str().to_owned();
        let text =
            "INSERT INTO mailbox(account, name, uid_validity, modseq, rights) VALUES($1, $2, $3, $4, $5)";
        let mut write = vec![
            query!(text, account.id, inbox.clone(), uid_validity, change, Rights::ALL.to_string()),
            query!("INSERT INTO subscription VALUES($1, $2)", account.id, inbox),
            save(&[&Part::new(account.clone())]),
        ];
        write.extend(set_password(account.id, &password, shared.as_ref()));
        conn.commit(write).await.map_err(super::in_doubt)?;
        Ok(AccountId::new(nat(account.id)))
    }

    /// Gives a user another password. Sessions that are open go on.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`]; [`Error::Account`]: this cannot be a password. The database cannot be written.
    pub async fn set_password(&self, name: &str, password: impl Into<Secret>) -> Result<()> {
        let (password, shared) = self.hashed(password.into()).await?;
        let account = id(lines(&self.inner.ask(vec![named(name)]).await?, 0))?.ok_or(Error::NoSuchAccount)?;
        self.inner.apply(set_password(account, &password, shared.as_ref())).await
    }

    /// Says that a user's name was another user's until then: mail for that one is not for this user ([RFC
    /// 7293](https://www.rfc-editor.org/rfc/rfc7293), see
    /// [`SmtpService::with_valid_since`](crate::SmtpService::with_valid_since)). Nobody had it by default.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`]. The database cannot be written.
    pub async fn set_owner_since(&self, account: AccountId, since: SystemTime) -> Result<()> {
        let text = "UPDATE account SET owner_since=$2 WHERE id=$1 RETURNING id";
        let set = query!(text, int(account.get()), micros(since));
        id(lines(&self.inner.apply_and_read(vec![set]).await?, 0))?.ok_or(Error::NoSuchAccount).map(drop)
    }

    /// The names of all users, in the order in which they were added.
    ///
    /// # Errors
    ///
    /// The database cannot be read.
    pub async fn users(&self) -> Result<Vec<String>> {
        let found = self.inner.ask(vec![query!("SELECT name FROM account ORDER BY id")]).await?;
        lines(&found, 0).iter().map(|line| get(line, 0)).collect()
    }

    async fn hashed(&self, password: Secret) -> Result<(StoredPassword, Option<Secret>)> {
        let mechanisms = self.inner.config.mechanisms.clone();
        run_blocking(move || kept_password(&password, &mechanisms)).await
    }
}

/// Users prove who they are by their passwords, and act as themselves only.
impl Authenticator for PostgresStore {
    fn mechanisms(&self) -> &[Mechanism] {
        &self.inner.config.mechanisms
    }

    fn canonical_name<'a>(&self, user: &'a str) -> Cow<'a, str> {
        key(user).into()
    }

    async fn lookup(&self, user: &str, _: &LoginContext) -> Result<Option<StoredPassword>, Unavailable> {
        let text = "SELECT p.hash, p.salt, p.iterations, p.stored_key, p.server_key
            FROM account a JOIN password p ON p.account=a.id WHERE a.key=$1";
        let found = self.inner.ask(vec![query!(text, key(user))]).await.map_err(unavailable)?;
        password(lines(&found, 0)).map_err(unavailable)
    }

    async fn shared_secret(&self, user: &str, _: &LoginContext) -> Result<Option<Secret>, Unavailable> {
        let look = query!("SELECT shared FROM account WHERE key=$1", key(user));
        let found = self.inner.ask(vec![look]).await.map_err(unavailable)?;
        let shared = lines(&found, 0).first().map(|line| get::<Option<Vec<u8>>>(line, 0)).transpose();
        Ok(shared.map_err(unavailable)?.flatten().map(Secret::from))
    }

    /// As long as the database lives, so that the salt of nobody is the same on each server and after each start.
    fn decoy_key(&self) -> Secret {
        self.inner.decoy_key.clone()
    }
}

fn unavailable(error: Error) -> Unavailable {
    tracing::warn!(%error, "the store failed");
    Unavailable
}
