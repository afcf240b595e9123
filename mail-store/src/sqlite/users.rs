//! Users and their passwords.

use std::{borrow::Cow, time::SystemTime};

use mailwire_core::Secret;
use mailwire_transport::{
    run_blocking,
    sasl::{Authenticator, LoginContext, Mechanism, ScramKeys, StoredPassword, Unavailable},
};

use super::{
    SqliteStore,
    account::Account,
    sql::{Sql, all, get, int, nat, one, params, run},
    writer::Tx,
};
use crate::{
    AccountId, Error, MailboxPath, Result,
    kept::{check_name, is_ours, kept_password, key, tables::micros},
};

/// The account of a user.
pub(super) fn named(sql: &Sql, name: &str) -> Result<Option<i64>> {
    one(sql, "SELECT id FROM account WHERE key=?1", [key(name)], |line| get(line, 0))
}

/// Who logs in by this name, or gets the mail for this address: `ada@example.org`, or `ada`.
pub(super) fn resolve(sql: &Sql, domains: &[String], name: &str) -> Result<i64> {
    let found = match (named(sql, name)?, name.rsplit_once('@')) {
        (None, Some((local, domain))) if is_ours(domains, domain) => named(sql, local)?,
        (found, _) => found,
    };
    found.ok_or(Error::NoSuchAccount)
}

/// The user `postmaster`, otherwise the one who was added first; of a domain, only if anybody gets mail there.
pub(super) fn postmaster(sql: &Sql, domains: &[String], domain: Option<&str>) -> Result<i64> {
    if let Some(domain) = domain.filter(|domain| !is_ours(domains, domain)) {
        let end = format!("@{}", domain.to_lowercase());
        let text =
            "SELECT 1 FROM account WHERE length(key)>length(?1) AND substr(key, -length(?1))=?1 LIMIT 1";
        one(sql, text, [end], |_| Ok(()))?.ok_or(Error::NoSuchAccount)?;
    }
    match named(sql, "postmaster")? {
        Some(account) => Ok(account),
        None => one(sql, "SELECT id FROM account ORDER BY id LIMIT 1", [], |line| get(line, 0))?
            .ok_or(Error::NoSuchAccount),
    }
}

fn password(sql: &Sql, account: i64) -> Result<Option<StoredPassword>> {
    let text = "SELECT hash, salt, iterations, stored_key, server_key FROM password WHERE account=?1";
    let (mut sha1, mut sha256, mut sha512) = (None, None, None);
    all(sql, text, [account], |line| {
        let (salt, iterations): (Vec<u8>, u32) = (get(line, 1)?, get(line, 2)?);
        let keys = ScramKeys::new(salt, iterations, get::<Vec<u8>>(line, 3)?, get::<Vec<u8>>(line, 4)?);
        match get::<String>(line, 0)?.as_str() {
            "SHA-1" => sha1 = Some(keys),
            "SHA-256" => sha256 = Some(keys),
            "SHA-512" => sha512 = Some(keys),
            // Of a later version of this crate.
            _ => {}
        }
        Ok(())
    })?;
    let Some(sha256) = sha256 else { return Ok(None) };
    let stored = StoredPassword::from_keys(sha256, sha1);
    Ok(Some(match sha512 {
        Some(sha512) => stored.with_sha512(sha512),
        None => stored,
    }))
}

impl Tx<'_> {
    fn set_password(
        &mut self,
        account: i64,
        password: &StoredPassword,
        shared: Option<&Secret>,
    ) -> Result<()> {
        run(self.sql, "DELETE FROM password WHERE account=?1", [account])?;
        let hashes = [
            ("SHA-1", password.sha1()),
            ("SHA-256", Some(password.sha256())),
            ("SHA-512", password.sha512()),
        ];
        for (hash, keys) in hashes {
            let Some(keys) = keys else { continue };
            let text = "INSERT INTO password VALUES(?1, ?2, ?3, ?4, ?5, ?6)";
            let (stored, server) = (keys.stored_key.expose(), keys.server_key.expose());
            run(self.sql, text, params![account, hash, keys.salt, keys.iterations, stored, server])?;
        }
        let shared = shared.map(Secret::expose);
        run(self.sql, "UPDATE account SET shared=?2 WHERE id=?1", params![account, shared]).map(drop)
    }

    fn add_user(&mut self, name: &str) -> Result<i64> {
        if named(self.sql, name)?.is_some() {
            return Err(Error::Account("the user name is taken"));
        }
        let text = "INSERT INTO account(name, key) VALUES(?1, ?2) RETURNING id";
        let id = one(self.sql, text, [name, &key(name)], |line| get::<i64>(line, 0))?;
        let mut account = Account::load(self.sql, id.ok_or(Error::NoSuchAccount)?, self.config)?;
        let inbox = MailboxPath::inbox();
        self.create(&mut account, &inbox, None)?;
        run(self.sql, "INSERT INTO subscription VALUES(?1, ?2)", params![account.id, inbox.as_str()])?;
        account.save(self)?;
        Ok(account.id)
    }
}

impl SqliteStore {
    /// Adds a user: `ada`, who gets mail for `ada` at any of the store's [domains](super::Config::domains), or
    /// `ada@example.org`, who gets mail for that address. Names are the same in any case of their letters.
    ///
    /// # Errors
    ///
    /// [`Error::Account`]: the name is taken, empty or has control characters, or this cannot be a password. The file
    /// cannot be written.
    pub async fn add_user(&self, name: &str, password: impl Into<Secret>) -> Result<AccountId> {
        check_name(name)?;
        let (password, shared) = self.hashed(password.into()).await?;
        let name = name.to_owned();
        let add = self.inner.writer.change(move |tx| {
            let account = tx.add_user(&name)?;
            tx.set_password(account, &password, shared.as_ref())?;
            Ok(account)
        });
        add.await.map(|account| AccountId::new(nat(account)))
    }

    /// Gives a user another password. Sessions that are open go on.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`]; [`Error::Account`]: this cannot be a password. The file cannot be written.
    pub async fn set_password(&self, name: &str, password: impl Into<Secret>) -> Result<()> {
        let (password, shared) = self.hashed(password.into()).await?;
        let name = name.to_owned();
        let set = self.inner.writer.change(move |tx| {
            let account = named(tx.sql, &name)?.ok_or(Error::NoSuchAccount)?;
            tx.set_password(account, &password, shared.as_ref())
        });
        set.await
    }

    /// Says that a user's name was another user's until then: mail for that one is not for this user ([RFC
    /// 7293](https://www.rfc-editor.org/rfc/rfc7293), see
    /// [`SmtpService::with_valid_since`](crate::SmtpService::with_valid_since)). Nobody had it by default.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`]. The file cannot be written.
    pub async fn set_owner_since(&self, account: AccountId, since: SystemTime) -> Result<()> {
        let since = micros(since);
        let set = self.inner.writer.change(move |tx| {
            let text = "UPDATE account SET owner_since=?2 WHERE id=?1";
            let changed = run(tx.sql, text, [int(account.get()), since])?;
            if changed == 0 { Err(Error::NoSuchAccount) } else { Ok(()) }
        });
        set.await
    }

    /// The names of all users, in the order in which they were added.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub async fn users(&self) -> Result<Vec<String>> {
        let text = "SELECT name FROM account ORDER BY id";
        self.inner.look(move |sql, _| all(sql, text, [], |line| get(line, 0))).await
    }

    async fn hashed(&self, password: Secret) -> Result<(StoredPassword, Option<Secret>)> {
        let mechanisms = self.inner.config.mechanisms.clone();
        run_blocking(move || kept_password(&password, &mechanisms)).await
    }
}

/// Users prove who they are by their passwords, and act as themselves only.
impl Authenticator for SqliteStore {
    fn mechanisms(&self) -> &[Mechanism] {
        &self.inner.config.mechanisms
    }

    fn canonical_name<'a>(&self, user: &'a str) -> Cow<'a, str> {
        key(user).into()
    }

    async fn lookup(&self, user: &str, _: &LoginContext) -> Result<Option<StoredPassword>, Unavailable> {
        let user = user.to_owned();
        let found = self.inner.look(move |sql, _| match named(sql, &user)? {
            Some(account) => password(sql, account),
            None => Ok(None),
        });
        found.await.map_err(unavailable)
    }

    async fn shared_secret(&self, user: &str, _: &LoginContext) -> Result<Option<Secret>, Unavailable> {
        let user = key(user);
        let text = "SELECT shared FROM account WHERE key=?1";
        let found =
            self.inner.look(move |sql, _| one(sql, text, [user], |line| get::<Option<Vec<u8>>>(line, 0)));
        Ok(found.await.map_err(unavailable)?.flatten().map(Secret::from))
    }

    /// As long as the file lives, so that the salt of nobody is the same after each start.
    fn decoy_key(&self) -> Secret {
        self.inner.decoy_key.clone()
    }
}

fn unavailable(error: Error) -> Unavailable {
    tracing::warn!(%error, "the store failed");
    Unavailable
}
